"""Rates of classes and of the dataset's groups, with intervals, beside those of the whole pool."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.evaluation.groups import WHOLE
from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, DOUBLE, GREY, attack_colours, canvas, plain
from lira.report.labels import show
from lira.report.marks import fpr_of
from lira.report.runs import check_available, choose_fpr, in_order, title_of
from lira.storage.run import Run

ENTRY = Entry(
    title="Rates of classes and groups",
    category="Records",
    drawn_from="network",
    files=("groups.csv", "metrics.csv"),
    at_fprs=True,
    caption=(
        "TPR and FPR at shadow thresholds of each class, and of each of the dataset's groups, with 95 % intervals; the "
        "line is that of the whole pool. Of many, those with the highest TPR are drawn."
    ),
)

MOST = 20
"""Most groups in a panel."""

LONGEST = 30
"""Most characters of a group's name that are drawn."""

METRICS = {"tpr": "TPR′ (%)", "fpr_achieved": "FPR′ (%)"}


def figure(runs: Sequence[Run], fpr: float | None = None, attack: str | None = None) -> Figure:
    """Draws a row of panels per run and kind of group: TPR, then FPR, of each group.

    Args:
        runs: The runs; one that knows neither classes nor groups has no panel.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack by which records are counted; that of the counts per record if not given.
    """
    runs = in_order(runs)
    drawn_of = [(run, by) for run in runs for by in run.groups["by"].unique()]
    if not drawn_of:
        drawn = canvas(DOUBLE, 1)
        drawn.text(0.5, 0.5, "No run knows classes or groups of its samples.", ha="center", va="center")
        return drawn
    counts = [min(MOST, run.groups.query("by == @by and group != ''")["group"].nunique()) for run, by in drawn_of]
    drawn = canvas(DOUBLE, 0.6 + sum(0.7 + 0.13 * count for count in counts))
    heights = [4 + count for count in counts]
    panels = drawn.subplots(len(drawn_of), 2, squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, (run, by) in zip(panels, drawn_of, strict=True):
        rate, name = choose_fpr(run.groups["fpr"], fpr), attack or run.attack
        check_available("attack", name, run.groups["attack"])
        found = run.groups.query("by == @by and fpr == @rate and attack == @name")
        groups = found.query("metric == 'tpr' and group != ''").nlargest(MOST, "value", keep="all")["group"][:MOST]
        for axes, (metric, heading) in zip(row, METRICS.items(), strict=True):
            draw(
                axes,
                found[found["metric"] == metric].set_index("group"),
                list(groups),
                attack_colours(run.targets("shadow")["attack"])[name],
            )
            axes.set_xlabel(heading)
        row[0].set_ylabel(by)
        row[1].set_yticklabels([])
        row[0].set_title(f"{title_of(run)}, {show(name)}, {fpr_of(rate, run.negatives)}", loc="left")
    return drawn


def draw(axes: Axes, rates: pd.DataFrame, groups: list[str], colour: str) -> None:
    """Draws the rate of each group with its interval, and a line at that of the whole pool."""
    shown = 100 * rates.loc[groups[::-1], ["value", "low", "high"]]
    errors = [shown["value"] - shown["low"], shown["high"] - shown["value"]]
    axes.errorbar(shown["value"], range(len(shown)), xerr=errors, fmt="o", color=colour, ecolor=GREY, ms=3, lw=0.8)
    axes.axvline(100 * rates.loc[WHOLE, "value"], color=BLACK, lw=0.8, ls="--")
    axes.set_yticks(
        range(len(shown)),
        [plain(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…") for name in map(str, shown.index)],
    )
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlim(left=0)
