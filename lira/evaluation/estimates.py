"""Numbers with standard errors, and the errors of numbers that are made from them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

LEVEL = 0.9
QUANTILE = 1.6448536269514722
"""Standard errors from the centre to either end of a 90 % interval."""


class Estimate(NamedTuple):
    """A number and its standard error, NaN where it is not known."""

    value: float
    error: float

    def interval(self) -> tuple[float, float]:
        """Returns the 90 % interval."""
        return self.value - QUANTILE * self.error, self.value + QUANTILE * self.error

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value - other.value, math.hypot(self.error, other.error))

    def exp(self) -> "Estimate":
        """Returns e to the power of the number, whose relative error is the number's error."""
        power = float(np.exp(self.value))
        return Estimate(power, power * self.error)


def least_error(union: Any) -> Any:
    """Returns the least standard error of a Jaccard, as no count is surer than one sample.

    Args:
        union: Samples in the union, or their mean, a number or an array of them; NaN if it is not known.
    """
    return 1 / np.maximum(union, 1)


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """Returns the mean of numbers that may be correlated: its error is the mean of their errors."""
    return Estimate(float(np.mean([one.value for one in estimates])), float(np.mean([one.error for one in estimates])))


def log_ratio(over: Estimate, under: Estimate) -> Estimate:
    """Returns the logarithm of the quotient of two independent numbers; NaN if either is 0."""
    if min(over.value, under.value) <= 0:
        return Estimate(np.nan, np.nan)
    error = np.hypot(over.error / over.value, under.error / under.value)
    return Estimate(float(np.log(over.value / under.value)), float(error))
