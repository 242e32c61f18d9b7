"""Tables 3-6: AUC and TPR at each FPR, at every target's own threshold, and the reduction from the baseline."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.rates import rates_at
from lira.evaluation.reductions import find_reductions
from lira.report.catalogue import Entry
from lira.report.labels import show
from lira.report.marks import marked, notes, of_scores, tpr_of
from lira.report.numbers import mean_std, number
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
        "the pool cannot resolve the FPR; ‡ names a target on which the mean rests. The .csv also has intervals, "
        "medians and trimmed means, and the mean where membership is permuted."
    ),
)


def table(runs: Sequence[Run]) -> Table:
    """Shows mean ± standard deviation over targets, in percent, per run and attack.

    The reduction is the baseline's mean TPR divided by the run's, see :mod:`lira.evaluation.reductions`. The ``.csv``
    also has the statistics of :mod:`lira.evaluation.summary` that show what each mean depends on.
    """
    data = check_same_fprs(pd.DataFrame([row for run in in_order(runs) for row in rates_at(run)]))
    data["reduction"] = [found.ratio if found else float("nan") for found in find_reductions(data)]
    text = show_rates(data)
    below = [*notes(data["resolution"], [*data["auc_influential"], *data["tpr_influential"]]), *of_scores(runs)]
    return Table(data, text, list(text.columns).index("AUC (%)"), below)


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
    return text
