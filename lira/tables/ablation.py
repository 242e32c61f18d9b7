"""Table 14: what augmentations, dropout and weight decay each do to losses, accuracy and the attack."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lira.store import Run
from lira.tables import Table
from lira.tables._labels import augmentations
from lira.tables._resolution import mark, notes, resolved
from lira.tables._runs import at, choose_fpr, moments, negatives, show_keys, targets
from lira.tables._text import mean_std, number
from lira.tables.benchmarks import shown
from lira.tables.utility import utility


def table(folders: Sequence[Path], fpr: float | None = None, attack: str = "online_fixed") -> Table:
    """A row per run, in the order given; TPR with each target's own threshold.

    Args:
        folders: Run folders.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack whose TPR is shown.
    """
    data = pd.DataFrame([row(Run(folder), fpr, attack) for folder in folders])
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
    rates = zip(data["tpr_mean"], data["tpr_std"], data["resolution"], strict=True)
    text[f"TPR (%) {at(data['fpr'].iloc[0])}"] = [mark(mean_std(*pair, 3), label) for *pair, label in rates]
    return Table(data, text, keys, notes(data["resolution"]))


def row(run: Run, fpr: float | None, attack: str) -> dict:
    """Settings, utility and TPR of one run."""
    metrics, recipe = targets(run, "target"), run.recipe
    chosen = choose_fpr(metrics["fpr"], fpr)
    metrics = metrics[(metrics["attack"] == attack) & (metrics["fpr"] == chosen)]
    settings = {
        "augment": augmentations(recipe),
        "dropout_pct": None if recipe["dropout"] is None else 100 * recipe["dropout"],
        "weight_decay": recipe["weight_decay"],
        "attack": attack,
        "fpr": chosen,
    }
    return (
        run.key | settings | resolved(chosen, negatives(metrics)) | utility(run) | moments(100 * metrics["tpr"], "tpr")
    )
