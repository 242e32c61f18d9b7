"""ROC of one target: operating points, AUC and balanced accuracy (paper, Tables 3–6).

A sample is flagged when its score reaches the threshold. Infinite scores are ordered like the largest finite numbers,
so the threshold ``inf`` always means that no threshold meets the FPR and nothing is flagged.

``nonfinite="official"`` follows the published code instead: non-finite scores are dropped before the ROC, and a target
without members or without non-members is put at chance.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lira.core.errors import DataError
from lira.core.validation import (
    NONFINITE,
    ArrayLike,
    Nonfinite,
    check_array,
    check_choice,
    check_fraction,
    check_scores,
)

LARGEST = np.finfo(np.float64).max


class OperatingPoint(NamedTuple):
    """A threshold and the rates on the target it was chosen on, as fractions."""

    threshold: float
    fpr: float
    tpr: float


class RocSummary(NamedTuple):
    """Area under the ROC and the largest balanced accuracy on it, as fractions."""

    auc: float
    balanced_accuracy: float


def threshold_at_fpr(
    scores: Annotated[ArrayLike, "sample"],
    member: Annotated[ArrayLike, "sample"],
    fpr: float,
    *,
    nonfinite: Nonfinite = "error",
) -> OperatingPoint:
    """The last point of the ROC whose false positive rate is at most ``fpr`` (equality counts).

    Args:
        scores: one score per sample, higher is more likely a member.
        member: True for the target's members.
        fpr: largest allowed false positive rate, as a fraction.
        nonfinite: ``"error"`` or ``"official"``, see the module.

    Returns:
        Threshold, achieved FPR and TPR; the threshold is ``inf`` where nothing can be flagged.

    Raises:
        DataError: NaN scores, other values than numbers, or no members or no non-members.
        ConfigError: an FPR that is not a fraction, or an unknown ``nonfinite``.
    """
    ordered = Ordered.of(scores, member, nonfinite=nonfinite)
    if ordered.one_class:
        return OperatingPoint(np.inf, 0.0, 0.0)
    threshold = ordered.threshold(fpr)
    true_positives, false_positives = ordered.detections(threshold)
    return OperatingPoint(threshold, false_positives / ordered.outside.size, true_positives / ordered.inside.size)


def summarise_roc(
    scores: Annotated[ArrayLike, "sample"], member: Annotated[ArrayLike, "sample"], *, nonfinite: Nonfinite = "error"
) -> RocSummary:
    """AUC (ties count one half) and max over the ROC of 1 - (FPR + FNR) / 2.

    Args and errors as for :func:`threshold_at_fpr`.
    """
    ordered = Ordered.of(scores, member, nonfinite=nonfinite)
    return RocSummary(0.5, 0.5) if ordered.one_class else RocSummary(ordered.auc, ordered.balanced_accuracy)


def tpr_by_chance(grid: Float[np.ndarray, " fpr"], outside: float) -> Float[np.ndarray, " fpr"]:
    """Expected TPR at each target's own threshold if the scores say nothing: (k + 1) / (n + 1) with k of n flagged.

    A member is as likely in any of the n + 1 gaps between the non-members' scores, and k + 1 of them reach above the
    first that may not be flagged. So it lies above the diagonal, most where the FPR allows no false positive.
    """
    return (np.floor(grid * outside * (1 + 1e-12)) + 1).clip(max=outside + 1) / (outside + 1)


def tpr_at(
    grid: Float[np.ndarray, " fpr"], scores: Float[np.ndarray, " sample"], member: Bool[np.ndarray, " sample"]
) -> Float[np.ndarray, " fpr"]:
    """TPR of one target at the last point of its ROC whose FPR does not exceed each of the grid's."""
    ordered = Ordered.of(scores, member)
    allowed = np.floor(grid * ordered.outside.size * (1 + 1e-12)).astype(int)
    first_forbidden = np.append(ordered.outside[::-1], -np.inf)[allowed]
    return 1 - np.searchsorted(ordered.inside, first_forbidden, side="right") / ordered.inside.size


class CurveOverTargets(NamedTuple):
    """TPR on a grid of FPRs: the mean over targets, and the ends of their middle half."""

    mean: Float[np.ndarray, " fpr"]
    low: Float[np.ndarray, " fpr"]
    high: Float[np.ndarray, " fpr"]


def curve_over_targets(
    grid: Float[np.ndarray, " fpr"],
    scores: Float[np.ndarray, "target sample"],
    member: Bool[np.ndarray, "target sample"],
) -> CurveOverTargets:
    """Returns the ROC of one attack over its targets, each as :func:`tpr_at`."""
    tpr = np.stack([tpr_at(grid, *target) for target in zip(scores, member, strict=True)])
    return CurveOverTargets(tpr.mean(axis=0), *np.percentile(tpr, [25, 75], axis=0))


