"""How far the attacks on a run agree on the records that they flag, beside what chance gives."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.numbers import numbers, with_spans
from lira.report.runs import check_available, check_same_fprs, choose_fpr, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import RUN_KEYS, Run

ENTRY = Entry(
    title="Agreement between attacks",
    category="Attacks",
    drawn_from="benchmarks",
    files=("attack_overlap.csv",),
    at_fprs=True,
    caption=(
        "Records that each attack, each pair and all attacks detect at shadow thresholds, and those that no other "
        "attack detects, with the Jaccard of their sets, beside attacks that flag as many records independently of one "
        "another, and attacks where membership is permuted. ``attack_overlap.csv`` of each run has every set of "
        "attacks, detections, and other supports."
    ),
)


def table(runs: Sequence[Run], fpr: float | None = None, support: int | None = None) -> Table:
    """Shows the records of each run's ``attack_overlap.csv`` at one FPR, of single attacks, pairs, and all.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
        support: Fewest detections of a record; the smallest of the results if not given.
    """
    data = check_same_fprs(pd.concat([at_fpr(run, fpr) for run in in_order(runs)], ignore_index=True))
    support = support or int(data["support"].min())
    check_available("support", support, data["support"])
    most = data.groupby([*RUN_KEYS])["number"].transform("max")
    shown = data[(data["support"] == support) & ((data["number"] < 3) | (data["number"] == most))]
    text = show_keys(shown)
    listed = [" and ".join(map(show, names.split())) for names in shown["attacks"]]
    text["Attacks"] = np.where(shown["number"] > 2, "all " + shown["number"].astype(str), listed)
    keys = len(text.columns)
    for name, heading in (("intersection", "Flagged by all of these"), ("exactly", "and by no other")):
        text[heading] = with_spans(shown, name, 0)
        text[f"{heading}, independent"] = numbers(shown[f"{name}_chance"], 1)
    shown = shown.assign(**{name: shown[name].where(shown["number"] > 1) for name in shown if "jaccard" in name})
    text["Jaccard (%)"] = with_spans(shown, "jaccard", 1, 100)
    text["independent (%)"] = numbers(100 * shown["jaccard_chance"], 1)
    text["by chance (%)"] = numbers(100 * shown["jaccard_null"], 1)
    note = (
        f"Records detected on at least {support} of the targets that hold them (tp ≥ {support}, any fp), thresholds of "
        f"the shadow models at {percent(shown['fpr'].iloc[0])} FPR. Independent: attacks that flag as many records "
        "each, drawn at random. By chance: the same attacks where membership is permuted. In brackets: 95 % "
        "intervals, each target left out in turn, thresholds as they are."
    )
    return Table(shown, text, keys, [note])


def at_fpr(run: Run, fpr: float | None) -> pd.DataFrame:
    """Returns a run's rows at one FPR."""
    found = run.table("attack_overlap.csv")
    return found[found["fpr"] == choose_fpr(found["fpr"], fpr)]
