"""Table 14: how augmentations, dropout and weight decay change losses, accuracy and the attack's TPR."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.rates import RatesOverTargets, columns_of, resolution_of
from lira.evaluation.utility import utility_over_models
from lira.report.catalogue import Entry
from lira.report.labels import augmentations, show
from lira.report.marks import notes, tpr_of
from lira.report.numbers import numbers, setting
from lira.report.runs import at, check_available, check_same_fprs, choose_fpr, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Ablation",
    category="Attacks",
    paper="Table 14",
    drawn_from="ablation",
    files=("summary.csv",),
    caption="Losses, accuracy and TPR of the attack with fixed variance, by augmentations, dropout and weight decay.",
)


def table(runs: Sequence[Run], fpr: float | None = None, attack: str = "online_fixed") -> Table:
    """Makes a row per run, in the given order; the TPR is at each target's own threshold.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack whose TPR is shown.
    """
    data = check_same_fprs(pd.DataFrame([row(run, fpr, attack) for run in runs]))
    text = show_keys(data)
    for name in [name for name in text if text[name].nunique() == 1]:
        del text[name]
    text["Augmentations"] = data["augment"]
    keys = len(text.columns)
    text["Dropout (%)"] = [setting(rate) for rate in data["dropout_pct"]]
    text["Weight decay"] = [setting(decay) for decay in data["weight_decay"]]
    for heading, name, decimals in (
        ("Train loss", "train_loss", 4),
        ("Test loss", "test_loss", 4),
        ("Loss ratio", "loss_ratio", 2),
        ("Test accuracy (%)", "test_accuracy", 2),
    ):
        text[heading] = numbers(data[f"{name}_mean"], decimals)
    text[f"TPR (%) {at(data['fpr'].iloc[0])}"] = [tpr_of(run) for run in data.itertuples()]
    note = f"TPR: {show(attack)}, each target at its own threshold."
    return Table(data, text, keys, [note, *notes(data["resolution"], data["tpr_influential"])])


def row(run: Run, fpr: float | None, attack: str) -> dict:
    """Returns settings, utility and TPR of one run."""
    rates, recipe = RatesOverTargets(run), run.recipe
    chosen = choose_fpr(rates.fprs, fpr)
    check_available("attack", attack, rates.attacks)
    found = rates.rows[attack, "target", chosen, "tpr", None]
    settings = {
        "augment": augmentations(recipe),
        "dropout_pct": None if recipe["dropout"] is None else 100 * recipe["dropout"],
        "weight_decay": recipe["weight_decay"],
        "attack": attack,
        "fpr": chosen,
    }
    return run.key | settings | resolution_of(found) | utility_over_models(run) | columns_of(found, "tpr")
