"""Summaries of numbers over targets: robust centres."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Description(NamedTuple):
    """Location and spread of the finite values of an array; std has ddof 0."""

    mean: float
    median: float
    q1: float
    q3: float
    iqr: float
    std: float
    min: float
    max: float
    n: int


def describe(values: Float[np.ndarray, " value"]) -> Description:
    """Location and spread of the finite values; all NaN where there is none."""
    kept = _finite(values)
    if not kept.size:
        return Description(*[math.nan] * 8, 0)
    q1, median, q3 = np.percentile(kept, [25, 50, 75])
    numbers = (kept.mean(), median, q1, q3, q3 - q1, kept.std(), kept.min(), kept.max())
    return Description(*map(float, numbers), kept.size)


def median_rmad(values: Float[np.ndarray, " value"]) -> tuple[float, float]:
    """Median of the finite values, and 1.4826·MAD relative to it in % (paper, figure 1).

    The second number is NaN for a median of 0 and negative for a negative median, as published.
    """
    kept = _finite(values)
    if not kept.size:
        return math.nan, math.nan
    median = float(np.median(kept))
    deviation = float(np.median(np.abs(kept - median)))
    return median, 100 * 1.4826 * deviation / median if median else math.nan


def _finite(values) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values[np.isfinite(values)]
