"""The rates of one given model at thresholds of shadow models, beside chance and beside theirs as targets."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.core.threads import cores
from lira.evaluation.audits.exact import Interval, auc, members_rank_higher, more_members_flagged, share, share_below
from lira.evaluation.calibration import positive_predictive_value, shadow_thresholds
from lira.evaluation.roc import Ordered, flagged


class OfShadows(NamedTuple):
    """What the shadow models show under one attack, as targets of each other.

    Attributes:
        scores: Of each model and sample.
        member: True where the sample trained the model.
        thresholds: Of each model at each FPR, chosen on its own scores.
        auc: Of each model; NaN without members.
    """

    scores: Float[np.ndarray, "model sample"]
    member: Bool[np.ndarray, "model sample"]
    thresholds: Float[np.ndarray, "fpr model"]
    auc: Float[np.ndarray, " model"]

    @classmethod
    def of(cls, scores: np.ndarray, member: np.ndarray, fprs: Sequence[float]) -> "OfShadows":
        """Chooses all thresholds.

        Without members a model's threshold is the next number above the highest score that may not be flagged.
        """

        def of_model(model: int) -> tuple[list[float], float]:
            if member[model].any():
                ordered = Ordered.of(scores[model], member[model], name=f"shadow model {model}")
                return [ordered.threshold(fpr) for fpr in fprs], ordered.auc
            falling = np.sort(scores[model])[::-1]
            at = [min(int(fpr * falling.size * (1 + 1e-12)), falling.size - 1) for fpr in fprs]
            return np.nextafter(falling[at], np.inf).tolist(), np.nan

        with ThreadPoolExecutor(cores()) as pool:
            found = list(pool.map(of_model, range(len(scores))))
        return cls(scores, member, np.array([one for one, _ in found]).T, np.array([area for _, area in found]))

    @property
    def medians(self) -> list[float]:
        """The threshold for a given model at each FPR, the median of the finite ones; inf flags nothing."""
        finite = [row[np.isfinite(row)] for row in self.thresholds]
        return [float(np.median(row)) if row.size else np.inf for row in finite]


def summarise_target(
    shadows: OfShadows,
    target: Float[np.ndarray, " sample"],
    truth: Bool[np.ndarray, " sample"] | None,
    fprs: Sequence[float],
    priors: Sequence[float],
) -> pd.DataFrame:
    """Computes the rates of the given model under one attack, against chance and against the shadow models as targets.

    Args:
        shadows: What the shadow models show.
        target: Scores of the given model.
        truth: Its membership, if it is known.
        fprs: False positive rates.
        priors: Shares of members.

    Returns:
        ``fpr prior metric value low high chance p_value among_shadows shadows_mean shadows_low shadows_high``, as
        fractions. Metrics: ``flagged`` (share of all samples), ``tpr``, ``fpr_achieved``, ``balanced_accuracy`` (mean
        of TPR and 1 - FPR), ``ppv`` and, once, ``auc``; without truth ``flagged`` alone. Ends are those of 95 %
        intervals; those of what follows from two rates are at the worst and at the best ends of both. ``chance``: what
        is expected if as many flags fall at random. ``among_shadows``: the share of the shadow models whose value is
        below, equal ones one half. Of the shadow models' values, 95 % are between the last two.
    """
    rows: list[dict[str, Any]] = []
    both = truth is not None and truth.any() and not truth.all()
    for fpr, threshold, of_models in zip(fprs, shadows.medians, shadows.thresholds, strict=True):
        own = flagged(target[np.newaxis], [threshold])[0]
        verdicts = flagged(shadows.scores, shadow_thresholds(of_models))
        chance = {"flagged": fpr, "balanced_accuracy": 0.5}
        others = _metrics(*_shares(verdicts, shadows.member), priors)
        for (metric, prior), interval in _intervals(own, truth, priors).items():
            expected = chance.get(metric, own.mean() if prior is None else prior)
            tested = more_members_flagged(own, truth) if both and metric == "tpr" and truth is not None else np.nan
            row = {"fpr": fpr, "prior": prior, "metric": metric} | interval._asdict()
            row |= {"chance": expected, "p_value": tested}
            rows.append(row | among(interval.value, others[metric, prior]))
    if both and truth is not None:
        area = auc(target, truth)
        row = {"metric": "auc"} | area._asdict() | {"chance": 0.5, "p_value": members_rank_higher(target, truth)}
        rows.append(row | among(area.value, shadows.auc))
    return pd.DataFrame(rows).astype({"prior": float})


def among(value: float, others: Float[np.ndarray, " model"]) -> dict[str, float]:
    """Returns the columns that compare a number with those of the shadow models."""
    there = others[~np.isnan(others)]
    low, high = np.quantile(there, [0.025, 0.975]) if there.size else (np.nan, np.nan)
    mean = there.mean() if there.size else np.nan
    compared = {"among_shadows": share_below(value, there), "shadows_mean": mean}
    return compared | {"shadows_low": low, "shadows_high": high}


Metric = tuple[str, float | None]
"""Name, and prior where it has one."""


def _shares(verdicts: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the share of flagged samples, the TPR and the FPR of each model; NaN where there is nothing to count."""
    with np.errstate(invalid="ignore"):
        tpr = (verdicts & member).sum(axis=1) / member.sum(axis=1)
        fpr = (verdicts & ~member).sum(axis=1) / (~member).sum(axis=1)
    return verdicts.mean(axis=1), tpr, fpr


def _metrics(share_flagged: Any, tpr: Any, fpr: Any, priors: Sequence[float]) -> dict[Metric, Any]:
    found: dict[Metric, Any] = {("flagged", None): share_flagged, ("tpr", None): tpr, ("fpr_achieved", None): fpr}
    found["balanced_accuracy", None] = (tpr + 1 - fpr) / 2
    return found | {("ppv", prior): positive_predictive_value(tpr, fpr, prior) for prior in priors}


def _intervals(own: np.ndarray, truth: np.ndarray | None, priors: Sequence[float]) -> Mapping[Metric, Interval]:
    of_all = share(int(own.sum()), own.size)
    if truth is None:
        return {("flagged", None): of_all}
    tpr, fpr = (share(int((own & side).sum()), int(side.sum())) for side in (truth, ~truth))
    values, low, high = (
        _metrics(*ends, priors)
        for ends in (
            (of_all.value, tpr.value, fpr.value),
            (of_all.low, tpr.low, fpr.high),
            (of_all.high, tpr.high, fpr.low),
        )
    )
    found = {metric: Interval(float(values[metric]), float(low[metric]), float(high[metric])) for metric in values}
    return found | {("fpr_achieved", None): fpr}
