"""Tables 3-6: AUC and TPR at each FPR, at every target's own threshold, and the reduction from the baseline."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from lira.evaluation.rates import RatesOverTargets, columns_of, is_hollow, rates_at
from lira.evaluation.reductions import find_reductions
from lira.evaluation.roc import balanced_accuracy_by_chance
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import marked, notes, of_scores, tpr_of
from lira.report.numbers import MISSING, mean_std, number
from lira.report.runs import at, check_same_fprs, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Rates at the targets' own thresholds",
    category="Attacks",
    paper="Table 3–6",
    drawn_from="benchmarks",
    files=("summary.csv",),
    caption=(
        "AUC and TPR at each FPR, at every target's own threshold: mean ± standard deviation over targets in %, and "
        "the factor by which a regime cuts the baseline's TPR. *at 0 FP* marks a TPR at zero false positives, because "
        "the pool cannot resolve the FPR; ‡ names a target on which the mean rests. Then what other tables print: the "
        "best balanced accuracy over all thresholds, and the precision at each FPR, with chance's in brackets. The "
        ".csv also has intervals, medians and trimmed means, and the mean where membership is permuted."
    ),
)


def table(runs: Sequence[Run]) -> Table:
    """Shows mean ± standard deviation over targets, in percent, per run and attack.

    The reduction is the baseline's mean TPR divided by the run's, see :mod:`lira.evaluation.reductions`. The ``.csv``
    also has the statistics of :mod:`lira.evaluation.summary` that show what each mean depends on.
    """
    data = check_same_fprs(pd.DataFrame([row for run in in_order(runs) for row in rates_at(run)]))
    data["reduction"] = [found.ratio if found else float("nan") for found in find_reductions(data)]
    data = pd.concat([data, pd.DataFrame([row for run in in_order(runs) for row in others(run)])], axis=1)
    text = show_rates(data)
    influential = [name for column in ("auc", "tpr") for name in data[f"{column}_influential"]]
    said = (
        "Balanced accuracy: the largest over all thresholds, which are chosen on the scores that it counts; so it has "
        "no interval, and scores that say nothing give more than 50 % (computed, in brackets). Precision: PPV at the "
        "prior named, mean over the targets for which anything was flagged; in brackets where membership is permuted."
    )
    below = [said, *notes(data["resolution"], influential, data["precision_hollow"]), *of_scores(runs)]
    return Table(data, text, list(text.columns).index("AUC (%)"), below)


def others(run: Run) -> list[dict[str, Any]]:
    """Returns what the released code prints besides, of the rows of :func:`rates_at` of a run."""
    rates, rows = RatesOverTargets(run), []
    for row in rates_at(run):
        place, prior = (row["attack"], "target", row["fpr"]), rates.priors[-1]
        precision, pooled = (rates.rows[*place, name, prior] for name in ("ppv", "ppv_pooled"))
        hollow = is_hollow(rates.rows[*place, "fpr_achieved", None], precision, pooled)
        found = {"prior": prior} | columns_of(precision, "precision")
        if best := rates.find(row["attack"], "target", None, "balanced_accuracy"):
            outside = row["expected_false_positives"] / row["fpr"]
            found |= columns_of(best, "balanced_accuracy")
            found["balanced_accuracy_null"] = 100 * balanced_accuracy_by_chance(run.pool - outside, outside)
        rows.append(found | {"precision_pooled": pooled["mean"], "precision_hollow": hollow})
    return rows


def beside_chance(data: pd.DataFrame, name: str, hollow: Iterable[bool] | None = None) -> list[str]:
    """Writes the cells of a column as mean ± standard deviation, and in brackets the mean by chance."""
    few = [False] * len(data) if hollow is None else hollow
    rows = zip(data[f"{name}_mean"], data[f"{name}_std"], data[f"{name}_null"], few, strict=True)
    cells = [(marked(mean_std(mean, std, 2), hollow=few), number(null, 2)) for mean, std, null, few in rows]
    return [cell if cell == MISSING else f"{cell} ({null})" for cell, null in cells]


def show_rates(data: pd.DataFrame) -> pd.DataFrame:
    """Returns the text: a row per run and attack, with two columns per FPR."""
    first = data[data["fpr"] == data["fpr"].max()].reset_index(drop=True)
    text = show_keys(first).assign(Attack=first["attack"].map(show))
    text["AUC (%)"] = [
        marked(mean_std(row.auc_mean, row.auc_std, 2), influential=row.auc_influential) for row in first.itertuples()
    ]
    for fpr in sorted(data["fpr"].unique()):
        rows = data[data["fpr"] == fpr]
        text[f"TPR (%) {at(fpr)}"] = [tpr_of(row) for row in rows.itertuples()]
        text[f"Reduction {at(fpr)}"] = [
            number(row.reduction, 2) + "×" * (row.reduction > 0) for row in rows.itertuples()
        ]
    text["Balanced accuracy (%)"] = beside_chance(first, "balanced_accuracy")
    for fpr in sorted(data["fpr"].unique()):
        rows = data[data["fpr"] == fpr]
        prior = percent(rows["prior"].iloc[0])
        text[f"Precision (%) {at(fpr)}, π = {prior}"] = beside_chance(rows, "precision", rows["precision_hollow"])
    return text
