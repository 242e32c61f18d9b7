"""Keeps apart the values of a feature that float32 would take for one, such as times within minutes of each other."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from lira.core.errors import DataError
from lira.datasets._arrays import Arrays
from lira.datasets._columns import EXACT

KEPT, LEAST = 0.9, 0.5
"""Shares of a feature's distinct values: with fewer in float32 it is centred first; with fewer then, it is refused."""

BLOCK = 4096
SHOWN = 10  # features that a message names


def with_offset(arrays: Arrays, pool: Int[np.ndarray, " pool"]) -> Arrays:
    """Returns arrays that say what is to be taken off each feature of tabular data before it becomes float32.

    It is 0 where float32 keeps the values apart, or an offset keeps no more of them apart. Elsewhere it is the given
    mean, or else a value in the middle.

    Raises:
        DataError: Features whose values fall together all the same.
    """
    if not isinstance(arrays.x, np.ndarray) or arrays.x.ndim != 2:
        return arrays
    offset, lost = np.zeros(arrays.x.shape[1]), []
    mean = None if arrays.mean is None else np.asarray(arrays.mean, np.float64)
    for feature in np.flatnonzero(_rounded(arrays.x, pool)):
        values = np.unique(arrays.x[:, feature][pool])
        apart = _distinct(values)
        if apart >= KEPT * len(values):
            continue
        middle = float(values[len(values) // 2] if mean is None else mean[feature] * arrays.scale)
        centred = _distinct(values, middle)
        if centred > apart:
            offset[feature] = middle
        if max(centred, apart) < LEAST * len(values):
            lost.append(arrays.feature(int(feature)))
    if lost:
        named = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else "")
        raise DataError(
            f"{arrays.origin}: most values of feature {named} are the same number in float32: leave it out, take "
            "logarithms or subtract what is common to all, or number its values from 0 if they are categories"
        )
    return replace(arrays, offset=offset, mean=None if mean is None else mean - offset / arrays.scale)


def as_float32(
    x: Shaped[np.ndarray, "sample feature"], offset: Float[np.ndarray, " feature"]
) -> Float[np.ndarray, "sample feature"]:
    """Returns values less the offset of their feature as float32; too large ones become infinite."""
    with np.errstate(over="ignore"):
        found, moved = x.astype(np.float32), np.flatnonzero(offset)
        found[:, moved] = x[:, moved].astype(np.longdouble) - offset[moved]  # whose digits hold an int64
    return found


def _rounded(x: Shaped[np.ndarray, "sample feature"], pool: Int[np.ndarray, " pool"]) -> np.ndarray:
    """Marks the features with a value that float32 rounds, or that is too large to be compared in float64."""
    found = np.zeros(x.shape[1], bool)
    if not np.can_cast(x.dtype, np.float32):
        for start in range(0, len(pool), BLOCK):
            block = x[pool[start : start + BLOCK]]
            found |= (as_float32(block, np.zeros(x.shape[1])) != block).any(axis=0)
            found |= ((block > EXACT) | (block < -EXACT)).any(axis=0)
    return found


def _distinct(values: Shaped[np.ndarray, " value"], offset: float = 0.0) -> int:
    """Counts how many of ascending values float32 keeps apart: all, if one is infinite, which is refused elsewhere."""
    near = as_float32(values[:, np.newaxis], np.array([offset]))[:, 0]
    return int(np.count_nonzero(np.diff(near) != 0)) + 1 if np.isfinite(near).all() else len(values)
