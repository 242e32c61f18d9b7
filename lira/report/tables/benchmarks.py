"""Table 1: which runs the study has, and the recipe of each."""

from collections.abc import Sequence

import pandas as pd

from lira.report.catalogue import Entry
from lira.report.labels import AUGMENTATIONS, augmentations
from lira.report.numbers import setting
from lira.report.runs import SERIES, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="The study's grid",
    category="Study",
    paper="Table 1",
    drawn_from="seeds",
    files=("shadows.h5",),
    caption="The runs of the study, with the recipe that each was made with.",
)

COLUMNS = {
    "pool": "Pool",
    "classes": "Classes",
    "augment": "Augmentations",
    "dropout": "Dropout",
    "weight_decay": "Weight decay",
    "epochs": "Epochs",
    "batch_size": "Batch",
    "optimizer": "Optimiser",
    "learning_rate": "Learning rate",
    "schedule": "Schedule",
    "start": "Start",
    "query_views": "Views",
    "shadow_models": "Models",
}


def table(runs: Sequence[Run]) -> Table:
    """Makes a row per dataset, architecture and regime, with its seeds."""
    rows = pd.DataFrame([settings(run) for run in in_order(runs)])
    data = rows.groupby([*SERIES, *COLUMNS], sort=False, dropna=False)["seed"].agg(
        lambda seeds: " ".join(map(str, seeds))
    )
    data = data.reset_index().rename(columns={"seed": "seeds"})
    text = show_keys(data.assign(seed=0))
    keys = len(text.columns)
    for name, heading in COLUMNS.items():
        text[heading] = [setting(value) for value in data[name]]
    text["Seeds"] = data["seeds"].str.replace(" ", ", ")
    used = dict.fromkeys(name for augment in rows["augment"] for name in augment.split("+"))
    legend = ", ".join(f"{short} {long}" for long, short in AUGMENTATIONS.items() if short in used)
    return Table(data, text, keys, [f"{legend}."] if legend else [])


def settings(run: Run) -> dict:
    """Returns the size of the pool and the settings of a run."""
    recipe, labels = run.recipe, run.labels
    return run.key | {
        "pool": run.pool,
        "classes": None if labels is None else int(labels.max()) + 1,
        "augment": augmentations(recipe),
        "shadow_models": run.models,
        **{name: recipe[name] for name in COLUMNS if name in recipe and name != "augment"},
    }
