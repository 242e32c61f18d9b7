"""Summarises numbers over targets so that a single broken target does not go unnoticed.

One target, such as a model whose training diverged, can change a mean over all of them. The median and the trimmed mean
resist that, and the influence says how far each target moves the mean.
"""

import math
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.core.validation import ArrayLike, check_array

TRIMMED = 0.1


def median_rmad(values: Annotated[ArrayLike, "value"]) -> tuple[float, float]:
    """Returns the median of the finite values, and rMAD = 1.4826·MAD / median in % (paper, Figure 1).

    MAD is the median distance from the median. rMAD is NaN for a median of 0 and, as published, negative for a negative
    one.
    """
    kept = _finite(values)
    if not kept.size:
        return math.nan, math.nan
    median = float(np.median(kept))
    deviation = float(np.median(np.abs(kept - median)))
    return median, 100 * 1.4826 * deviation / median if median else math.nan


def trimmed_mean(values: Annotated[ArrayLike, "value"]) -> float:
    """Returns the mean without the lowest and the highest tenth (rounded down) of the values that are not NaN."""
    kept = np.sort(_defined(values))
    cut = int(TRIMMED * kept.size)
    return float(kept[cut : kept.size - cut].mean()) if kept.size else math.nan


def moments(values: pd.Series, name: str) -> dict[str, float]:
    """Returns mean, standard deviation (ddof 1) and median as columns of a table; NaN values are left out."""
    return {f"{name}_mean": values.mean(), f"{name}_std": values.std(ddof=1), f"{name}_median": values.median()}


class Influence(NamedTuple):
    """How far each value moves the mean.

    Attributes:
        shift: The mean minus the mean of the other values; NaN for a value that is NaN or the only one.
        flagged: Whether the shift exceeds the standard error of the mean of the other values. (No value could exceed an
            error that it is itself part of.)
    """

    shift: Float[np.ndarray, " value"]
    flagged: Bool[np.ndarray, " value"]


def influence(values: Annotated[ArrayLike, "value"]) -> Influence:
    """Returns how far each value moves the mean of those that are not NaN, by leaving it out."""
    values = check_array(values, "values", "targets").astype(np.float64)
    shift, flagged = np.full(values.size, np.nan), np.zeros(values.size, dtype=bool)
    defined = np.flatnonzero(~np.isnan(values))
    if defined.size > 1:
        kept = values[defined]
        others = np.broadcast_to(kept, (kept.size, kept.size))[~np.eye(kept.size, dtype=bool)].reshape(kept.size, -1)
        shift[defined] = (kept - others.mean(axis=1)) / kept.size
        if kept.size > 2:
            error = others.std(axis=1, ddof=1) / math.sqrt(kept.size - 1)
            rounding = 1e-12 * np.abs(kept).max()
            flagged[defined] = np.abs(shift[defined]) > error + rounding
    return Influence(shift, flagged)


class Regression(NamedTuple):
    """Pearson's correlation and slope of least-squares lines: NaN if x is constant, the correlation also if y is."""

    correlation: Float[np.ndarray, " line"]
    slope: Float[np.ndarray, " line"]


def regress(x: Float[np.ndarray, "line value"], y: Float[np.ndarray, "line value"]) -> Regression:
    """Fits a line to each row of y against the same row of x; the correlation of ranks is Spearman's."""
    level, flat = ((values == values[:, :1]).all(axis=1) for values in (x, y))  # which rounding of the means would hide
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    products, squares = (x * y).sum(axis=1), (x**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation, slope = products / np.sqrt(squares * (y**2).sum(axis=1)), products / squares
    return Regression(np.where(level | flat, np.nan, correlation), np.where(level, np.nan, slope))


def _defined(values: ArrayLike) -> np.ndarray:
    values = check_array(values, "values").astype(np.float64)
    return values[~np.isnan(values)]


def _finite(values: ArrayLike) -> np.ndarray:
    values = check_array(values, "values").astype(np.float64)
    return values[np.isfinite(values)]
