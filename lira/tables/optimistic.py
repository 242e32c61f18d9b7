"""Tables 3-6: AUC and TPR at each FPR, with every target's own threshold, and the reduction against the baseline."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lira.store import Run
from lira.tables import Table
from lira.tables._labels import show
from lira.tables._resolution import mark, notes, resolved
from lira.tables._runs import at, moments, negatives, read_runs, show_keys, targets
from lira.tables._text import mean_std, number


def table(folders: Sequence[Path]) -> Table:
    """Mean ± standard deviation over targets, in percent, per run and attack.

    The reduction is the baseline's mean TPR over the run's. The baseline is that of the dataset with the same
    architecture and seed where there is one, else the dataset's first.

    Args:
        folders: Run folders.
    """
    data = pd.DataFrame([row for run in read_runs(folders) for row in rates(run)])
    data["reduction"] = data.apply(reduction, axis=1, data=data)
    return Table(data, shown := show_rates(data), list(shown.columns).index("AUC (%)"), notes(data["resolution"]))


def rates(run: Run) -> list[dict]:
    """A row per attack and FPR."""
    metrics, rows = targets(run, "target"), []
    for (attack, fpr), group in metrics.groupby(["attack", "fpr"], sort=False):
        rows.append(
            run.key
            | {"attack": attack, "fpr": fpr}
            | resolved(fpr, negatives(group))
            | moments(100 * group["auc"], "auc")
            | moments(100 * group["tpr"], "tpr")
        )
    return rows


def reduction(row: pd.Series, data: pd.DataFrame) -> float:
    """Baseline's mean TPR over this row's; NaN for a baseline, or without one, or when both are 0."""
    same = (data["dataset"] == row["dataset"]) & (data["attack"] == row["attack"]) & (data["fpr"] == row["fpr"])
    candidates = data[same & (data["regime"] == "baseline")]
    if row["regime"] == "baseline" or candidates.empty:
        return float("nan")
    nearness = 2 * (candidates["architecture"] == row["architecture"]) + (candidates["seed"] == row["seed"])
    baseline = candidates.loc[nearness.idxmax(), "tpr_mean"]
    if row["tpr_mean"] == 0:
        return float("inf") if baseline > 0 else float("nan")
    return baseline / row["tpr_mean"]


def show_rates(data: pd.DataFrame) -> pd.DataFrame:
    """A row per run and attack, two columns per FPR."""
    first = data[data["fpr"] == data["fpr"].max()].reset_index(drop=True)
    text = show_keys(first).assign(Attack=first["attack"].map(show))
    text["AUC (%)"] = [mean_std(*pair, 2) for pair in zip(first["auc_mean"], first["auc_std"], strict=True)]
    for fpr in sorted(data["fpr"].unique()):
        rows = data[data["fpr"] == fpr]
        text[f"TPR (%) {at(fpr)}"] = [
            mark(mean_std(row.tpr_mean, row.tpr_std, 3), row.resolution) for row in rows.itertuples()
        ]
        text[f"Reduction {at(fpr)}"] = [
            number(row.reduction, 2) + "×" * (row.reduction > 0) for row in rows.itertuples()
        ]
    return text
