"""Table 14: what augmentations, dropout and weight decay each do to losses, accuracy and the attack."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lira.report import influence
from lira.report.catalogue import Entry
from lira.report.labels import augmentations, show
from lira.report.numbers import number
from lira.report.resolution import notes, resolution_of
from lira.report.runs import at, choose_fpr, over_targets, require, same_fprs, show_keys
from lira.report.table import Table
from lira.report.tables.benchmarks import shown
from lira.report.tables.optimistic import show_tpr
from lira.report.tables.utility import utility
from lira.storage.run import Run

ENTRY = Entry(
    title="Ablation",
    category="Attacks",
    paper="Table 14",
    drawn_from="ablation",
    files=("summary.csv",),
    caption="What augmentations, dropout and weight decay do to losses, accuracy and the attack with fixed variance.",
)


def table(folders: Sequence[Path], fpr: float | None = None, attack: str = "online_fixed") -> Table:
    """A row per run, in the order given; TPR with each target's own threshold.

    Args:
        folders: Run folders.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack whose TPR is shown.
    """
    data = same_fprs(pd.DataFrame([row(Run(folder), fpr, attack) for folder in folders]))
    text = show_keys(data)
    for name in [name for name in text if text[name].nunique() == 1]:
        del text[name]
    text["Augmentations"] = data["augment"]
    keys = len(text.columns)
    text["Dropout (%)"] = [shown(rate) for rate in data["dropout_pct"]]
    text["Weight decay"] = [shown(decay) for decay in data["weight_decay"]]
    for heading, name, decimals in (
        ("Train loss", "train_loss", 4),
        ("Test loss", "test_loss", 4),
        ("Loss ratio", "loss_ratio", 2),
        ("Test accuracy (%)", "test_accuracy", 2),
    ):
        text[heading] = [number(value, decimals) for value in data[f"{name}_mean"]]
    text[f"TPR (%) {at(data['fpr'].iloc[0])}"] = [show_tpr(run) for run in data.itertuples()]
    note = f"TPR: {show(attack)}, each target at its own threshold."
    return Table(data, text, keys, [note, *notes(data["resolution"]), *influence.notes(data["tpr_influential"])])


def row(run: Run, fpr: float | None, attack: str) -> dict:
    """Settings, utility and TPR of one run."""
    found, recipe = run.summary, run.recipe
    chosen = choose_fpr(found["fpr"], fpr)
    require("attack", attack, found["attack"])
    found = found[(found["mode"] == "target") & (found["attack"] == attack) & (found["fpr"] == chosen)]
    settings = {
        "augment": augmentations(recipe),
        "dropout_pct": None if recipe["dropout"] is None else 100 * recipe["dropout"],
        "weight_decay": recipe["weight_decay"],
        "attack": attack,
        "fpr": chosen,
    }
    return run.key | settings | resolution_of(found) | utility(run) | over_targets(found, "tpr", "tpr")
