"""Rates over the targets of a run, in percent, for the tables and the verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lira.evaluation.calibration import resolution
from lira.storage.run import Run

FRACTIONS = ("mean", "std", "median", "trimmed_mean", "low", "high", "standard_error", "influence", "null")
"""Statistics of ``summary.csv`` that are fractions."""

OTHERS = ("targets", "undefined", "influence_target", "influential")


def in_percent(summary: pd.DataFrame) -> pd.DataFrame:
    """Returns rows of ``summary.csv`` with fractions turned into percent."""
    return summary.assign(**{name: 100 * summary[name] for name in FRACTIONS})


class RatesOverTargets:
    """The rows of a run's ``summary.csv``, in percent, by attack, kind of threshold, FPR, metric and prior.

    Args:
        run: The run.
    """

    def __init__(self, run: Run):
        self.rows: dict[tuple, dict[str, Any]] = {}
        for row in in_percent(run.summary).to_dict("records"):
            place = (row[name] for name in ("attack", "mode", "fpr", "metric", "prior"))
            self.rows[tuple(None if part != part else part for part in place)] = row

    def find(
        self, attack: str, mode: str, fpr: float | None, metric: str, prior: float | None = None
    ) -> dict[str, Any] | None:
        """Returns the row of this place; ``None`` if there is none."""
        return self.rows.get((attack, mode, fpr, metric, prior))

    @property
    def attacks(self) -> list[str]:
        """Attacks, in their order in the file."""
        return list(dict.fromkeys(attack for attack, *_ in self.rows))

    @property
    def fprs(self) -> list[float]:
        """Target FPRs, ascending."""
        return sorted({fpr for _, _, fpr, _, _ in self.rows if fpr is not None})

    @property
    def priors(self) -> list[float]:
        """Priors of the PPV, ascending."""
        return sorted({prior for *_, prior in self.rows if prior is not None})


def columns_of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the statistics of a row as columns of a table, with the metric's name before them."""
    return {f"{name}_{key}": row[key] for key in (*FRACTIONS, *OTHERS)}


def is_hollow(achieved: Mapping[str, Any], mean: Mapping[str, Any], pooled: Mapping[str, Any]) -> bool:
    """Tells whether a mean of PPVs over targets says more than the counts of all targets together carry.

    A target with hits and without a false positive has a PPV of 100 %, however few its hits. So the mean is hollow
    where fewer than half of the targets have a false positive, or where it lies above the interval of the pooled PPV.

    Args:
        achieved: The row of ``fpr_achieved``, whose median is 0 where fewer than half of the targets have one.
        mean: The row of ``ppv``.
        pooled: The row of ``ppv_pooled``.
    """
    return bool(mean["targets"] and (achieved["median"] == 0 or mean["mean"] > pooled["high"]))


def error_inflation(row: Mapping[str, Any]) -> float:
    """Returns the standard error of a mean over targets, over that of as many independent targets; at least 1.

    The targets of a run share samples, which raises it.
    """
    error, alone = row["standard_error"], row["std"] / max(row["targets"], 1) ** 0.5
    return max(1.0, error / alone) if alone > 0 and not np.isnan(error) else 1.0


def resolution_columns(expected: float, label: str) -> dict[str, float | str]:
    """Returns columns with the parts of a :func:`~lira.evaluation.calibration.resolution`."""
    return {"expected_false_positives": expected, "resolution": label}


def resolution_at(fpr: float, negatives: float) -> dict[str, float | str]:
    """Returns the same columns for an FPR and the number of non-members of a target."""
    return resolution_columns(*resolution(fpr, negatives))


def resolution_of(row: Mapping[str, Any]) -> dict[str, float | str]:
    """Returns the same columns for a row of a summary."""
    return resolution_columns(row["expected_fp"], row["resolution"])


def rates_at(run: Run, thresholds: str = "target") -> list[dict[str, Any]]:
    """Returns a row per attack and FPR: AUC, and TPR at one kind of threshold, by default each target's own."""
    rates = RatesOverTargets(run)
    return [
        run.key
        | {"attack": attack, "fpr": fpr}
        | resolution_of(row)
        | columns_of(rates.rows[attack, "target", None, "auc", None], "auc")
        | columns_of(row, "tpr")
        for (attack, mode, fpr, metric, _), row in rates.rows.items()
        if (mode, metric) == (thresholds, "tpr")
    ]
