"""Numbers with their standard errors, and what becomes of the errors where numbers are combined."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.9
QUANTILE = 1.6448536269514722
"""Standard errors from the centre to either end of a 90 % interval."""


class Estimate(NamedTuple):
    """A number and its standard error, NaN where it is not known."""

    value: float
    error: float

    def interval(self) -> tuple[float, float]:
        """Its 90 % interval."""
        return self.value - QUANTILE * self.error, self.value + QUANTILE * self.error

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value - other.value, math.hypot(self.error, other.error))


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of numbers that may move together: its error is the mean of theirs."""
    return Estimate(float(np.mean([one.value for one in estimates])), float(np.mean([one.error for one in estimates])))


def log_ratio(over: Estimate, under: Estimate) -> Estimate:
    """Logarithm of the quotient of two independent numbers; NaN where either is 0."""
    if min(over.value, under.value) <= 0:
        return Estimate(np.nan, np.nan)
    error = np.hypot(over.error / over.value, under.error / under.value)
    return Estimate(float(np.log(over.value / under.value)), float(error))


def mean_ratio(log_ratios: Sequence[Estimate]) -> Estimate:
    """Arithmetic mean of quotients, from their logarithms."""
    ratios = [(float(np.exp(one.value)), one.error) for one in log_ratios]
    return mean_of([Estimate(ratio, ratio * error) for ratio, error in ratios])
