"""Counts results again without single targets or runs, to show how much depends on them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lira.evaluation.robust import influence
from lira.storage.run import Run


def outlying_targets(run: Run, fpr: float) -> list[int]:
    """Returns the targets that raise the mean achieved FPR by more than its standard error without them.

    Args:
        run: The run.
        fpr: Target FPR, thresholds from the shadow models.
    """
    rates = achieved(run, fpr)
    moved = influence(rates["fpr_achieved"].to_numpy())
    return [int(target) for target in rates["target"][moved.flagged & (moved.shift > 0)]]


def achieved(run: Run, fpr: float) -> pd.DataFrame:
    """Returns the rows of ``metrics.csv`` of the run's main attack at shadow thresholds, one per target."""
    rows = run.targets("shadow")
    rows = rows[(rows["attack"] == run.attack) & (rows["fpr"] == fpr)]
    return rows.sort_values("target").reset_index(drop=True)


def detections(run: Run, fpr: float, without: Sequence[int] = ()) -> pd.DataFrame:
    """Counts ``tp fp`` per sample, of the run's main attack at shadow thresholds, with some targets left out.

    Args:
        run: The run.
        fpr: Target FPR.
        without: Targets to leave out.
    """
    counts = run.counts(fpr)
    tp, fp = counts["tp"].to_numpy().copy(), counts["fp"].to_numpy().copy()
    if without:
        thresholds = achieved(run, fpr).set_index("target")["threshold"]
        with run.scores() as file:
            for target in without:
                if np.isfinite(thresholds[target]):
                    flagged, member = file[run.attack][target] >= thresholds[target], file["member"][target]
                    tp -= flagged & member
                    fp -= flagged & ~member
    return pd.DataFrame({"sample": np.arange(tp.size), "tp": tp, "fp": fp})


def detected_sets(runs: Sequence[Run], fpr: float, without: Sequence[Sequence[int]]) -> Bool[np.ndarray, "run sample"]:
    """Returns the samples detected at least once, with some targets of each run left out."""
    return np.stack([detections(run, fpr, left)["tp"].to_numpy() >= 1 for run, left in zip(runs, without, strict=True)])


class MeanFpr(NamedTuple):
    """Mean over targets of the achieved FPR, in percent.

    Attributes:
        every: Of all targets.
        inlying: Without the outlying targets.
        without_one: Without the target that raises it most.
    """

    every: float
    inlying: float
    without_one: float


def mean_fpr(run: Run, fpr: float, outlying: Sequence[int]) -> MeanFpr:
    """Returns the mean achieved FPR of the run's main attack at shadow thresholds, with and without outliers."""
    rows = achieved(run, fpr)
    mean, shift = 100 * rows["fpr_achieved"].mean(), influence(rows["fpr_achieved"].to_numpy()).shift
    kept = rows[~rows["target"].isin(outlying)]
    return MeanFpr(mean, 100 * kept["fpr_achieved"].mean(), mean - 100 * np.nanmax(shift))


class Dominance(NamedTuple):
    """The part of a mean achieved FPR that comes from the target that raises it most.

    Attributes:
        share: Share of the mean; 0 unless the target raises it by more than the standard error of the others' mean.
        rate: The mean, a row of :class:`lira.evaluation.rates.RatesOverTargets`.
    """

    share: float
    rate: Mapping[str, Any]

    def chance(self, share: float) -> float:
        """Bounds the probability that chance gives one target as many false positives as the largest count here.

        If ``share`` of all false positives is more than the largest count, it bounds the probability of that share.

        Returns:
            The binomial tail where every target is as likely to get a false positive, times the number of targets.
        """
        from scipy.stats import binom

        rate = self.rate
        targets, negatives = rate["targets"], rate["expected_fp"] / rate["fpr"]
        total = round(targets * rate["mean"] / 100 * negatives)
        largest = round((rate["mean"] + (targets - 1) * rate["influence"]) / 100 * negatives)
        return float(targets * binom.sf(max(largest, np.ceil(share * total)) - 1, total, 1 / targets))


def dominance(rate: Mapping[str, Any]) -> Dominance | None:
    """Returns what a single target does to a mean achieved FPR; ``None`` where none raises it."""
    if not (rate["mean"] > 0 and rate["influence"] > 0):
        return None
    named = f"{rate['influence_target']:.0f}" in rate["influential"].split()
    return Dominance(named * rate["influence"] / rate["mean"], rate)
