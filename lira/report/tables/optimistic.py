"""Tables 3-6: AUC and TPR at each FPR, with every target's own threshold, and the reduction against the baseline."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lira.report import influence
from lira.report.catalogue import Entry
from lira.report.labels import show
from lira.report.numbers import mean_std, number
from lira.report.resolution import mark, notes, resolution_of
from lira.report.runs import at, over_targets, read_runs, same_fprs, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Rates at the targets' own thresholds",
    category="Attacks",
    paper="Table 3–6",
    drawn_from="benchmarks",
    files=("summary.csv",),
    caption=(
        "AUC and TPR at each FPR with every target's own threshold, mean ± standard deviation over targets in %, and "
        "the factor by which a regime cuts the baseline's TPR. A cell marked *at 0 FP* stands where the pool cannot "
        "resolve the FPR; ‡ names a target that carries the mean. The .csv has intervals, robust centres and the "
        "null."
    ),
)


def table(folders: Sequence[Path]) -> Table:
    """Mean ± standard deviation over targets, in percent, per run and attack.

    The reduction is the baseline's mean TPR over the run's. The baseline is that of the dataset with the same
    architecture and seed where there is one, else the dataset's first.

    The ``.csv`` also says what each mean can carry, see :mod:`lira.evaluation.summary`.

    Args:
        folders: Run folders.
    """
    data = same_fprs(pd.DataFrame([row for run in read_runs(folders) for row in rates(run)]))
    data["reduction"] = data.apply(reduction, axis=1, data=data)
    text = show_rates(data)
    below = [*notes(data["resolution"]), *influence.notes([*data["auc_influential"], *data["tpr_influential"]])]
    return Table(data, text, list(text.columns).index("AUC (%)"), below)


def rates(run: Run) -> list[dict]:
    """A row per attack and FPR."""
    found, rows = run.summary, []
    found = found[found["mode"] == "target"]
    for (attack, fpr), group in found.groupby(["attack", "fpr"], sort=False):
        rows.append(
            run.key
            | {"attack": attack, "fpr": fpr}
            | resolution_of(group)
            | over_targets(found[found["attack"] == attack], "auc", "auc")
            | over_targets(group, "tpr", "tpr")
        )
    return rows


def reduction(row: pd.Series, data: pd.DataFrame) -> float:
    """Baseline's mean TPR over this row's; NaN for a baseline, or without one, or when both are 0."""
    against = baseline(row, data)
    if against is None:
        return float("nan")
    if row["tpr_mean"] == 0:
        return float("inf") if against["tpr_mean"] > 0 else float("nan")
    return against["tpr_mean"] / row["tpr_mean"]


def baseline(row: pd.Series, data: pd.DataFrame) -> pd.Series | None:
    """The row of the same attack and FPR that this one is a reduction of; ``None`` for a baseline, or without one."""
    same = (data["dataset"] == row["dataset"]) & (data["attack"] == row["attack"]) & (data["fpr"] == row["fpr"])
    candidates = data[same & (data["regime"] == "baseline")]
    if row["regime"] == "baseline" or candidates.empty:
        return None
    nearness = 2 * (candidates["architecture"] == row["architecture"]) + (candidates["seed"] == row["seed"])
    return candidates.loc[nearness.idxmax()]


def show_rates(data: pd.DataFrame) -> pd.DataFrame:
    """A row per run and attack, two columns per FPR."""
    first = data[data["fpr"] == data["fpr"].max()].reset_index(drop=True)
    text = show_keys(first).assign(Attack=first["attack"].map(show))
    text["AUC (%)"] = [
        influence.mark(mean_std(row.auc_mean, row.auc_std, 2), row.auc_influential) for row in first.itertuples()
    ]
    for fpr in sorted(data["fpr"].unique()):
        rows = data[data["fpr"] == fpr]
        text[f"TPR (%) {at(fpr)}"] = [show_tpr(row) for row in rows.itertuples()]
        text[f"Reduction {at(fpr)}"] = [
            number(row.reduction, 2) + "×" * (row.reduction > 0) for row in rows.itertuples()
        ]
    return text


def show_tpr(row) -> str:
    """Mean ± standard deviation of a row's TPR, with its marks."""
    return influence.mark(mark(mean_std(row.tpr_mean, row.tpr_std, 3), row.resolution), row.tpr_influential)
