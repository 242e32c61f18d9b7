"""Whether another attack would flag the same records, over seeds."""

import pandas as pd

from lira.evaluation.stability import stability_of
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.numbers import numbers, span
from lira.report.runs import check_available, choose_fpr, title_of
from lira.report.table import Table
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Records flagged by other attacks over seeds",
    category="Agreement",
    drawn_from="comparison",
    files=("agreement.csv",),
    at_fprs=True,
    reference_files=("samples.csv", "metrics.csv"),
    setting="vulnerability",
    caption=(
        "Jaccard of the records that one attack flags with one seed and another, or the same one, with another seed; "
        "beside sets of these sizes drawn at random, and both attacks with the same seed."
    ),
)


def table(comparison: Comparison, fpr: float | None = None, support: int | None = None) -> Table:
    """Shows a row per pair of attacks, each with itself first in its block, in percent.

    Args:
        comparison: Identical runs.
        fpr: Target FPR; the largest of the results if not given.
        support: Fewest detections of a flagged record; the smallest of the results if not given.
    """
    measured = comparison.table("agreement.csv")
    chosen, support = choose_fpr(measured["fpr"], fpr), support or int(measured["support"].min())
    check_available("support", support, measured["support"])
    data = pd.DataFrame(stability_of(comparison, chosen, support)).assign(fpr=chosen, support=support)
    text = pd.DataFrame({"Attack": data["attack"].map(show), "With another seed": data["other"].map(show)})
    text["Jaccard (%)"] = numbers(100 * data["across"], 1)
    ends = zip(100 * data["low"], 100 * data["high"], strict=True)
    text["95 % interval"] = [span(*pair, "{:.1f}".format) for pair in ends]
    text["At random (%)"] = numbers(100 * data["chance"], 1)
    text["With the same seed (%)"] = numbers(100 * data["within"], 1)
    note = (
        f"{title_of(comparison)}, {int(data['runs'].iloc[0])} runs, records detected on at least {support} of the "
        f"targets that hold them, shadow thresholds for {percent(chosen)} FPR. Interval: over runs, of which it needs "
        "three, and samples."
    )
    return Table(data, text, 2, [note])
