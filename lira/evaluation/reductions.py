"""How much a regime cuts the TPR of its baseline, per run, attack and FPR (paper, Tables 3-6)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lira.evaluation.bootstrap import NORMAL
from lira.evaluation.estimates import Estimate, log_ratio


class Reduction(NamedTuple):
    """A row of :func:`lira.evaluation.rates.rates_at`, and that of its baseline."""

    against: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def ratio(self) -> float:
        """The baseline's mean TPR over that of the row; infinite where only the row's is 0, NaN where both are."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(self.against["tpr_mean"], self.row["tpr_mean"]))

    @property
    def logarithm(self) -> Estimate:
        """Logarithm of the ratio; NaN where either TPR is 0."""
        return log_ratio(*(Estimate(row["tpr_mean"], row["tpr_standard_error"]) for row in self))

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the 95 % interval of the ratio."""
        reach = NORMAL * self.logarithm.error
        return float(np.exp(self.logarithm.value - reach)), float(np.exp(self.logarithm.value + reach))


def find_reductions(rates: pd.DataFrame) -> list[Reduction | None]:
    """Finds the baseline of each row; ``None`` for a row of a baseline, or without one.

    Of several baselines with the dataset, attack and FPR of a row, the one of the same architecture comes first, then
    the one of the same seed.

    Args:
        rates: Rows of :func:`lira.evaluation.rates.rates_at` of several runs.
    """
    return [_find_reduction(row, rates) for _, row in rates.iterrows()]


def _find_reduction(row: pd.Series, rates: pd.DataFrame) -> Reduction | None:
    same = (rates["dataset"] == row["dataset"]) & (rates["attack"] == row["attack"]) & (rates["fpr"] == row["fpr"])
    candidates = rates[same & (rates["regime"] == "baseline")]
    if row["regime"] == "baseline" or candidates.empty:
        return None
    nearness = 2 * (candidates["architecture"] == row["architecture"]) + (candidates["seed"] == row["seed"])
    return Reduction(candidates.loc[nearness.idxmax()], row)
