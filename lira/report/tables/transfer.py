"""Table 15: training from scratch against transfer learning, by regime and architecture."""

from collections.abc import Sequence

import pandas as pd

from lira.config.catalogue import main_attack
from lira.evaluation.rates import rates_at
from lira.evaluation.utility import utility_over_models
from lira.report.catalogue import Entry
from lira.report.labels import show
from lira.report.marks import notes, tpr_of
from lira.report.numbers import numbers, setting
from lira.report.runs import at, check_available, check_same_fprs, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Scratch against transfer",
    category="Attacks",
    paper="Table 15",
    drawn_from="transfer",
    files=("summary.csv",),
    caption=(
        "Training from scratch against transfer learning, by regime and architecture: TPR of the main attack (online "
        "where there is one), loss ratio and test accuracy."
    ),
)


def table(runs: Sequence[Run], attack: str | None = None) -> Table:
    """Makes a row per run; the TPR is at each target's own threshold.

    Args:
        runs: The runs.
        attack: Attack whose TPR is shown; that of the counts per record if not given.
    """
    runs = in_order(runs)
    attack = attack or main_attack(runs[0].summary["attack"])
    rows = [row | {"start": run.recipe["start"]} | utility_over_models(run) for run in runs for row in rates_at(run)]
    check_available("attack", attack, [row["attack"] for row in rows])
    data = check_same_fprs(pd.DataFrame([row for row in rows if row["attack"] == attack]))
    once = data[data["fpr"] == data["fpr"].max()].reset_index(drop=True)
    text = show_keys(once).assign(Start=once["start"].map(setting))
    keys = len(text.columns)
    for fpr in sorted(data["fpr"].unique()):
        text[f"TPR (%) {at(fpr)}"] = [tpr_of(row) for row in data[data["fpr"] == fpr].itertuples()]
    text["Loss ratio"] = numbers(once["loss_ratio_mean"], 2)
    text["Test accuracy (%)"] = numbers(once["test_accuracy_mean"], 2)
    note = f"TPR: {show(attack)}, each target at its own threshold."
    return Table(data, text, keys, [note, *notes(data["resolution"], data["tpr_influential"])])
