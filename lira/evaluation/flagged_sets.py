"""Agreement of flagged sets, with errors from leaving out runs one at a time and from a bootstrap over samples."""

import math
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.evaluation.agreement import Agreement, flagged_alone, overlaps, patterns_of
from lira.evaluation.detections import support_qualified
from lira.evaluation.estimates import LEVEL, Estimate, least_error
from lira.evaluation.robust import influence
from lira.storage.comparison import Comparison

SEEDS = 5
"""Largest number of runs that are combined: the paper has this many that differ by seed only."""

FEWEST = 3
"""Fewest runs of which a pair is left when one is left out."""

DRAWS = 100
LIMITS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
MEASURES = Agreement._fields


class EstimatedAgreement(NamedTuple):
    """Mean agreement over choices of runs, with errors.

    Attributes:
        jaccard: As a fraction.
        intersection: In samples.
        union: In samples.
        between_runs: Whether the errors include the variation between runs. Where all runs are combined there is a
            single choice, and the errors are over samples only.
    """

    jaccard: Estimate
    intersection: Estimate
    union: Estimate
    between_runs: bool


class FlaggedSets:
    """The samples that runs of one recipe, and variants of it, flag.

    Args:
        reference: True where a run flags the sample.
        variants: The same for runs of other recipes.

    Attributes:
        runs: Number of reference runs.
        variants: Number of variants.
        patterns: Samples by the choice of runs that flags them, see :func:`lira.evaluation.agreement.patterns_of`.
        alone: Number of samples that each reference run flags and no other reference run does.
    """

    def __init__(self, reference: Bool[np.ndarray, "run sample"], variants: Bool[np.ndarray, "variant sample"]):
        self.runs, self.variants = len(reference), len(variants)
        sets = np.concatenate([reference, variants]) if self.variants else np.asarray(reference)
        self.patterns, self.alone = patterns_of(sets), flagged_alone(sets[: self.runs])
        self.choices = np.arange(self.patterns.size)
        bits = (self.choices[:, None] >> np.arange(len(sets))) & 1
        self.chosen = bits[:, : self.runs].sum(axis=1), bits[:, self.runs :].sum(axis=1)

    @cached_property
    def measured(self) -> Float[np.ndarray, "draw measure choice"]:
        """Jaccard, intersection and union of every choice: first as counted, then of bootstrap draws of the samples."""
        generator, total = np.random.default_rng(0), self.patterns.sum()
        measured = np.empty((1 + DRAWS, len(MEASURES), self.choices.size), dtype=np.float32)
        for draw in range(1 + DRAWS):
            patterns = generator.multinomial(total, self.patterns / total) if draw else self.patterns
            measured[draw] = _measures(patterns)
        return measured

    def mean(
        self, k: int, different: int = 0, among: Sequence[int] | None = None, without: int | None = None
    ) -> Float[np.ndarray, "draw measure"]:
        """Returns the mean over choices of ``k`` out of five reference runs and ``different`` variants, as published.

        With more than five runs it is the mean over all choices of five; with fewer, over the runs there are. Choices
        that flag nothing are left out.

        Args:
            k: Runs per choice.
            different: Number of variants.
            among: The variants that may be chosen; all if not given.
            without: Reference run to leave out.

        Returns:
            The three measures, first as counted, then of each draw; NaN if there are too few runs.
        """
        total = np.zeros(self.measured.shape[:2])
        for weight, rows in self._rows(k, different, among, without):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of choices that flag nothing
                total += weight * np.nanmean(self.measured[:, :, rows], axis=2)
        return total

    def _rows(
        self, k: int, different: int, among: Sequence[int] | None, without: int | None
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Yields weight and choices for each number of variants in a choice."""
        allowed = np.ones(self.choices.size, dtype=bool)
        if among is not None:
            others = sum(1 << (self.runs + i) for i in range(self.variants) if i not in among)
            allowed &= self.choices & others == 0
        if without is not None:
            allowed &= (self.choices >> without) & 1 == 0
        runs = min(SEEDS, self.runs)
        for variants in range(max(0, k - runs), min(k, different) + 1):
            weight = comb(different, variants) * comb(runs, k - variants) / comb(runs + different, k)
            of_runs, of_variants = self.chosen
            yield weight, np.flatnonzero(allowed & (of_runs == k - variants) & (of_variants == variants))

    def left_out(self) -> Float[np.ndarray, "draw run"]:
        """Returns the Jaccard of all reference runs but one, for each left out: as counted, then of each draw."""
        everything = (1 << self.runs) - 1
        return self.measured[:, 0, [everything & ~(1 << run) for run in range(self.runs)]]

    def estimate(self, k: int, different: int = 0, among: Sequence[int] | None = None) -> EstimatedAgreement:
        """Returns :meth:`mean` with errors; draws in which no choice flags anything are left out."""
        value, *drawn = self.mean(k, different, among)
        known = [draw for draw in drawn if not np.isnan(draw).any()]
        variance = np.maximum(np.var(known or drawn, axis=0), (least_error(value[2]) ** 2, 1, 1))
        left_out = np.array([self.mean(k, different, among, run)[0] for run in range(self.runs)])
        between_runs = bool(self.runs > 2 and not np.isnan(left_out).any())
        if between_runs:
            variance = variance + (self.runs - 1) / self.runs * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
        estimates = (Estimate(float(v), float(e)) for v, e in zip(value, np.sqrt(variance), strict=True))
        jaccard, intersection, union = estimates
        return EstimatedAgreement(jaccard, intersection, union, between_runs)


def sets_of(comparison: Comparison, fpr: float, support: int = 1, variants: bool = True) -> FlaggedSets:
    """Returns the samples that each run detects at least ``support`` times at an FPR, whatever their false alarms."""
    runs = comparison.runs if variants else list(comparison.reference.values())
    sets = np.stack([support_qualified(run.counts(fpr), support, zero_fp=False) for run in runs])
    same = len(comparison.reference)
    return FlaggedSets(sets[:same], sets[same:])


class LoweringRun(NamedTuple):
    """The run without which the others agree most.

    Attributes:
        run: Index of the run.
        without: Jaccard of the others, in percent.
        others: The same without another run instead, their mean.
        times: ``without`` over ``others``; NaN where nothing agrees without another.
        interval: 90 % interval of ``times``, over samples.
        alone: Number of samples that it flags and no other run does.
        others_alone: The same of the other runs, their median.
        stands_out: Whether no run flags more alone, and it raises the mean of these numbers by more than the standard
            error of the others.
    """

    run: int
    without: float
    others: float
    times: float
    interval: tuple[float, float]
    alone: int
    others_alone: float
    stands_out: bool


def lowering_run(flagged: FlaggedSets) -> LoweringRun | None:
    """Returns the run that lowers the agreement of all most; ``None`` for fewer than three, or if they flag nothing."""
    without, *drawn = flagged.left_out()
    if flagged.runs < FEWEST or np.isnan(without).any():
        return None
    run, alone, times, interval = int(np.argmax(without)), flagged.alone, math.nan, (math.nan, math.nan)
    if others := np.delete(without, run).mean():
        low, high = np.quantile(_times_without(np.array(drawn), run), LIMITS, method="inverted_cdf")
        times, interval = float(_times_without(without, run)), (float(low), float(high))
    stands_out = bool(influence(alone.astype(float)).flagged[run] and alone[run] == alone.max())
    jaccards, others_alone = (float(100 * without[run]), float(100 * others)), float(np.median(np.delete(alone, run)))
    return LoweringRun(run, *jaccards, times, interval, int(alone[run]), others_alone, stands_out)


def _times_without(left_out: Float[np.ndarray, "*draw run"], run: int) -> Float[np.ndarray, "*draw"] | np.floating:
    """Divides the agreement without one run by the mean agreement without another."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of draws in which nothing agrees
        return left_out[..., run] / np.delete(left_out, run, axis=-1).mean(axis=-1)


def _measures(patterns: Int[np.ndarray, " choice"]) -> Float[np.ndarray, "measure choice"]:
    """Returns the measures of every choice; NaN where it flags no sample."""
    intersection, union = overlaps(patterns)
    some = np.where(union > 0, 1.0, np.nan)
    return np.stack([intersection / np.maximum(union, 1) * some, intersection * some, union * some])
