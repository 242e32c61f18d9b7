"""Attack-R: the share of the OUT models whose score is below the target's (Ye et al. 2022, CCS); ties count one half.

With n OUT models there are n + 1 levels, so an FPR below 1 / (n + 1) cannot be resolved.
"""

import numpy as np

from lira.attacks.block import OUT, Attack, Block
from lira.attacks.definition import Definition


def _score(block: Block, _: Definition, __: None) -> np.ndarray:
    phi, counted = block.shadows, block.side(OUT)
    if not block.own:
        phi = np.concatenate([block.targets, phi])
        counted = np.concatenate([np.zeros(block.targets.shape[:2], dtype=bool), counted])
    x = np.ascontiguousarray(phi.transpose(1, 2, 0))
    order = x.argsort(axis=2)
    x, counts = np.take_along_axis(x, order, axis=2), np.take_along_axis(counted.T[:, None], order, axis=2)
    upto, twice = counts.cumsum(axis=2), np.empty(x.shape)
    np.put_along_axis(twice, order, _below_and_upto(x, counts, upto), axis=2)
    twice = twice.transpose(2, 0, 1)[: len(block.targets)]  # which counts the target itself once, if it is counted
    with np.errstate(divide="ignore", invalid="ignore"):
        return (twice.mean(axis=2) - (counted if block.own else 0)) / (2 * block.counts(OUT))


def _below_and_upto(x: np.ndarray, counts: np.ndarray, upto: np.ndarray) -> np.ndarray:
    """Adds, for each of sorted values, the counted ones below it and those up to and including its equals."""
    places = np.arange(x.shape[2])
    changes = x[..., 1:] != x[..., :-1]
    if changes.all():
        return 2 * upto - counts
    first, last = np.zeros(x.shape, dtype=int), np.full(x.shape, len(places) - 1)
    first[..., 1:] = np.where(changes, places[1:], 0)
    last[..., :-1] = np.where(changes, places[:-1], len(places) - 1)
    first = np.maximum.accumulate(first, axis=2)
    last = np.minimum.accumulate(last[..., ::-1], axis=2)[..., ::-1]
    return np.take_along_axis(upto - counts, first, axis=2) + np.take_along_axis(upto, last, axis=2)


REFERENCE = Attack((OUT,), _score)
