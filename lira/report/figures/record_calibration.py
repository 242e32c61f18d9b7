"""How far the FPRs of single records spread at a pooled threshold and at thresholds of their own."""

from collections.abc import Sequence
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.report.catalogue import Entry
from lira.report.figures._style import BLUE, CHANCE, DOUBLE, GREEN, VERMILION, canvas, fewest_gaps, legend_below
from lira.report.labels import show
from lira.report.marks import fpr_of
from lira.report.runs import choose_fpr, in_order, run_labels
from lira.storage.run import Run

ENTRY = Entry(
    title="False positives of single records",
    category="Calibration",
    drawn_from="network",
    files=("record_calibration.csv", "metrics.csv"),
    at_fprs=True,
    caption=(
        "Share of the records whose own FPR, over the models without them, is above so many times the nominal one: at "
        "the pooled threshold of the shadow models, and at thresholds of their own. Band: 95 % interval over records. "
        "Dotted: what binomial chance gives if all records have the same FPR as at the pooled threshold."
    ),
)

LINES = {
    "pooled": ("pooled threshold", VERMILION, "o"),
    "rank": ("own threshold, by rank", BLUE, "s"),
    "smooth": ("own threshold, Student's t", GREEN, "^"),
}


def figure(runs: Sequence[Run], fpr: float | None = None) -> Figure:
    """Draws a panel per run and attack: the share of the records above a multiple of the nominal FPR.

    Args:
        runs: The runs.
        fpr: Nominal FPR; the largest of the results if not given.
    """
    runs = in_order(runs)
    rate = choose_fpr(runs[0].table("record_calibration.csv")["fpr"], fpr)
    shown = [
        (f"{label}, {show(attack)}", rows)
        for run, label in zip(runs, run_labels(runs), strict=True)
        for attack, rows in at_fpr(run, rate).groupby("attack", sort=False)
    ]
    columns = fewest_gaps(len(shown), 2, 3)
    lines = ceil(len(shown) / columns)
    drawn = canvas(DOUBLE, 0.8 + 2 * lines)
    body = drawn.subfigures(squeeze=False)[0, 0]
    panels = body.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (title, rows) in zip(panels.flat, shown, strict=False):
        draw_shares(axes, rows)
        axes.set_title(title)
        axes.set_xlim(-0.1, min(1 / rate, max(rows["at"])))
    for axes in panels.flat[len(shown) :]:
        axes.remove()
    body.supxlabel("FPR of a record, over the nominal FPR", fontsize=8)
    body.supylabel("Records above (%)", fontsize=8)
    name = " ".join(show(runs[0].key[part]) for part in ("dataset", "architecture"))
    body.suptitle(f"{name}, {fpr_of(rate, runs[0].negatives)}", fontsize=8)
    legend_below(drawn, 4)
    return drawn


def at_fpr(run: Run, fpr: float) -> pd.DataFrame:
    """Returns the shares of a run's records at one nominal FPR."""
    found = run.table("record_calibration.csv")
    return found[(found["fpr"] == fpr) & (found["metric"] == "above")]


def draw_shares(axes: Axes, rows: pd.DataFrame) -> None:
    """Draws a line per kind of threshold."""
    for kind, (label, colour, marker) in LINES.items():
        part = 100 * rows[rows["kind"] == kind].set_index("at")[["value", "low", "high", "chance"]]
        axes.fill_between(part.index, part["low"], part["high"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(part.index, part["value"], marker=marker, color=colour, label=label)
        if kind == "pooled":
            axes.plot(part.index, part["chance"], label="binomial chance", **CHANCE)
    axes.set_xscale("symlog", linthresh=0.5, linscale=0.5)
    ticks = [0, 1, 10, 100]
    axes.set_xticks(ticks, [f"{tick}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_yscale("symlog", linthresh=0.1, linscale=0.5)
    axes.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    axes.set_yticks([], minor=True)
    axes.set_ylim(0, 105)
