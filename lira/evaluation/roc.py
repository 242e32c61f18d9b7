"""Computes points of one target's ROC, its AUC and its balanced accuracy (paper, Tables 3–6).

A sample is flagged if its score reaches the threshold. An infinite score counts as the largest finite number of that
sign, so the threshold ``inf`` always means that no threshold meets the FPR, and nothing is flagged.

With ``nonfinite="official"``, as in the published code, non-finite scores are dropped first, and a target that has no
members or no non-members gets the values of a random guess.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lira.core.errors import DataError
from lira.core.validation import (
    NONFINITE,
    OR_OFFICIAL,
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
    """Returns the last point of the ROC whose false positive rate is at most ``fpr``.

    Args:
        scores: One score per sample, higher for a likelier member.
        member: True for the target's members.
        fpr: Largest allowed false positive rate, as a fraction.
        nonfinite: ``"error"`` or ``"official"``, see the module.

    Returns:
        Threshold, achieved FPR and TPR; the threshold is ``inf`` if nothing can be flagged.

    Raises:
        DataError: A score is NaN or not a number, or there are no members or no non-members.
        ConfigError: The FPR is not a fraction, or ``nonfinite`` is unknown.
    """
    ordered = Ordered.of(scores, member, nonfinite=nonfinite, otherwise=OR_OFFICIAL)
    if ordered.one_class:
        return OperatingPoint(np.inf, 0.0, 0.0)
    threshold = ordered.threshold(fpr)
    true_positives, false_positives = ordered.detections(threshold)
    return OperatingPoint(threshold, false_positives / ordered.outside.size, true_positives / ordered.inside.size)


def summarise_roc(
    scores: Annotated[ArrayLike, "sample"], member: Annotated[ArrayLike, "sample"], *, nonfinite: Nonfinite = "error"
) -> RocSummary:
    """Returns the AUC (ties count one half) and the largest 1 - (FPR + FNR) / 2 on the ROC.

    Arguments and errors are those of :func:`threshold_at_fpr`.
    """
    ordered = Ordered.of(scores, member, nonfinite=nonfinite, otherwise=OR_OFFICIAL)
    return RocSummary(0.5, 0.5) if ordered.one_class else RocSummary(ordered.auc, ordered.balanced_accuracy)


def tpr_by_chance(grid: Float[np.ndarray, " fpr"], outside: float) -> Float[np.ndarray, " fpr"]:
    """Returns the expected TPR at a target's own threshold if scores say nothing of membership: (k + 1) / (n + 1).

    Here n is the number of non-members and k that of allowed false positives. A member's score is equally likely in any
    of the n + 1 gaps between the non-members' scores, and k + 1 gaps lie above the highest non-member that may not be
    flagged. So the curve lies above the diagonal, most where the FPR allows no false positive.

    Args:
        grid: Allowed false positive rates.
        outside: Number of non-members n, which may be a mean over targets.
    """
    return (np.floor(grid * outside * (1 + 1e-12)) + 1).clip(max=outside + 1) / (outside + 1)


def balanced_accuracy_by_chance(inside: float, outside: float) -> float:
    """Returns the expected best balanced accuracy over all thresholds if scores say nothing of membership.

    The best of TPR - FPR is then the one-sided Kolmogorov-Smirnov distance of two samples of one distribution, whose
    mean tends to √(π / 8k) with k = inside · outside / (inside + outside).

    Args:
        inside: Number of members, which may be a mean over targets.
        outside: Number of non-members.
    """
    return 0.5 + float(np.sqrt(np.pi / 8 * (1 / inside + 1 / outside))) / 2


def tpr_at(
    grid: Float[np.ndarray, " fpr"], scores: Float[np.ndarray, " sample"], member: Bool[np.ndarray, " sample"]
) -> Float[np.ndarray, " fpr"]:
    """Returns the TPR of one target at the last point of its ROC whose FPR is at most each of the grid's."""
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
    """Marks the samples whose score reaches their target's threshold; none if that is infinite, nor NaN scores.

    Raises:
        DataError: The shapes do not match, or a value is not a number.
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
        otherwise: str = "",
    ) -> "Ordered":
        """Checks and sorts the scores of one target; error messages call it ``name``, and end with another way out."""
        check_choice(nonfinite, "nonfinite", NONFINITE)
        scores, member = check_scores(scores, member, "samples", of=f" of {name}")
        scores = scores.astype(np.float64, copy=False)
        ordered = cls(np.sort(scores[member]), np.sort(scores[~member]))
        if nonfinite == "official":
            return cls(ordered.inside[np.isfinite(ordered.inside)], ordered.outside[np.isfinite(ordered.outside)])
        if np.isnan(ordered.inside[-1:]).any() or np.isnan(ordered.outside[-1:]).any():
            raise DataError(
                f"{np.isnan(scores).sum()} of {scores.size} scores of {name} are NaN: "
                f"retrain or remove the model behind them{otherwise}"
            )
        if ordered.one_class:
            kind = "members" if member.size and not member.any() else "non-members" if member.size else "samples"
            raise DataError(f"{name} has no {kind}, so it has no ROC: leave it out{otherwise}")
        return cls(np.clip(ordered.inside, -LARGEST, LARGEST), np.clip(ordered.outside, -LARGEST, LARGEST))

    @property
    def one_class(self) -> bool:
        """Tells whether there are no members or no non-members."""
        return not (self.inside.size and self.outside.size)

    def threshold(self, fpr: float) -> float:
        """Returns the lowest score that flags at most the share ``fpr`` of the non-members; inf if there is none."""
        check_fraction(fpr, "fpr", "a false positive rate")
        allowed = np.searchsorted(np.arange(1, self.outside.size + 1) / self.outside.size, fpr, side="right")
        if allowed == self.outside.size:
            return float(min(self.inside[0], self.outside[0]))
        forbidden = self.outside[self.outside.size - 1 - allowed]
        above = [side[np.searchsorted(side, forbidden, side="right") :] for side in (self.inside, self.outside)]
        return float(min((side[0] for side in above if side.size), default=np.inf))

    def detections(self, threshold):
        """Counts true and false positives at one threshold or at each of an array."""
        flagged = [side.size - np.searchsorted(side, threshold, side="left") for side in (self.inside, self.outside)]
        return flagged[0], flagged[1]

    @cached_property
    def _outside_below(self) -> np.ndarray:
        return np.searchsorted(self.outside, self.inside, side="left")

    @property
    def auc(self) -> float:
        """The probability that a member scores above a non-member; ties count one half."""
        ties = np.searchsorted(self.outside, self.inside, side="right") - self._outside_below
        wins = 2 * int(self._outside_below.sum()) + int(ties.sum())
        return wins / (2 * self.inside.size * self.outside.size)

    @property
    def balanced_accuracy(self) -> float:
        """The largest 1 - (FPR + FNR) / 2 on the ROC; it is reached at a member's score or where nothing is flagged."""
        false_negative = np.searchsorted(self.inside, self.inside, side="left") / self.inside.size
        false_positive = 1 - self._outside_below / self.outside.size
        return float(max(0.5, 1 - (false_positive + false_negative).min() / 2))
