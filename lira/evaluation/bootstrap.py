"""Confidence intervals and standard errors of rates, and of means of rates over targets.

One target's rate at a threshold that was not chosen on its own scores is a binomial proportion (Clopper-Pearson). The
targets of a run share their samples and the samples their targets, so a mean over targets is resampled over both, each
with replacement (pigeonhole bootstrap, Owen 2007), and its spread is that of two-way clusters. Thresholds are chosen
anew in every draw, a target's own and those of its shadow models, which are scored on the same samples.
"""

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from lira.core.errors import DataError
from lira.core.threads import cores
from lira.core.validation import (
    ArrayLike,
    check_array,
    check_choice,
    check_fractions,
    check_not_nan,
    check_scores,
    check_whole,
)
from lira.evaluation.roc import LARGEST

LEVEL = 0.95
NORMAL = 1.959963984540054
"""Standard errors from the centre to either end of an interval at that level, if the error is normal."""

DRAWS = 1000


def clopper_pearson(successes: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Returns the exact confidence interval of a binomial proportion.

    Args:
        successes: counts, any shape; also parts of one, of an effective number of trials.
        trials: counts, of the same shape.
        level: confidence, half of the error at each end.

    Returns:
        Lower and upper ends, as fractions; (0, 1) without a trial.

    Raises:
        DataError: successes that are not numbers from 0 to the trials.
    """
    from scipy.special import betaincinv

    given = {"successes": successes, "trials": trials}
    successes, trials = (check_array(counts, name).astype(np.float64) for name, counts in given.items())
    if successes.shape != trials.shape:
        raise DataError(f"successes {successes.shape} and trials {trials.shape} must be of one shape")
    if not ((successes >= 0) & (successes <= trials) & np.isfinite(trials)).all():
        raise DataError("successes are counts from 0 to the number of trials")
    failures, tail = trials - successes, (1 - level) / 2
    low = np.where(successes > 0, betaincinv(np.where(successes > 0, successes, 1), failures + 1, tail), 0.0)
    high = np.where(failures > 0, betaincinv(successes + 1, np.where(failures > 0, failures, 1), 1 - tail), 1.0)
    return low, high


class Draws(NamedTuple):
    """How often each sample and each target is drawn, a column per draw.

    Attributes:
        samples: Of each sample.
        targets: Of each target.
        in_pairs: Whether targets 2k and 2k + 1 hold complementary halves of the samples.
    """

    samples: UInt8[np.ndarray, "sample draw"]
    targets: UInt8[np.ndarray, "target draw"]
    in_pairs: bool = False

    @classmethod
    def of(cls, samples: int, targets: int, draws: int = DRAWS, seed: int = 0, in_pairs: bool = False) -> "Draws":
        """Draws as many samples and as many targets as there are, with replacement.

        Raises:
            ConfigError: what is no count.
        """
        for name, value in (("samples", samples), ("targets", targets), ("draws", draws), ("seed", seed)):
            check_whole(value, name, 0)
        generator = np.random.default_rng(seed)
        return cls(_resample(samples, draws, generator), _resample(targets, draws, generator), in_pairs)

    def mean(self, values: Float[np.ndarray, "target draw"]) -> Float[np.ndarray, " draw"]:
        """Averages over the drawn targets, without those that are NaN."""
        weights = self.targets * ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            return (weights * np.nan_to_num(values)).sum(axis=0) / weights.sum(axis=0)

    def variance(self, values: Float[np.ndarray, " target"], resampled: Float[np.ndarray, "target draw"]) -> float:
        """Returns :func:`two_way_variance`, of targets in pairs that of the pairs' means.

        What moves one of two complementary targets, as the overall level of its φ, moves the other with it: it is one
        of the other's shadow models, IN where that one takes it for OUT.
        """
        if self.in_pairs:
            values, resampled = _of_pairs(values), _of_pairs(resampled)
        return two_way_variance(values, resampled)


def _of_pairs(values: Float[np.ndarray, " target *draw"]) -> Float[np.ndarray, " pair *draw"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of pairs without any value
        return np.nanmean(values.reshape(-1, 2, *values.shape[1:]), axis=1)


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
    scores: Annotated[ArrayLike, "target sample"],
    member: Annotated[ArrayLike, "target sample"],
    draws: Draws,
    fprs: Sequence[float],
    shadow: Sequence[float] = (),
) -> tuple[dict[float, Rates], dict[float, Rates]]:
    """Draws the rates at each target's own threshold and at its shadow models' one, both chosen anew in each draw.

    Shadow models are scored on the same samples as their target: what their thresholds owe to these is part of how
    sure a rate is. So in each draw a target takes the median of the thresholds that the others choose on the drawn
    samples.

    Args:
        scores: one attack's scores, none NaN.
        member: True where the sample trained the target.
        draws: of samples.
        fprs: false positive rates for the targets' own thresholds.
        shadow: those of them for which rates at shadow thresholds are wanted too.

    Returns:
        Rates per FPR at own thresholds, and per FPR at shadow thresholds.

    Raises:
        DataError: shapes that do not match, NaN scores, or membership that is neither 0 nor 1.
        ConfigError: FPRs that are not a list of fractions, each once, or ``shadow`` that are none of them.
    """
    scores, member = _check_drawn(scores, member, draws)
    check_fractions(fprs, "fpr", "a false positive rate")
    for fpr in shadow:
        check_choice(fpr, "shadow", fprs)
    shape = (len(scores), draws.samples.shape[1])
    own, above = ({fpr: Rates(np.empty(shape), np.empty(shape)) for fpr in of} for of in (fprs, shadow))
    chosen = {fpr: np.empty(shape) for fpr in fprs}

    members = member.astype(np.float32) @ draws.samples.astype(np.float32)  # whole numbers, exact below 2^24
    inside = members.astype(np.int64)
    totals = inside, draws.samples.sum(axis=0, dtype=np.int64) - inside
    clipped = [np.clip(of_target, -LARGEST, LARGEST) for of_target in scores]

    def choose(target: int) -> None:
        found = _own_counts(clipped[target], member[target], draws.samples, fprs, totals[1][target])
        for fpr, (true_above, false_above, threshold) in zip(fprs, found, strict=True):
            _fill(own[fpr], target, (true_above, false_above), totals)
            chosen[fpr][target] = threshold

    def judge(target: int) -> None:
        for fpr, rates in above.items():
            counts = _counts_above(clipped[target], member[target], draws.samples, thresholds[fpr][target])
            _fill(rates, target, counts, totals)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(choose, range(len(scores))))
        thresholds = {fpr: medians_of_others(chosen[fpr]) for fpr in shadow}
        list(pool.map(judge, range(len(scores))))
    return own, above


def medians_of_others(thresholds: Float[np.ndarray, "target draw"]) -> Float[np.ndarray, "target draw"]:
    """Returns, per draw and target, the median of the other targets' finite thresholds; inf where there is none."""
    order = np.argsort(thresholds, axis=0)
    values, place = np.take_along_axis(thresholds, order, axis=0), np.arange(len(thresholds))[:, np.newaxis]
    finite = np.isfinite(values)
    others = finite.sum(axis=0) - finite
    middles = []
    for middle in ((others - 1) // 2, others // 2):  # of the others in ascending order
        row = middle + (finite & (middle >= place))
        middles.append(np.take_along_axis(values, np.clip(row, 0, len(values) - 1), axis=0))
    low, high = middles
    with np.errstate(over="ignore"):
        found = np.where(np.isfinite(low + high), (low + high) / 2, low / 2 + high / 2)  # the largest have no sum
    found[others == 0] = np.inf
    medians = np.empty_like(found)
    np.put_along_axis(medians, order, found, axis=0)
    return medians


def resample_auc(
    scores: Annotated[ArrayLike, "target sample"], member: Annotated[ArrayLike, "target sample"], draws: Draws
) -> Float[np.ndarray, "target draw"]:
    """Returns the AUC of each target in each draw of samples, to first order in their weights (DeLong et al. 1988).

    The AUC is the mean over members of the share of non-members below them, and the mean over non-members of the share
    of members above; a draw weighs the samples of both anew.

    Raises:
        DataError: shapes that do not match, NaN scores, membership that is neither 0 nor 1, or a target without
            members or non-members.
    """
    scores, member = _check_drawn(scores, member, draws)
    if (lone := member.all(axis=1) | ~member.any(axis=1)).any():
        raise DataError(f"target {lone.argmax()} has only members or only non-members, so it has no ROC: leave it out")
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


def _check_drawn(scores: ArrayLike, member: ArrayLike, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    scores, member = check_scores(scores, member)
    if len(draws.samples) != scores.shape[1]:
        raise DataError(f"draws are of {len(draws.samples)} samples, scores of {scores.shape[1]}")
    check_not_nan(scores)
    return scores, member


def _fill(rates: Rates, target: int, counts: Iterable[np.ndarray], totals: Iterable[np.ndarray]) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        for values, count, total in zip(rates, counts, totals, strict=True):
            values[target] = count / total[target]


def _counts_above(scores, held, times, thresholds):
    """Counts true and false positives per draw, at a threshold per draw."""
    finite = np.isfinite(thresholds)
    least, most = (end(thresholds[finite], initial=np.inf * sign) for end, sign in ((np.min, 1), (np.max, -1)))
    counts = []
    for side in (held, ~held):
        surely = times[(scores >= most) & side].sum(axis=0, dtype=np.int64)
        between = np.flatnonzero((scores >= least) & (scores < most) & side)
        between = between[np.argsort(-scores[between])]
        passed = np.zeros((len(between) + 1, len(thresholds)), dtype=np.int32)
        np.cumsum(times[between], axis=0, dtype=np.int32, out=passed[1:])
        reached = np.searchsorted(-scores[between], -thresholds, side="right")
        counts.append(np.where(finite, surely + passed[reached, np.arange(len(thresholds))], 0))
    return counts


def _own_counts(scores, held, times, fprs, outside):
    """Counts true and false positives per draw, at its last threshold with an FPR of at most each of ``fprs``.

    Returns that threshold too: the lowest score of a drawn sample above the first non-member too many, inf if none.
    """
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
    members = np.flatnonzero(held)
    members = members[np.argsort(-scores[members], kind="stable")]
    before = np.searchsorted(-scores[members], -top, side="left")  # members above each of the top non-members
    before = np.append(before, len(members))
    false_above = np.concatenate([np.zeros((1, times.shape[1]), dtype=np.int64), passed])
    ties = np.append(np.searchsorted(-top, -top, side="left"), depth)
    column, counts = np.arange(times.shape[1]), []
    true_above = _members_above(members, before, times, max(found.max(initial=0) for found in first))
    for found in first:
        lowest = [
            _last_drawn(order, times, end[found], scores) for order, end in ((members, before), (negatives, ties))
        ]
        counts.append((true_above[found, column], false_above[ties[found], column], np.minimum(*lowest)))
    return counts


def _members_above(members, before, times, last):
    """Counts, for k = 0 ... last, the drawn members above the top non-member k; all members where there is none."""
    counts = np.zeros((last + 1, times.shape[1]), dtype=np.int64)
    ends = before[: last + 1]
    starts = np.concatenate([[0], ends[:-1]])
    for k in np.flatnonzero(ends > starts):
        counts[k] = times[members[starts[k] : ends[k]]].sum(axis=0, dtype=np.int64)
    return np.cumsum(counts, axis=0)


def _last_drawn(order, times, end, scores):
    """Returns, per draw, the score of the last drawn sample before ``end`` in this order; inf if none was drawn."""
    if not len(order):
        return np.full(times.shape[1], np.inf)
    column, place = np.arange(times.shape[1]), np.asarray(end) - 1
    while len(waiting := np.flatnonzero((place >= 0) & (times[order[place], column] == 0))):
        place[waiting] -= 1
    return np.where(place >= 0, scores[order[place]], np.inf)


def two_way_variance(values: Float[np.ndarray, " target"], resampled: Float[np.ndarray, "target draw"]) -> float:
    """Returns the variance of a mean over targets whose values share samples (Cameron, Gelbach and Miller 2011).

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
    """Both ends of an estimate's confidence interval, and its standard error."""

    low: float
    high: float
    standard_error: float


def bootstrap_interval(estimate: float, replicates: Float[np.ndarray, " draw"], variance: float) -> Interval:
    """Returns the 95 % confidence interval of a fraction from bootstrap draws.

    The draws give its shape, not its place and not its size: a threshold at a handful of false positives is an extreme
    order statistic, where a bootstrap is off centre, and drawing targets and samples counts the noise of a single pair
    up to three times. So their deviations from their own mean are scaled to ``variance`` and put around the estimate.

    Args:
        estimate: the fraction.
        replicates: the same in each draw of targets and samples.
        variance: of the estimate, from :meth:`Draws.variance`.

    Returns:
        Lower and upper end, within 0 and 1, and the standard error, which does not know these bounds; NaN without an
        estimate, and where all draws are equal, as for the FPR at a threshold that allows none: they say nothing about
        how sure that is (:func:`of_one_target` does).
    """
    replicates = replicates[~np.isnan(replicates)]
    if np.isnan(estimate) or np.isnan(variance) or not replicates.size or np.ptp(replicates) == 0:
        return Interval(np.nan, np.nan, np.nan)
    deviations = (replicates - replicates.mean()) * np.sqrt(variance / replicates.var())
    low, high = np.clip(estimate + np.quantile(deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]), 0, 1)
    return Interval(float(low), float(high), float(np.sqrt(variance)))


def of_one_target(mean: ArrayLike, trials: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Returns the interval of a mean over targets that are all alike: the exact one of a single target.

    Targets share their samples, so all of them together know little more than one.

    Args:
        mean: Their common rate, a fraction; NaN has no interval.
        trials: Members (non-members) of a target.
        level: Confidence.
    """
    known = ~np.isnan(mean)
    low, high = clopper_pearson(np.where(known, mean, 0) * trials, trials, level)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
