"""BASE: the target's probability of the true class over the shadow models' (Lassila et al. 2025, arXiv 2505.21146).

With p = 1 / (1 + exp(-phi)), the score is the mean over views of log p of the target minus log of the shadow models'
mean p: half that of the IN and half that of the OUT models (``base``), or that of the OUT models (``base_offline``).
"""

from functools import partial

import numpy as np
from jaxtyping import Float

from lira.attacks.block import IN, OUT, Attack, Block
from lira.attacks.definition import Definition

HALVES = {IN: 0.5, OUT: 0.5}


def log_ratio(block: Block, shares: dict[str, float]) -> Float[np.ndarray, "target sample"]:
    """Returns log p of the target minus log of the weighted mean p, averaged over views.

    Args:
        block: The samples.
        shares: Weight of each side's mean; what they lack to 1 is the weight of probability 1.
    """
    log_p = _log_probability(block.shadows)
    with np.errstate(divide="ignore", over="ignore"):
        far = block.mean(1 / (1 + np.exp(block.shadows)), shares)  # of 1 - p, which has the digits that p near 1 lacks
        logs = np.log1p(-far)
        near = ~(far < 0.5)
        if near.any():
            logs[near] = _log_mean(block, log_p, shares, near)
    return ((log_p if block.own else _log_probability(block.targets)) - logs).mean(axis=2)


def _log_mean(block: Block, log_p: np.ndarray, shares: dict[str, float], chosen: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the mean where it is small: from a sum, or from logarithms if that has no digits."""
    mean = (block.mean(np.exp(log_p), shares) + (1 - sum(shares.values())))[chosen]
    lost = ~(mean > 1e-290)
    logs = np.log(np.where(lost, 1, mean))
    if lost.any():
        at = tuple(index[lost] for index in np.nonzero(chosen))
        logs[lost] = np.logaddexp(block.log_mean(log_p, shares, at), np.log(max(1 - sum(shares.values()), 0)))
    return logs


def _log_probability(phi: np.ndarray) -> np.ndarray:
    return np.minimum(phi, 0) - np.log1p(np.exp(-np.abs(phi)))


def _score(block: Block, _: Definition, __: None, *, shares: dict[str, float]) -> np.ndarray:
    return log_ratio(block, shares)


BASE = Attack((IN, OUT), partial(_score, shares=HALVES))
BASE_OFFLINE = Attack((OUT,), partial(_score, shares={OUT: 1.0}))
