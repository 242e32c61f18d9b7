"""Measures how stable the ranking of samples by vulnerability is over runs (paper, Tables 11 and 13, Figure 5).

The vulnerability of a sample is its mean (or median) leave-one-out score over the targets that hold it, minus that over
the targets that do not. The most vulnerable sample ranks first; samples of equal vulnerability keep their order.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lira.core.errors import DataError
from lira.core.validation import (
    NONFINITE,
    OR_OFFICIAL,
    ArrayLike,
    Nonfinite,
    check_array,
    check_choice,
    check_not_nan,
    check_number,
    check_scores,
    check_whole,
)
from lira.evaluation.calibration import place_of
from lira.evaluation.robust import regress
from lira.storage.csv_files import COLUMNS, write_csv
from lira.storage.provenance import differences
from lira.storage.run import Run, check_comparable, check_same_pool, counted_attacks

GAPS = ("mean", "median")
TOP_PERCENTS = (0.1, 0.25, 0.5, 0.75, 1, 2, 2.24, 3, 4, 5, 10, 10.38, 20, 30, 40, 50, 60, 70, 80, 90, 100)
DELTAS = (0.05, 0.1, 0.5, 1, 1.5, 2, 3, 5, 10)
BIN_EDGES = (1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100)


def vulnerability(
    scores: Annotated[ArrayLike, "model sample"],
    member: Annotated[ArrayLike, "model sample"],
    gap: str = "mean",
    *,
    nonfinite: Nonfinite = "error",
) -> Float[np.ndarray, " sample"]:
    """Returns the gap between a sample's scores over the targets that hold it and over those that do not.

    Args:
        scores: One attack's leave-one-out scores, a row per target.
        member: True where the sample trained the target.
        gap: ``"mean"``, ``"median"``, or ``"all"`` for the average of the two.
        nonfinite: ``"error"``; or ``"official"`` to skip NaN scores, and to return NaN where a sample has no score on
            one side. ``"all"`` is then NaN for every sample with a NaN score.

    Returns:
        One value per sample, in units of the score.

    Raises:
        ConfigError: The gap or ``nonfinite`` is unknown.
        DataError: The shapes do not match, a score is NaN or not a number, or a sample is held by all targets or by
            none.
    """
    check_choice(gap, "gap", (*GAPS, "all"))
    check_choice(nonfinite, "nonfinite", NONFINITE)
    scores, member = check_scores(scores, member)
    scores = scores.astype(np.float64, copy=False)
    missing = np.isnan(scores)
    if nonfinite == "error":
        check_not_nan(scores, OR_OFFICIAL)
        _check_both_sides(member)
    with np.errstate(invalid="ignore"):
        sides = [_centres(scores, side & ~missing, gap) for side in (member, ~member)]
        values = np.subtract(*sides).mean(axis=0)
    return np.where(missing.any(axis=0), np.nan, values) if gap == "all" else values


def order(values: Annotated[ArrayLike, "sample"]) -> Int[np.ndarray, " sample"]:
    """Returns the samples from the most to the least vulnerable; equal ones keep their order, NaN comes last."""
    return np.argsort(-check_array(values, "values", "samples").astype(np.float64), kind="stable")


class Ranking(NamedTuple):
    """The samples from the most to the least vulnerable; those of equal value share the number of their group."""

    order: Int[np.ndarray, " sample"]
    group: Int[np.ndarray, " sample"]

    @classmethod
    def of(cls, values: Annotated[ArrayLike, "sample"]) -> "Ranking":
        """Ranks the samples by their values."""
        values = check_array(values, "values", "samples")
        ranked = order(values)
        return cls(ranked, np.cumsum(np.diff(values[ranked], prepend=values[ranked[:1]]) != 0))

    @property
    def positions(self) -> Int[np.ndarray, " sample"]:
        """The position of each sample, from 0."""
        position = np.empty_like(self.order)
        position[self.order] = np.arange(self.order.size)
        return position

    def ranks(self, count: int, common: Bool[np.ndarray, " sample"]) -> Float[np.ndarray, " sample"]:
        """Ranks the ``common`` samples among the first ``count``; equal values share their mean rank.

        Returns:
            A rank per sample, undefined for all other samples.
        """
        kept = common[self.order[:count]]
        group = self.group[:count][kept]
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        sizes = np.diff(starts, append=group.size)
        ranks = np.empty(common.size)
        ranks[self.order[:count][kept]] = np.repeat(starts + (sizes - 1) / 2, sizes)
        return ranks


def top_count(samples: int, percent: float, *, exact: bool = False) -> int:
    """Returns how many samples make the top q = ``percent`` %: max(1, ceil(N q / 100)).

    Like the published code, it rounds q / 100 first unless ``exact``, which can raise the result by one: 7 % of 50,000
    are 3,501.

    Raises:
        ConfigError: There are no samples, or the percentage is not from 0 to 100.
    """
    check_whole(samples, "samples", 1)
    check_number(percent, "percent", "a share of samples", 0, 100)
    share = Fraction(str(percent)) / 100 if exact else percent / 100
    return max(1, math.ceil(samples * share))


def top_agreement(rankings: Sequence[Ranking], percent: float) -> tuple[int, int, float, float]:
    """Compares the top samples of several runs.

    Args:
        rankings: The ranking of each run.
        percent: Share of samples that make the top, in percent.

    Returns:
        Intersection and union (samples), Jaccard (fraction), and Spearman's correlation on the intersection, its mean
        over pairs of runs.

    Raises:
        ConfigError: As :func:`top_count`.
    """
    samples = rankings[0].order.size
    count = top_count(samples, percent)
    times = np.zeros(samples, dtype=np.int64)
    for ranking in rankings:
        times[ranking.order[:count]] += 1
    common = times == len(rankings)
    chosen = np.flatnonzero(common)
    ranks = np.stack([ranking.ranks(count, common)[chosen] for ranking in rankings])
    union = int(np.count_nonzero(times))
    return chosen.size, union, chosen.size / union, mean_correlation(ranks)


def mean_correlation(ranks: Float[np.ndarray, "run sample"]) -> float:
    """Returns the mean over pairs of runs of Spearman's correlation, from the ranks of samples in each.

    It is NaN for fewer than two runs or two samples, or if all ranks of a run are equal.
    """
    if min(ranks.shape) < 2:
        return math.nan
    pairs = combinations(ranks[:, np.newaxis], 2)
    return float(np.mean([regress(a, b).correlation for a, b in pairs]))


def displaced(ranked: Annotated[ArrayLike, "run sample"], percent: float) -> Bool[np.ndarray, "run sample"]:
    """Marks, for each run, the samples that are in another run's top ``percent`` % but not in its own.

    Args:
        ranked: The position of each sample in each run.
        percent: Share of samples that make the top, in percent.
    """
    ranked = check_array(ranked, "ranked", "runs", "samples")
    top = ranked < top_count(ranked.shape[1], percent)
    return top.any(axis=0) & ~top


def displacement(
    ranked: Annotated[ArrayLike, "run sample"], percent: float, deltas: Sequence[float] = DELTAS
) -> Float[np.ndarray, "run delta"]:
    """Returns which share of the :func:`displaced` samples misses a run's top by at most each delta.

    Args:
        ranked: The position of each sample in each run.
        percent: q, the share of samples that make the top, in percent.
        deltas: Percentage points beyond q.

    Returns:
        The share whose 100 * position / N is at most q + delta; NaN where no sample is displaced.
    """
    ranked = check_array(ranked, "ranked", "runs", "samples")
    moved = displaced(ranked, percent)
    near = (100 * ranked / ranked.shape[1])[:, None, :] <= (percent + np.asarray(deltas))[None, :, None]
    with np.errstate(invalid="ignore"):
        return (near & moved[:, None]).sum(axis=2) / moved.sum(axis=1)[:, None]


def top_by_chance(samples: int, size: int, runs: int = 2) -> tuple[float, float, float]:
    """Returns the expected intersection and union of independent random tops, and intersection / union.

    For two runs the latter is q / (2 - q), where q = size / samples.

    Args:
        samples: Number of samples N.
        size: Number of samples in each top.
        runs: Number of tops.

    Raises:
        ConfigError: There are no samples or no runs, or the size is not from 1 to the number of samples.
    """
    check_whole(samples, "samples", 1)
    check_whole(size, "size", 1, samples)
    check_whole(runs, "runs", 1)
    share = size / samples
    intersection, union = samples * share**runs, samples * (1 - (1 - share) ** runs)
    return intersection, union, intersection / union


def displacement_by_chance(
    samples: int, percent: float, deltas: Sequence[float] = DELTAS
) -> Float[np.ndarray, " delta"]:
    """Returns what :func:`displacement` is on average for independent random rankings.

    A displaced sample is then equally likely at any position below the top. NaN if all samples are in the top.
    """
    below = 100 * np.arange(top_count(samples, percent), samples) / samples
    near = below[None] <= (percent + np.asarray(deltas))[:, None]
    with np.errstate(invalid="ignore"):
        return near.sum(axis=1) / below.size


def rank_bins(values: Annotated[ArrayLike, "sample"], edges: Sequence[float] = BIN_EDGES) -> pd.DataFrame:
    """Summarises the vulnerability of the samples in each bin of ranks.

    The bin ``lo-hi%`` holds the positions from floor(N lo / 100) up to, not including, ceil(N hi / 100). The first bin
    starts at position 0 whatever its edge: the published edges start at 1 %. With edges from 0, that percent is a bin
    of its own.

    Returns:
        ``bin count min max mean``, a row per bin, the most vulnerable first.
    """
    values = check_array(values, "values", "samples")
    ranked = values[order(values)]
    rows = []
    for low, high in pairwise(edges):
        start = 0 if low == edges[0] else math.floor(ranked.size * low / 100)
        inside = ranked[start : min(ranked.size, math.ceil(ranked.size * high / 100))]
        extremes = (inside.min(), inside.max(), inside.mean()) if inside.size else (math.nan,) * 3
        rows.append((f"{low}-{high}%", inside.size, *extremes))
    return pd.DataFrame(rows, columns=["bin", "count", "min", "max", "mean"])


def mean_rank_bins(runs: Sequence[Float[np.ndarray, " _"]]) -> Float[np.ndarray, " bin"]:
    """Returns the mean over runs of the mean vulnerability in each of :func:`rank_bins`."""
    return np.mean([rank_bins(values)["mean"] for values in runs], axis=0)


def mean_top(runs: Sequence[Float[np.ndarray, " _"]]) -> float:
    """Returns the mean over runs of the largest vulnerability."""
    return float(np.mean([values.max() for values in runs]))


def measure_ranks(
    reference: Sequence[Path | str], output: Path | str, attacks: Sequence[str] = (), samples: int | None = None
) -> None:
    """Writes the rank tables of runs that differ by seed only, from the scores in their ``scores.h5``.

    Args:
        reference: Folders of the runs.
        output: Folder for ``spearman.csv topq.csv topq_all.csv displacement.csv rank_bins.csv top1.csv``.
        attacks: By which to rank, named in a column ``attack``; by the main one, without that column, if none is given.
            Those that a run has no scores of are left out.
        samples: How many samples of the pool are ranked, the first ones, as if there were no others; all if not given.

    Raises:
        ConfigError: ``samples`` is below 1.
        StoreError: A run has no ``scores.h5``, or the runs are of different protocols.
        DataError: The runs have different pools.
    """
    check_whole(1 if samples is None else samples, "samples", 1)
    labels = [Path(folder).name for folder in reference]
    found = [Run(folder) for folder in reference]
    differences(found, compared=True)
    check_comparable(found)
    scored, pools = [], []
    for run in found:
        with run.scores() as file:
            scored.append(sorted(file, key=place_of))
            pools.append(file["member"].shape[1])
    check_same_pool(found, pools)
    shared = [name for name in scored[0] if all(name in names for names in scored)]
    tables = {
        (attack, gap): _tables(values, labels)
        for attack in counted_attacks(shared, attacks)
        for gap, values in zip(GAPS, _gaps(found, attack, samples), strict=True)
    }
    for name in next(iter(tables.values())):
        parts = [table[name].assign(attack=attack, gap=gap) for (attack, gap), table in tables.items()]
        frame = pd.concat(parts, ignore_index=True)
        write_csv(Path(output) / f"{name}.csv", frame[[*(["attack"] if attacks else []), *COLUMNS[name]]])


def _gaps(runs: Sequence[Run], attack: str, samples: int | None) -> Float[np.ndarray, "gap run sample"]:
    gaps = []
    for run in runs:
        with run.scores() as file:
            scores, member = file[attack][:, :samples], file["member"][:, :samples]
        gaps.append([vulnerability(scores, member, gap) for gap in GAPS])
    return np.stack(gaps, axis=1)


def _tables(values: np.ndarray, labels: list[str]) -> dict[str, pd.DataFrame]:
    rankings = [Ranking.of(row) for row in values]
    ranked = np.stack([ranking.positions for ranking in rankings])
    bins = [rank_bins(row).assign(run=label) for row, label in zip(values, labels, strict=True)]
    return {
        "spearman": _spearman_table(rankings, labels),
        "topq": _top_table(rankings, labels),
        "topq_all": _top_of_all_table(rankings),
        "displacement": _displacement_table(ranked, labels),
        "rank_bins": pd.concat(bins),
        "top1": _top1_table(values, ranked, labels),
    }


def _spearman_table(rankings: Sequence[Ranking], labels: list[str]) -> pd.DataFrame:
    everything = np.ones(rankings[0].order.size, dtype=bool)
    ranks = np.stack([ranking.ranks(everything.size, everything) for ranking in rankings])
    rows = [(labels[a], labels[b], mean_correlation(ranks[[a, b]])) for a, b in combinations(range(len(labels)), 2)]
    return pd.DataFrame(rows, columns=COLUMNS["spearman"][1:])


def _top_table(rankings: Sequence[Ranking], labels: list[str]) -> pd.DataFrame:
    rows = [
        (q, top_count(rankings[0].order.size, q), labels[a], labels[b], *top_agreement([rankings[a], rankings[b]], q))
        for q in TOP_PERCENTS
        for a, b in combinations(range(len(labels)), 2)
    ]
    return pd.DataFrame(rows, columns=COLUMNS["topq"][1:])


def _top_of_all_table(rankings: Sequence[Ranking]) -> pd.DataFrame:
    samples = rankings[0].order.size
    rows = [(q, top_count(samples, q), len(rankings), *top_agreement(rankings, q)) for q in TOP_PERCENTS]
    return pd.DataFrame(rows, columns=COLUMNS["topq_all"][1:])


def _displacement_table(ranked: np.ndarray, labels: list[str]) -> pd.DataFrame:
    rows = [
        (q, delta, label, count, share)
        for q in TOP_PERCENTS
        for delta, shares in zip(DELTAS, displacement(ranked, q).T, strict=True)
        for label, count, share in zip(labels, displaced(ranked, q).sum(axis=1), shares, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS["displacement"][1:])


def _top1_table(values: np.ndarray, ranked: np.ndarray, labels: list[str]) -> pd.DataFrame:
    top = ranked.argmin(axis=1)
    rows = [
        (source, top[i], label, values[run, top[i]], ranked[run, top[i]])
        for i, source in enumerate(labels)
        for run, label in enumerate(labels)
    ]
    return pd.DataFrame(rows, columns=COLUMNS["top1"][1:])


def _check_both_sides(member: np.ndarray) -> None:
    if (lone := member.all(axis=0) | ~member.any(axis=0)).any():
        held = "all targets" if member[0, lone.argmax()] else "no target"
        raise DataError(f"sample {lone.argmax()} is a member of {held}, so it has no vulnerability: leave it out")


def _centres(scores: np.ndarray, kept: np.ndarray, gap: str) -> np.ndarray:
    centres = {"mean": [_mean], "median": [_median], "all": [_mean, _median]}[gap]
    return np.stack([centre(scores, kept) for centre in centres])


def _mean(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(kept, scores, 0).sum(axis=0) / kept.sum(axis=0)


def _median(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    count = kept.sum(axis=0)
    if not len(scores):
        return np.full(scores.shape[1], np.nan)
    ordered = np.sort(np.where(kept, scores, np.nan), axis=0)
    middle = np.stack([np.maximum(count - 1, 0) // 2, count // 2])
    values = np.take_along_axis(ordered, middle, axis=0).mean(axis=0)
    return np.where(count > 0, values, np.nan)