def flagged(
    scores: Annotated[ArrayLike, "model sample"], thresholds: Annotated[ArrayLike, "model"]
) -> Bool[np.ndarray, "model sample"]:
    """Samples whose score reaches their target's threshold; none where that is infinite, nor where the score is NaN.

    Raises:
        DataError: shapes that do not match, or other values than numbers.
    """
    scores, thresholds = check_array(scores, "scores"), check_array(thresholds, "thresholds")
    if scores.ndim != 2 or thresholds.shape != scores.shape[:1]:
        raise DataError(f"scores {scores.shape} must be [models, samples] and thresholds {thresholds.shape} [models]")
    return (np.clip(scores, -LARGEST, LARGEST) >= thresholds[:, None]) & np.isfinite(thresholds)[:, None]


@dataclass(frozen=True)
class Ordered:
    """The scores of one target's members (``inside``) and non-members (``outside``), each ascending, float64."""

    inside: Float[np.ndarray, " member"]
    outside: Float[np.ndarray, " nonmember"]

    @classmethod
    def of(
        cls,
        scores: Annotated[ArrayLike, "sample"],
        member: Annotated[ArrayLike, "sample"],
        *,
        nonfinite: Nonfinite = "error",
        name: str = "the target",
    ) -> "Ordered":
        """Checks and sorts the scores of one target, which errors call ``name``."""
        check_choice(nonfinite, "nonfinite", NONFINITE)
        scores, member = check_scores(scores, member, "samples", of=f" of {name}")
        scores = scores.astype(np.float64, copy=False)
        ordered = cls(np.sort(scores[member]), np.sort(scores[~member]))
        if nonfinite == "official":
            return cls(ordered.inside[np.isfinite(ordered.inside)], ordered.outside[np.isfinite(ordered.outside)])
        if np.isnan(ordered.inside[-1:]).any() or np.isnan(ordered.outside[-1:]).any():
            raise DataError(
                f"{np.isnan(scores).sum()} of {scores.size} scores of {name} are NaN: "
                "retrain or remove the model behind them, or pass nonfinite='official'"
            )
        if ordered.one_class:
            kind = "members" if member.size and not member.any() else "non-members" if member.size else "samples"
            raise DataError(f"{name} has no {kind}, so it has no ROC: leave it out, or pass nonfinite='official'")
        return cls(np.clip(ordered.inside, -LARGEST, LARGEST), np.clip(ordered.outside, -LARGEST, LARGEST))

    @property
    def one_class(self) -> bool:
        """Whether there are no members or no non-members."""
        return not (self.inside.size and self.outside.size)

    def threshold(self, fpr: float) -> float:
        """The lowest score that flags at most the share ``fpr`` of the non-members; inf if there is none."""
        check_fraction(fpr, "fpr", "a false positive rate")
        allowed = np.searchsorted(np.arange(1, self.outside.size + 1) / self.outside.size, fpr, side="right")
        if allowed == self.outside.size:
            return float(min(self.inside[0], self.outside[0]))
        forbidden = self.outside[self.outside.size - 1 - allowed]
        above = [side[np.searchsorted(side, forbidden, side="right") :] for side in (self.inside, self.outside)]
        return float(min((side[0] for side in above if side.size), default=np.inf))

    def detections(self, threshold):
        """True and false positives at one threshold or an array of them."""
        flagged = [side.size - np.searchsorted(side, threshold, side="left") for side in (self.inside, self.outside)]
        return flagged[0], flagged[1]

    @cached_property
    def _outside_below(self) -> np.ndarray:
        return np.searchsorted(self.outside, self.inside, side="left")

    @property
    def auc(self) -> float:
        """Probability that a member scores above a non-member, ties counting one half."""
        ties = np.searchsorted(self.outside, self.inside, side="right") - self._outside_below
        wins = 2 * int(self._outside_below.sum()) + int(ties.sum())
        return wins / (2 * self.inside.size * self.outside.size)

    @property
    def balanced_accuracy(self) -> float:
        """Largest 1 - (FPR + FNR) / 2 over the ROC; its best point is a member's score or the start."""
        false_negative = np.searchsorted(self.inside, self.inside, side="left") / self.inside.size
        false_positive = 1 - self._outside_below / self.outside.size
        return float(max(0.5, 1 - (false_positive + false_negative).min() / 2))
