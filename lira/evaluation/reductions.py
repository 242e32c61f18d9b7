"""How much a regime cuts the TPR of its baseline, per run, attack and FPR (paper, Tables 3-6)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from lira.evaluation.estimates import Estimate, log_ratio, mean_of


class Reduction(NamedTuple):
    """A row of :func:`lira.evaluation.rates.rates_at_own_thresholds`, and that of its baseline."""

    against: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def logarithm(self) -> Estimate:
        """Logarithm of the quotient of both TPRs; NaN where either is 0."""
        return log_ratio(*(Estimate(row["tpr_mean"], row["tpr_standard_error"]) for row in self))


class MeanReduction(NamedTuple):
    """Means over reductions whose rows may be correlated.

    Attributes:
        ratios: Each reduction.
        logarithm: Mean of the logarithms, with its error.
        geometric: Geometric mean.
        interval: 90 % interval of the geometric mean.
        arithmetic: Arithmetic mean, with its error.
    """

    ratios: Float[np.ndarray, " cell"]
    logarithm: Estimate
    geometric: float
    interval: tuple[float, float]
    arithmetic: Estimate


def reductions(rates: pd.DataFrame, regime: str, attacks: Sequence[str]) -> Iterator[Reduction]:
    """Yields the reductions of a regime, for some attacks and the rows that have a baseline.

    Args:
        rates: Rows of :func:`lira.evaluation.rates.rates_at_own_thresholds` of several runs.
        regime: Name of the regime.
        attacks: Names of the attacks.
    """
    if rates.empty:
        return
    for _, row in rates[(rates["regime"] == regime) & rates["attack"].isin(attacks)].iterrows():
        if (against := baseline_of(row, rates)) is not None:
            yield Reduction(against, row)


def mean_reduction(cells: Sequence[Reduction]) -> MeanReduction:
    """Averages reductions, none of which may have a TPR of 0."""
    logarithms = [cell.logarithm for cell in cells]
    centre, ratios = mean_of(logarithms), [float(np.exp(one.value)) for one in logarithms]
    low, high = (float(end) for end in np.exp(centre.interval()))
    errors = [ratio * one.error for ratio, one in zip(ratios, logarithms, strict=True)]
    arithmetic = mean_of([Estimate(*pair) for pair in zip(ratios, errors, strict=True)])
    return MeanReduction(np.array(ratios), centre, float(np.exp(centre.value)), (low, high), arithmetic)


def reduction_column(rates: pd.DataFrame) -> pd.Series:
    """Divides the baseline's mean TPR by that of each row; NaN for a baseline, or without one, or where both are 0.

    Args:
        rates: Rows of :func:`lira.evaluation.rates.rates_at_own_thresholds` of several runs.
    """
    return rates.apply(_reduction, axis=1, rates=rates)


def _reduction(row: pd.Series, rates: pd.DataFrame) -> float:
    against = baseline_of(row, rates)
    if against is None:
        return float("nan")
    if row["tpr_mean"] == 0:
        return float("inf") if against["tpr_mean"] > 0 else float("nan")
    return against["tpr_mean"] / row["tpr_mean"]


def baseline_of(row: pd.Series, rates: pd.DataFrame) -> pd.Series | None:
    """Returns the baseline's row with the dataset, attack and FPR of a row; ``None`` for a baseline, or without one.

    Of several baselines, the one of the same architecture comes first, then the one of the same seed.
    """
    same = (rates["dataset"] == row["dataset"]) & (rates["attack"] == row["attack"]) & (rates["fpr"] == row["fpr"])
    candidates = rates[same & (rates["regime"] == "baseline")]
    if row["regime"] == "baseline" or candidates.empty:
        return None
    nearness = 2 * (candidates["architecture"] == row["architecture"]) + (candidates["seed"] == row["seed"])
    return candidates.loc[nearness.idxmax()]
