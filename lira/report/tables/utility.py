"""Table 2: losses, accuracies and loss ratio of each run's shadow models, without augmentation."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.utility import utility_over_models
from lira.report.catalogue import Entry
from lira.report.marks import of_training
from lira.report.numbers import means
from lira.report.runs import in_order, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Losses and accuracies",
    category="Utility",
    paper="Table 2",
    drawn_from="benchmarks",
    files=("shadows.h5",),
    caption=(
        "Losses, accuracies, loss ratio and accuracy gap of each run's shadow models on data without augmentation, and "
        "their best epochs: mean ± standard deviation over models."
    ),
)

COLUMNS = {
    "train_loss": ("Train loss", 4),
    "test_loss": ("Test loss", 4),
    "loss_ratio": ("Loss ratio", 2),
    "train_accuracy": ("Train accuracy (%)", 2),
    "test_accuracy": ("Test accuracy (%)", 2),
    "accuracy_gap": ("Accuracy gap (points)", 2),
    "best_epoch": ("Best epoch", 1),
    "clipped": ("φ clipped (%)", 2),
}
"""Heading and decimals of each quantity; ``clipped`` is shown where a run is of estimators."""


def table(runs: Sequence[Run]) -> Table:
    """Shows mean ± standard deviation over the models of each run."""
    runs = in_order(runs)
    data = pd.DataFrame([run.key | utility_over_models(run) for run in runs])
    text = show_keys(data)
    keys = len(text.columns)
    for name, (heading, decimals) in COLUMNS.items():
        if f"{name}_mean" in data:
            text[heading] = means(data, name, decimals)
    note = (
        "Losses are means over samples; the loss ratio is the mean of each model's test loss / train loss, the "
        "accuracy gap that of its train less its test accuracy. Best epoch: the one with the best test accuracy, "
        "counted from 1, which is attacked unless target_model says otherwise. The spread is that of models, so no "
        "interval stands beside it."
    )
    return Table(data, text, keys, [note, *of_training(runs)])
