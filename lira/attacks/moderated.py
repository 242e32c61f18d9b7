"""LiRA with variances that borrow strength from all samples, for few shadow models.

Per target, view and side, the variances s² of all samples with two scores or more give a prior of d0 degrees of freedom
and variance s0², by empirical Bayes as in limma (Smyth 2004, Statistical Applications in Genetics and Molecular Biology
3). A sample with n scores, and d = n - 1, has the moderated variance (d0 s0² + d s²) / (d0 + d), and a new score of it
is Student's t of d0 + d degrees of freedom about the mean of its scores, with 1 + 1/n times that variance.

=================  ==========================================================================
moderated          log t(phi; IN) - log t(phi; OUT), mean over views
offline_moderated  -log of the upper tail of OUT at phi; with one view, of a p-value
=================  ==========================================================================

A sample without a score on a needed side is not scored: NaN.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import digamma, polygamma

from lira.attacks.block import IN, OUT, Attack, Block
from lira.attacks.definition import Definition
from lira.attacks.order_statistics import SMALLEST_SPREAD
from lira.attacks.student import NORMAL, log_constant, surprise_above

BOTH = (OUT, IN)


class Prior(NamedTuple):
    """Degrees of freedom and variance, of each side."""

    freedom: Float[np.ndarray, "side target view"]
    variance: Float[np.ndarray, "side target view"]


class Predictive(NamedTuple):
    """Student's t of a new score: distance to its centre, the squared scale times the degrees of freedom, and these.

    ``at_centre`` is the logarithm of the density at the centre, but for the half of that of ``scale``.
    """

    distance: Float[np.ndarray, "target sample view"]
    scale: Float[np.ndarray, "target sample view"]
    freedom: Float[np.ndarray, "target sample view"]
    at_centre: Float[np.ndarray, "target sample view"]


def sum_log_variances(block: Block, sides: tuple[str, ...]) -> Float[np.ndarray, "side sum target view"]:
    """Sums, over samples with a variance, 1, e, e² and the variance that chance alone gives e.

    Here e is log s² without the bias that it has with d degrees of freedom.
    """
    found = []
    for side in sides:
        moments = block.moments(side)
        freedom = moments.number - 1
        few = np.arange(1, max(freedom.max(initial=1), 1) + 1) / 2
        bias = np.append(0, np.log(few) - digamma(few) - np.log(2 * few))[np.maximum(freedom, 0)]
        chance = np.append(0, polygamma(1, few))[np.maximum(freedom, 0)]
        with np.errstate(divide="ignore"):
            e = np.log(moments.squares)
        e += bias[..., None]
        used = np.broadcast_to((freedom > 0)[..., None], e.shape)
        if not (used.all() and e.min(initial=0) > -np.inf):
            used = used & (e > -np.inf)
            e = np.where(used, e, 0)
        spreads = np.einsum("tsv,ts->tv", used, np.broadcast_to(chance, used.shape[:2]))
        found.append([used.sum(axis=1), e.sum(axis=1), np.einsum("tsv,tsv->tv", e, e), spreads])
    return np.array(found, dtype=np.float64)


def prior_of(sums: Float[np.ndarray, "side sum target view"]) -> Prior:
    """Computes the prior from :func:`sum_log_variances`; no spread at all leaves the smallest there is."""
    count, total, squares, chance = sums.transpose(1, 0, 2, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        beyond = (squares - total * mean) / (count - 1) - chance / count
        finite = beyond > 0
        half = _inverse_trigamma(np.where(finite, beyond, 1))
        logs = mean + np.where(finite, digamma(half) - np.log(half), 0)
    variance = np.where(count > 0, np.exp(logs), SMALLEST_SPREAD**2)
    return Prior(np.where(finite, np.minimum(2 * half, NORMAL), NORMAL), variance)


def _inverse_trigamma(x: np.ndarray) -> np.ndarray:
    """Finds y with trigamma(y) = x, for x > 0, by Newton's method on 1 / trigamma, as limma does."""
    y = 0.5 + 1 / x
    for _ in range(50):
        slope = polygamma(1, y)
        step = slope * (1 - slope / x) / polygamma(2, y)
        y = y + step
        if not (np.abs(step) > 1e-15 * y).any():
            break
    return y


def _predict(block: Block, sides: tuple[str, ...], prior: Prior) -> Iterator[Predictive]:
    for side, weight, variance in zip(sides, prior.freedom, prior.variance, strict=True):
        moments = block.moments(side)
        counts, inverse = np.unique(moments.number, return_inverse=True)
        each = weight[:, None] + np.maximum(counts - 1, 0)[:, None]
        place = np.arange(len(weight))[:, None], inverse.reshape(moments.number.shape)
        at_centre = (log_constant(each) + np.log(each) / 2)[place]
        freedom = weight[:, None] + np.maximum(moments.number - 1, 0)[..., None]
        number = np.where(moments.number > 0, moments.number, np.nan)[..., None]
        scale = moments.squares + (weight * variance)[:, None]
        scale *= 1 + 1 / number
        yield Predictive(block.targets - moments.mean, scale, freedom, at_centre)


def _log_density(of: Predictive) -> np.ndarray:
    kernel = np.log1p(of.distance**2 / of.scale)
    kernel *= (of.freedom + 1) / -2
    kernel += of.at_centre
    kernel -= np.log(of.scale) / 2
    return kernel


def _online(block: Block, _: Definition, prior: Prior) -> np.ndarray:
    out, held = map(_log_density, _predict(block, BOTH, prior))
    return (held - out).mean(axis=2)


def _offline(block: Block, _: Definition, prior: Prior) -> np.ndarray:
    (out,) = _predict(block, (OUT,), prior)
    return surprise_above(out.distance * np.sqrt(out.freedom / out.scale), out.freedom).mean(axis=2)


MODERATED = Attack((IN, OUT), _online, partial(sum_log_variances, sides=BOTH), prior_of, partial=True)
OFFLINE_MODERATED = Attack((OUT,), _offline, partial(sum_log_variances, sides=(OUT,)), prior_of, partial=True)
