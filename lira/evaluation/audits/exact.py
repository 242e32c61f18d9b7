"""Tests and intervals of one target's rates, whose records are the trials; several of its tests are corrected together.

The thresholds are not the target's own, so that a count is binomial (Clopper and Pearson). Under chance the membership
of the target is drawn without regard to its scores: given how many records are flagged, the members among them are
hypergeometric (Fisher's exact test), and ranks are those of Mann and Whitney.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lira.evaluation.bootstrap import LEVEL, clopper_pearson
from lira.evaluation.roc import LARGEST, Ordered

FEW = 8
"""Samples of a side up to which the normal distribution of a rank sum, or of an AUC, is too far off."""

FEW_APART = 60
"""The same where most samples tie: of the smaller side, how many are expected outside the largest tie."""

BATCH = 2_000_000
"""Ranks that are permuted at a time."""


class Interval(NamedTuple):
    """A fraction with both ends of its 95 % interval."""

    value: float
    low: float
    high: float


def share(hits: int, trials: int) -> Interval:
    """Returns a binomial proportion with its exact interval; NaN without a trial."""
    if not trials:
        return Interval(np.nan, np.nan, np.nan)
    low, high = clopper_pearson(hits, trials)
    return Interval(hits / trials, float(low), float(high))


def more_members_flagged(flagged: Bool[np.ndarray, " sample"], member: Bool[np.ndarray, " sample"]) -> float:
    """Returns the one-sided p-value of Fisher's exact test that members are flagged more often than others."""
    from scipy.stats import hypergeom

    hits = int((flagged & member).sum())
    return float(hypergeom.sf(hits - 1, member.size, int(member.sum()), int(flagged.sum())))


def members_rank_higher(scores: Float[np.ndarray, " sample"], member: Bool[np.ndarray, " sample"]) -> float:
    """Returns the one-sided p-value of the Mann-Whitney test that members score higher; 1 if all scores are equal.

    It is that of a normal distribution, but by permutation where a side has few samples, or few beside the largest tie.
    """
    from scipy.stats import mannwhitneyu, permutation_test, rankdata

    if not np.ptp(scores := np.clip(scores, -LARGEST, LARGEST) / 2):  # whose range is finite
        return 1.0
    ranks = rankdata(scores)
    sides = ranks[member], ranks[~member]
    smaller, apart = min(side.size for side in sides), 1 - np.unique(ranks, return_counts=True)[1].max() / ranks.size
    if smaller > FEW and (apart > 0.5 or smaller * apart > FEW_APART):
        return float(mannwhitneyu(*sides, alternative="greater", method="asymptotic").pvalue)
    found = permutation_test(
        sides,
        lambda members, _, axis: members.sum(axis=axis),
        vectorized=True,
        n_resamples=9999,
        batch=max(1, BATCH // ranks.size),
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def auc(scores: Float[np.ndarray, " sample"], member: Bool[np.ndarray, " sample"]) -> Interval:
    """Returns the AUC (ties count one half) with its interval of DeLong et al. (1988).

    Where all placements are equal, as with perfect separation, they show no spread; then it is the exact binomial
    interval of as many disjoint pairs as there are. With at most :data:`FEW` of them the spread may be small by chance
    alone: then its ends are the wider ones of both.
    """
    from scipy.special import ndtri

    ordered = Ordered.of(scores, member)
    sides = ordered.inside, ordered.outside
    below = [
        (np.searchsorted(other, side, "left") + np.searchsorted(other, side, "right")) / (2 * other.size)
        for side, other in (sides, sides[::-1])
    ]
    value, pairs = ordered.auc, min(side.size for side in sides)
    variance = sum(places.var(ddof=1) / places.size for places in below) if pairs > 1 else 0.0
    low, high = map(float, clopper_pearson(value * pairs, pairs))
    if variance > 0:
        least, most = np.clip(value + np.array([-1, 1]) * ndtri((1 + LEVEL) / 2) * np.sqrt(variance), 0, 1).tolist()
        low, high = (least, most) if pairs > FEW else (min(low, least), max(high, most))
    return Interval(value, low, high)


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Returns p-values of which the smallest is right for all tests together (Holm 1979); NaN stays and is no test."""
    found, tests = np.full(p_values.shape, np.nan), np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests], kind="stable")]
    found[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1)), 1)
    return found


def share_below(value: float, others: Float[np.ndarray, " model"]) -> float:
    """Returns the share of other models whose number is below, equal ones one half; NaN if one of both is missing."""
    others = others[~np.isnan(others)]
    if np.isnan(value) or not others.size:
        return np.nan
    return float(((others < value) + 0.5 * (others == value)).mean())
