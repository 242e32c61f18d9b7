"""Rates of classes and of the dataset's groups, and whether they differ by more than chance."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lira.evaluation.groups import WHOLE
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import of_scores
from lira.report.numbers import numbers, with_spans
from lira.report.runs import check_available, choose_fpr, in_order, show_keys, title_of
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Classes and groups",
    category="Records",
    drawn_from="runs",
    files=("groups.csv", "metrics.csv", "scores.h5"),
    at_fprs=True,
    caption=(
        "Rates at shadow thresholds of each class and of each of the dataset's groups, with 95 % intervals, and the "
        "probability of such a difference if groups are given to the samples at random. Of many groups those that "
        "differ most are shown; the .csv has all."
    ),
)

MOST = 10
"""Most groups of a run that readers see."""

METRICS = {"tpr": "TPR′", "fpr_achieved": "FPR′", "ppv_pooled": "PPV", "exposed": "Exposed"}
NUMBERS = ("value", "low", "high", "p_value")


def table(runs: Sequence[Run], fpr: float | None = None, attack: str | None = None) -> Table:
    """Shows of each run the whole pool, then the groups whose TPR differs most from it, for the attack of the records.

    Args:
        runs: The runs; one that knows neither classes nor groups has no row.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack by which records are counted; that of the counts per record if not given.
    """
    runs = in_order(runs)
    known = [run for run in runs if len(run.groups)]
    if not known:
        return Table(runs[0].groups, pd.DataFrame({"Group": []}), 1, ["No run knows classes or groups of its samples."])
    data = pd.concat([_at(run, fpr) for run in known], ignore_index=True)
    shown = pd.concat([rows for run in known for rows in _shown(run, fpr, attack)], ignore_index=True)
    text = show_keys(shown).assign(By=shown["by"], Group=shown["group"].replace(WHOLE, "all"))
    keys = len(text.columns)
    text["Samples"] = shown["samples"].astype(str)
    for metric, heading in METRICS.items():
        text[f"{heading} (%)"] = with_spans(shown.rename(columns={f"{metric}_value": metric}), metric, 2, 100)
        if metric != "ppv_pooled":  # whose differences are those of both rates
            text[f"p, {heading}"] = numbers(shown[f"{metric}_p_value"], 3)
    attacks = " and ".join(dict.fromkeys(show(attack or run.attack) for run in known))
    note = (
        f"{attacks} at the shadow models' thresholds for {percent(data['fpr'].max())} FPR, 95 % intervals. PPV: of all "
        f"targets' counts, at π = {percent(data['prior'].min())}. Exposed: records that are flagged rightly on a "
        "target and wrongly on none. p: probability of a difference from the whole as large as that of the group, in "
        "any group, if groups are given to the samples at random; in the row of all, of the largest difference."
    )
    left = [f"{title_of(run)}: {count:,} groups are in the .csv alone." for run in known if (count := _left_out(run))]
    return Table(data, text, keys, [note, *left, *of_scores(runs)])


def _at(run: Run, fpr: float | None) -> pd.DataFrame:
    return run.groups[run.groups["fpr"] == choose_fpr(run.groups["fpr"], fpr)]


def _shown(run: Run, fpr: float | None, attack: str | None) -> Iterator[pd.DataFrame]:
    """Yields, by class and by group, the row of all and those of the groups that differ most, a column per number."""
    rows = _at(run, fpr)
    check_available("attack", attack := attack or run.attack, rows["attack"])
    rows = rows[rows["attack"] == attack]
    rows = rows[rows["prior"].isna() | (rows["prior"] == rows["prior"].min())]
    for by, found in rows.groupby("by", sort=False):
        wide = found.pivot(index=["group", "samples"], columns="metric", values=[*NUMBERS])
        wide.columns = [f"{metric}_{part}" for part, metric in wide.columns]
        wide = wide.reset_index().assign(**run.key, by=by)
        whole, groups = wide[wide["group"] == WHOLE], wide[wide["group"] != WHOLE]
        away = (groups["tpr_value"] - whole["tpr_value"].iloc[0]).abs()
        yield pd.concat([whole, groups.loc[away.nlargest(MOST).index].sort_values("tpr_value", ascending=False)])


def _left_out(run: Run) -> int:
    counts = run.groups[run.groups["group"] != WHOLE].groupby("by")["group"].nunique()
    return int((counts - MOST).clip(lower=0).sum())
