"""Computes the median and variance of each row without each of its values in turn, without a loop over the values.

Rows are sorted once, as the median without a value follows from the middle order statistics. The variance comes from
two moments. If the omitted value causes nearly all of it, a subtraction would lose digits, and the variance is computed
anew from the remaining values.
"""

import functools
import math
import threading
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

SMALLEST_SPREAD = 1e-30
LOST = 1e-4  # share of the variance below which what remains is computed again
SMALL = 1e-12
VIEWS_PER_PRODUCT = 18  # so many variances between LOST * SMALL and 1 / SMALL multiply without underflow
TINY = 1e-18  # deviation below which SMALLEST_SPREAD is no longer negligible


class Scratch(threading.local):
    """Arrays that a thread reuses: new ones cost a page fault for every 4 KB, a third of the running time."""

    def __init__(self):
        self.kept: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        """Returns the array of this name, with undefined values."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self.kept or self.kept[name].nbytes < size:
            self.kept[name] = np.empty(size, dtype=np.uint8)
        return self.kept[name][:size].view(dtype).reshape(shape)


def surprise_without_each(
    within: Float[np.ndarray, "sample view value"],
    beyond: Float[np.ndarray, "sample view other"],
    own: Float[np.ndarray, "2 sample value"],
    other: Float[np.ndarray, "2 sample other"],
    scratch: Scratch,
    whole: bool = False,
) -> None:
    """Measures how far each value lies from the normal distribution of the others.

    The others are, for a value of ``within``, the rest of ``within``; for ``beyond``, all of ``within`` but the last.

    Args:
        within: At least two values per row.
        beyond: More values of the same samples and views.
        own: Output for ``within``, summed over views: -2 log density without its log 2 pi, and the squared distance
            to the median.
        other: The same output for ``beyond``.
        scratch: This thread's arrays.
        whole: For ``beyond``, take the last too.
    """
    distance, squares, variances = (scratch.array(name, within.shape) for name in ("distance", "squares", "variances"))
    middle = _Middle.of(within, scratch)
    np.subtract(within, middle.centre, out=distance)
    middle.distance_to_median(distance, out=squares)
    np.square(squares, out=squares)
    logs, variance = _variances_without_each(within, distance, out=variances)
    squares.sum(axis=1, out=own[1])
    squares /= variances
    np.add(squares.sum(axis=1), logs, out=own[0])
    if whole:
        _surprise(beyond, middle.centre, (np.sqrt(variance) + SMALLEST_SPREAD) ** 2, other, scratch)
    else:
        _surprise(beyond, middle.median_without(within[..., -1:]), variances[..., -1:], other, scratch)


def surprise(
    values: Float[np.ndarray, "sample view value"],
    x: Float[np.ndarray, "sample view model"],
    sums: Float[np.ndarray, "2 sample model"],
    scratch: Scratch,
) -> None:
    """Measures how far each of ``x`` lies from the normal distribution of all ``values``; ``sums`` is like ``own``."""
    values = values.astype(np.float64)
    median = np.median(values, axis=-1, keepdims=True)
    spread = (values - median).std(axis=-1, keepdims=True) + SMALLEST_SPREAD
    _surprise(x, median, spread**2, sums, scratch)


def _surprise(x: np.ndarray, median: np.ndarray, variance: np.ndarray, sums: np.ndarray, scratch: Scratch) -> None:
    squares = np.subtract(x, median, out=scratch.array("distance", x.shape))
    np.square(squares, out=squares)
    squares.sum(axis=1, out=sums[1])
    squares /= variance
    np.add(squares.sum(axis=1), _over_views(np.log(variance)), out=sums[0])


class _Middle(NamedTuple):
    """The middle order statistics of each row, float64 [sample, view, 1]; ``centre`` is the row's median."""

    below: np.ndarray
    centre: np.ndarray
    above: np.ndarray
    even: bool

    @classmethod
    def of(cls, x: Float[np.ndarray, "sample view value"], scratch: Scratch) -> "_Middle":
        half, even = x.shape[-1] // 2, x.shape[-1] % 2 == 0
        ordered = scratch.array("ordered", x.shape, x.dtype)
        np.copyto(ordered, x)
        ordered.sort(axis=-1)
        below, middle, above = (ordered[..., [half + i]].astype(np.float64) for i in (-1, 0, 0 if even else 1))
        return cls(below, (below + middle) / 2 if even else middle, above, even)

    def distance_to_median(self, from_centre: np.ndarray, out: np.ndarray) -> None:
        """Turns each value's distance to the median of all into its distance to the median of the others."""
        np.abs(from_centre, out=out)
        if self.even:
            out += (self.above - self.below) / 2
        else:
            shift = np.where(from_centre < 0, self.above - self.centre, self.centre - self.below) / 2
            around = np.abs((self.below + self.above) / 2 - self.centre)
            out += np.where(from_centre == 0, around, shift)

    def median_without(self, value: np.ndarray) -> np.ndarray:
        """Returns the median of the row without one of its values."""
        if self.even:
            return np.where(value <= self.below, self.above, self.below)
        low, high = (self.below + self.centre) / 2, (self.centre + self.above) / 2
        return np.where(value < self.centre, high, np.where(value > self.centre, low, (self.below + self.above) / 2))


def _variances_without_each(x: np.ndarray, distance: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes the variance of each row without each of its values.

    Returns its logarithm, summed over views, and the variance of each row with all of its values.

    ``distance`` is measured from the row's median, which serves as an origin as well as the mean.
    """
    left = x.shape[-1] - 1
    total = distance.sum(axis=-1, keepdims=True)
    squares = np.einsum("svx,svx->sv", distance, distance)[..., None]
    # (squares - d^2) / left - ((total - d) / left)^2 as a polynomial in d, with the fewest passes over the values
    np.multiply(distance, -(left + 1) / left**2, out=out)
    out += 2 * total / left**2
    out *= distance
    out += squares / left - (total / left) ** 2
    whole = (squares - total**2 / (left + 1)) / left
    limit, every = np.maximum(LOST * whole, TINY**2), np.maximum(whole, 0) * left / (left + 1)
    rows = out.min(axis=-1) <= limit[..., 0]
    if rows.any():
        out[rows] = _recomputed(x[rows], out[rows], limit[rows])
    if rows.any() or whole.min() < SMALL or whole.max() > 1 / SMALL:
        return _over_views(np.log(out)), every
    products = [out[:, i : i + VIEWS_PER_PRODUCT].prod(axis=1) for i in range(0, x.shape[1], VIEWS_PER_PRODUCT)]
    return sum(np.log(product) for product in products), every


def _over_views(logs: Float[np.ndarray, "sample view ..."]) -> Float[np.ndarray, "sample ..."]:
    """Adds views in one order however many values there are, so that variances of equal values tie."""
    return functools.reduce(np.add, (logs[:, view] for view in range(logs.shape[1])))


def _recomputed(x: Float[np.ndarray, "row value"], variances: np.ndarray, limit: np.ndarray) -> np.ndarray:
    row, left_out = np.nonzero(variances <= limit)
    kept = np.arange(x.shape[1] - 1)
    kept = kept + (kept >= left_out[:, None])
    values = x[row[:, None], kept].astype(np.float64)
    spread = (values - values[:, :1]).std(axis=1) + SMALLEST_SPREAD  # equal values must have no spread at all
    variances[row, left_out] = spread**2
    return variances
