"""What more models buy: the rates of each attack with so many shadow models, and the fewest that are enough."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.budgets import ALL, enough
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import RESOLUTION, notes
from lira.report.numbers import MISSING, number, span
from lira.report.runs import check_same_fprs, choose_fpr, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import RUN_KEYS, Run

ENTRY = Entry(
    title="Rates by number of models",
    category="Attacks",
    drawn_from="benchmarks",
    files=("budgets.csv",),
    at_fprs=True,
    setting="budgets",
    caption=(
        "TPR and AUC of each attack with so many shadow models, drawn again and again from those that are no targets, "
        "and the smallest number whose interval contains what all other models give. Beside it what chance gives."
    ),
)


def table(runs: Sequence[Run], fpr: float | None = None) -> Table:
    """Shows mean and 95 % interval over draws and targets, in percent, a column per number of models.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
    """
    data = check_same_fprs(pd.concat([of_run(run, fpr) for run in in_order(runs)], ignore_index=True))
    rows = data.drop_duplicates([*RUN_KEYS, "attack", "metric"])
    text = show_keys(rows).assign(
        Attack=rows["attack"].map(show), Rate=rows["metric"].map({"tpr": "TPR", "auc": "AUC"})
    )
    keys = len(text.columns)
    cells = data.assign(
        cell=[
            f"{number(row.mean, 2)} {span(row.low, row.high, '{:.1f}'.format)}{mark(row.resolution)}"
            for row in data[["mean", "low", "high", "resolution"]].itertuples(index=False)
        ],
        column=[f"{row.models} models" if row.draw != ALL else "All models" for row in data.itertuples()],
    )
    index = pd.MultiIndex.from_frame(rows[[*RUN_KEYS, "attack", "metric"]])
    wide = cells.pivot(index=[*RUN_KEYS, "attack", "metric"], columns="column", values="cell").reindex(index)
    budgets = [f"{models} models" for models in sorted(data.loc[data["draw"] != ALL, "models"].unique())]
    for column in (*budgets, "All models"):
        text[column] = wide[column].fillna(MISSING).to_numpy()
    text["Enough"] = [MISSING if pd.isna(models) else f"{models:.0f}" for models in rows["enough"]]
    text["Chance"] = [number(value, 2) for value in rows["chance"]]
    whole, apart = (spelled(data.loc[data["draw"] == ALL, name]) for name in ("models", "targets"))
    draws = spelled(data.loc[data["draw"] != ALL, "repeats"])
    note = (
        f"Percent; TPR at {percent(data['fpr'].min())} FPR, at each target's own threshold. Mean over "
        f"{draws} draws of the shadow models and {apart} targets, and its 95 % interval for this pool of samples. All "
        f"models: the other {whole} of the run. Enough: the smallest number of models whose interval contains the mean "
        "with all: not visibly worse, and no more, as few targets make wide intervals."
    )
    return Table(data, text, keys, [note, *notes(data["resolution"].fillna(""))])


def of_run(run: Run, fpr: float | None) -> pd.DataFrame:
    """Returns a run's TPR at one FPR, and its AUC, in percent, with the number of models that are enough."""
    found = run.table("budgets.csv")
    found = found[found["fpr"].isna() | (found["fpr"] == choose_fpr(found["fpr"], fpr))]
    found = found.merge(enough(found), on=["attack", "metric", "fpr"], how="left")
    scaled = ["mean", "low", "high", "std_draws", "std_targets", "chance"]
    return found.assign(**{name: 100 * found[name] for name in scaled}, resolution=found["resolution"].fillna(""))


def mark(resolution: str) -> str:
    """Returns the mark of a rate that the pool does not resolve."""
    return RESOLUTION.get(resolution, "").format(place="at")


def spelled(numbers: pd.Series) -> str:
    """Writes one number, or the least and the largest of several."""
    low, high = numbers.min(), numbers.max()
    return f"{low}" if low == high else f"{low} to {high}"
