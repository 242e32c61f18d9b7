"""How sure a rate is, and a mean of rates over targets.

One target's rate at a threshold that was not chosen on its own scores is a binomial proportion (Clopper-Pearson). The
targets of a run share their samples and the samples their targets, so a mean over targets is resampled over both, each
with replacement (pigeonhole bootstrap, Owen 2007), and its spread is that of two-way clusters. A threshold chosen on
the same scores is chosen anew in every draw; those of the shadow models are kept.
"""

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from lira.cores import cores
from lira.roc import LARGEST

LEVEL = 0.95
DRAWS = 1000


def clopper_pearson(successes, trials, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Exact binomial confidence interval of a proportion.

    Args:
        successes: counts, any shape.
        trials: counts, of the same shape.
        level: coverage, as a fraction.

    Returns:
        Lower and upper ends, as fractions; (0, 1) without a trial.
    """
    from scipy.special import betaincinv

    successes, trials = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    failures, tail = trials - successes, (1 - level) / 2
    low = np.where(successes > 0, betaincinv(np.maximum(successes, 1), failures + 1, tail), 0.0)
    high = np.where(failures > 0, betaincinv(successes + 1, np.maximum(failures, 1), 1 - tail), 1.0)
    return low, high


class Draws(NamedTuple):
    """How often each sample and each target is drawn, a column per draw."""

    samples: UInt8[np.ndarray, "sample draw"]
    targets: UInt8[np.ndarray, "target draw"]

    @classmethod
    def of(cls, samples: int, targets: int, draws: int = DRAWS, seed: int = 0) -> "Draws":
        """Draws as many samples and as many targets as there are, with replacement."""
        generator = np.random.default_rng(seed)
        return cls(_resample(samples, draws, generator), _resample(targets, draws, generator))

    def mean(self, values: Float[np.ndarray, "target draw"]) -> Float[np.ndarray, " draw"]:
        """Mean over the drawn targets, without those that are NaN."""
        weights = self.targets * ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            return (weights * np.nan_to_num(values)).sum(axis=0) / weights.sum(axis=0)


def _resample(count: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    times = np.empty((draws, count), dtype=np.uint8)
    for row in times:
        row[:] = np.bincount(generator.integers(count, size=count), minlength=count)
    return np.ascontiguousarray(times.T)


class Rates(NamedTuple):
    """Rates of each target in each draw; NaN where no member (non-member) was drawn."""

    tpr: Float[np.ndarray, "target draw"]
    fpr: Float[np.ndarray, "target draw"]


def resample_rates(
    scores: Float[np.ndarray, "target sample"],
    member: Bool[np.ndarray, "target sample"],
    draws: Draws,
    fprs: Sequence[float],
    thresholds: Mapping[float, Float[np.ndarray, " target"]],
) -> tuple[dict[float, Rates], dict[float, Rates]]:
    """Rates at each target's own threshold, chosen anew in each draw, and at given thresholds.

    Args:
        scores: one attack's scores, none NaN.
        member: True where the sample trained the target.
        draws: of samples.
        fprs: false positive rates for the targets' own thresholds.
        thresholds: given ones per FPR, as from the shadow models.

    Returns:
        Rates per FPR at own thresholds, and per FPR at the given ones.
    """
    shape = (len(scores), draws.samples.shape[1])
    own = {fpr: Rates(np.empty(shape), np.empty(shape)) for fpr in fprs}
    given = {fpr: Rates(np.empty(shape), np.empty(shape)) for fpr in thresholds}

    members = member.astype(np.float32) @ draws.samples.astype(np.float32)  # whole numbers, exact below 2^24

    def task(target: int) -> None:
        values, held = np.clip(scores[target], -LARGEST, LARGEST), member[target]
        inside = members[target].astype(np.int64)
        outside = draws.samples.shape[0] - inside
        for fpr, counts in zip(fprs, _own_counts(values, held, draws.samples, fprs, outside), strict=True):
            _fill(own[fpr], target, counts, (inside, outside))
        for fpr, rates in given.items():
            threshold = thresholds[fpr][target]
            above = (values >= threshold) & np.isfinite(threshold)
            counts = [_total(draws.samples, np.flatnonzero(above & side)) for side in (held, ~held)]
            _fill(rates, target, counts, (inside, outside))

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(task, range(len(scores))))
    return own, given


def resample_auc(
    scores: Float[np.ndarray, "target sample"], member: Bool[np.ndarray, "target sample"], draws: Draws
) -> Float[np.ndarray, "target draw"]:
    """AUC of each target in each draw of samples, to first order in their weights (DeLong et al. 1988).

    The AUC is the mean over members of the share of non-members below them, and the mean over non-members of the share
    of members above; a draw weighs the samples of both anew.
    """
    times = draws.samples.astype(np.float32)
    shares, members = np.empty(scores.shape, dtype=np.float32), member.astype(np.float32)

    def place(target: int) -> None:
        held = member[target]
        sides = [np.sort(scores[target, side]) for side in (~held, held)]
        below = [
            (np.searchsorted(side, scores[target], "left") + np.searchsorted(side, scores[target], "right")) / 2
            for side in sides
        ]
        shares[target] = np.where(held, below[0] / sides[0].size, 1 - below[1] / sides[1].size)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(place, range(len(scores))))
    auc = np.average(shares, axis=1, weights=members)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = ((shares * members) @ times) / (members @ times)
        outside = ((shares * (1 - members)) @ times) / ((1 - members) @ times)
    return inside + outside - auc[:, None]


def _fill(rates: Rates, target: int, counts, totals) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        for values, count, total in zip(rates, counts, totals, strict=True):
            values[target] = count / total


def _total(times: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return times[chosen].sum(axis=0, dtype=np.int64)


def _own_counts(scores, held, times, fprs, outside):
    """True and false positives per draw at the last threshold whose FPR in that draw is at most each of ``fprs``."""
    negatives = np.flatnonzero(~held)
    negatives = negatives[np.argsort(-scores[negatives], kind="stable")]
    allowed = max(fprs) * len(negatives)
    depth = min(len(negatives), int(allowed + 8 * np.sqrt(allowed) + 24))
    while True:
        top = scores[negatives[:depth]]
        passed = np.cumsum(times[negatives[:depth]], axis=0, dtype=np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            # the first negative that would exceed the rate; thresholds lie above it and above all of its ties
            first = [(passed / outside <= fpr).sum(axis=0) for fpr in fprs]
        if depth == len(negatives) or max(found.max(initial=0) for found in first) < depth:
            break
        depth = min(len(negatives), 2 * depth)
    true_above = _members_above(scores, held, times, top, max(found.max(initial=0) for found in first))
    false_above = np.concatenate([np.zeros((1, times.shape[1]), dtype=np.int64), passed])
    ties = np.append(np.searchsorted(-top, -top, side="left"), depth)
    column = np.arange(times.shape[1])
    return [(true_above[found, column], false_above[ties[found], column]) for found in first]


def _members_above(scores, held, times, top, last):
    """For k = 0 ... last the drawn members above the top non-member k; all of them where there is none."""
    members = np.flatnonzero(held)
    rank = np.searchsorted(-top, -scores[members], side="right")
    members, rank = members[rank <= last], rank[rank <= last]
    counts = np.zeros((last + 1, times.shape[1]), dtype=np.int64)
    order = np.argsort(rank, kind="stable")
    rank, members = rank[order], members[order]
    if rank.size:
        starts = np.flatnonzero(np.diff(rank, prepend=-1))
        counts[rank[starts]] = np.add.reduceat(times[members], starts, axis=0, dtype=np.int64)
    return np.cumsum(counts, axis=0)


def two_way_variance(values: Float[np.ndarray, " target"], resampled: Float[np.ndarray, "target draw"]) -> float:
    """Variance of a mean over targets whose values share samples (Cameron, Gelbach and Miller 2011).

    That over targets plus that over samples, less that of single (target, sample) pairs, which both of them hold.

    Args:
        values: of each target; NaN is left out.
        resampled: the same with the samples drawn anew.
    """
    values = values[~np.isnan(values)]
    if values.size < 2:
        return np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of draws or targets without any value
        over_targets = values.var(ddof=1) / values.size
        over_samples = np.nanvar(np.nanmean(resampled, axis=0))
        of_pairs = np.nanmean(np.nanvar(resampled, axis=1)) / values.size
    return float(max(over_targets + over_samples - of_pairs, over_targets, over_samples))


class Interval(NamedTuple):
    """How sure an estimate is: the ends of its confidence interval, and its standard error."""

    low: float
    high: float
    standard_error: float


def interval(
    estimate: float, replicates: Float[np.ndarray, " draw"], variance: float, level: float = LEVEL
) -> Interval:
    """Confidence interval of a fraction from bootstrap draws.

    The draws give its shape, not its place and not its size: a threshold at a handful of false positives is an extreme
    order statistic, where a bootstrap is off centre, and drawing targets and samples counts the noise of a single pair
    up to three times. So their deviations from their own mean are scaled to ``variance`` and put around the estimate.

    Args:
        estimate: the fraction.
        replicates: the same in each draw of targets and samples.
        variance: of the estimate, from :func:`two_way_variance`.
        level: coverage, as a fraction.

    Returns:
        Lower and upper end, within 0 and 1, and the standard error, which does not know these bounds; NaN without an
        estimate, and where all draws are equal, as for the FPR at a threshold that allows none: they say nothing about
        how sure that is.
    """
    replicates = replicates[~np.isnan(replicates)]
    if np.isnan(estimate) or np.isnan(variance) or not replicates.size or np.ptp(replicates) == 0:
        return Interval(np.nan, np.nan, np.nan)
    deviations = (replicates - replicates.mean()) * np.sqrt(variance / replicates.var())
    low, high = np.clip(estimate + np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2]), 0, 1)
    return Interval(float(low), float(high), float(np.sqrt(variance)))
