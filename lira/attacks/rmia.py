"""RMIA: the share of other samples that a sample's ratio exceeds by far (Zarifzadeh et al. 2024, arXiv 2312.03262).

The ratio r(x) is that of :mod:`lira.attacks.base`, with its logarithm averaged over views; the score of x is the share
of the other pool samples z with r(x) / r(z) >= gamma. As r(z) does not depend on x, it is a rank within the target's
row: ratios are written first, then sorted, instead of compared in pairs. The other samples are members or not:
attackers do not know which are.

``rmia_offline`` has no IN models, and takes ((1 + a) mean OUT p + 1 - a) / 2 for the mean p.
"""

import numpy as np
from jaxtyping import Float

from lira.attacks.base import HALVES, log_ratio
from lira.attacks.block import IN, OUT, Attack, Block
from lira.attacks.definition import Definition


def _online(block: Block, _: Definition, __: None) -> np.ndarray:
    return log_ratio(block, HALVES)


def _offline(block: Block, definition: Definition, _: None) -> np.ndarray:
    return log_ratio(block, {OUT: (1 + definition.offline_share) / 2})


def share_exceeded(logs: Float[np.ndarray, "target sample"], definition: Definition) -> np.ndarray:
    """Returns the share of a target's other samples whose ratio is at most 1 / gamma times a sample's own."""
    least, others, itself = np.log(definition.gamma), max(logs.shape[1] - 1, 1), definition.gamma <= 1
    exceeded = [np.sort(row).searchsorted(row - least, side="right") - itself for row in logs]
    return np.where(np.isnan(logs), np.nan, np.reshape(exceeded, logs.shape) / others)


RMIA = Attack((IN, OUT), _online, finish=share_exceeded)
RMIA_OFFLINE = Attack((OUT,), _offline, finish=share_exceeded)
