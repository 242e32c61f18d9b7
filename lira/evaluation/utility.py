"""Losses and accuracies of a run's models, and how the loss ratio predicts the attack (paper, Table 2, Figure 7)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from lira.evaluation.estimates import Estimate
from lira.evaluation.rates import RatesOverTargets
from lira.evaluation.robust import moments, regress
from lira.storage.run import RUN_KEYS, Run

QUANTITIES = ("train_loss", "test_loss", "loss_ratio", "train_accuracy", "test_accuracy", "accuracy_gap", "best_epoch")
FEWEST = 3
"""Runs that a line needs."""

DRAWS = 1000
POINT = (*RUN_KEYS, "fpr", "negatives", "loss_ratio", "tpr", "low", "high", "null")


def utility_over_models(run: Run) -> dict[str, float]:
    """Returns mean, standard deviation and median over models of each quantity, accuracies in percent.

    The loss ratio of a model is its test loss over its train loss; it is NaN where the train loss is 0. The accuracy
    gap is its train accuracy less its test accuracy, in points. The best epoch by test accuracy counts from
    1; it is NaN where a run does not say it. Estimators have ``clipped`` besides, the share of φ that was clipped, in
    percent.
    """
    models = run.utility.copy()
    models["loss_ratio"] = models["test_loss"] / models["train_loss"].where(models["train_loss"] > 0)
    models[models.columns.intersection(["train_accuracy", "test_accuracy", "clipped"])] *= 100
    models["accuracy_gap"] = models["train_accuracy"] - models["test_accuracy"]
    models = models.reindex(columns=[*QUANTITIES, *models.columns.intersection(["clipped"])])
    return {key: value for name in models for key, value in moments(models[name], name).items()}


def loss_ratios(runs: Sequence[Run], fpr: float, attack: str = "online") -> pd.DataFrame:
    """Returns a row per run: mean loss ratio and, in percent, mean TPR at target thresholds with interval and chance.

    Runs without known losses or without a rate at this FPR are left out.

    Returns:
        The run's key, ``fpr``, ``negatives`` (non-members of a target), ``loss_ratio``, ``tpr low high null``.
    """
    found = ((run, utility_over_models(run)["loss_ratio_mean"], _rate(run, fpr, attack)) for run in runs)
    rows = [
        run.key
        | {"fpr": fpr, "negatives": rate["expected_fp"] / fpr, "loss_ratio": ratio, "tpr": rate["mean"]}
        | {name: rate[name] for name in ("low", "high", "null")}
        for run, ratio, rate in found
        if rate and ratio > 0
    ]
    return pd.DataFrame(rows, columns=POINT)


def _rate(run: Run, fpr: float, attack: str) -> dict[str, Any] | None:
    return RatesOverTargets(run).find(attack, "target", fpr, "tpr")


class Fit(NamedTuple):
    """A fit of the TPR (%) to the loss ratio, over runs; errors are from a bootstrap over the runs.

    Attributes:
        r: Pearson's correlation of log10 loss ratio and TPR.
        rho: Spearman's.
        slope: Of the least-squares line on log10, in points per decade.
        intercept: TPR of the line at a ratio of 1.
        explained: R², the share of the variance that the line explains.
    """

    r: Estimate
    rho: Estimate
    slope: Estimate
    intercept: Estimate
    explained: Estimate


def fit(ratio: Float[np.ndarray, " run"], tpr: Float[np.ndarray, " run"]) -> Fit | None:
    """Fits the TPR to log10 of the loss ratio by least squares; returns ``None`` for fewer than three runs."""
    from scipy.stats import rankdata

    if len(ratio) < FEWEST:
        return None
    drawn = np.random.default_rng(0).integers(len(ratio), size=(DRAWS, len(ratio)))
    rows = np.concatenate([np.arange(len(ratio))[None], drawn])
    x, y = np.log10(ratio)[rows], tpr[rows]
    r, slope = regress(x, y)
    rho = regress(rankdata(x, axis=1), rankdata(y, axis=1)).correlation
    found = (r, rho, slope, y.mean(axis=1) - slope * x.mean(axis=1), r**2)
    return Fit(*(Estimate(float(values[0]), float(np.nanstd(values[1:]))) for values in found))
