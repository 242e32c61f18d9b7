"""Which attacks detect the same records: an UpSet plot (Lex et al. 2014) per run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, BLUE, CHANCE, DOUBLE, ORANGE, attack_colours, canvas, legend_below
from lira.report.labels import show
from lira.report.marks import fpr_of
from lira.report.runs import check_available, choose_fpr, in_order, title_of
from lira.storage.run import Run

ENTRY = Entry(
    title="Records by the attacks that detect them",
    category="Attacks",
    drawn_from="network",
    files=("attack_overlap.csv", "metrics.csv"),
    at_fprs=True,
    caption=(
        "Records that exactly these attacks detect at shadow thresholds (dots below), with a 95 % interval over "
        "targets; left, all that each attack detects. Dotted: attacks that flag as many records each, independently of "
        "one another. Orange: where membership is permuted."
    ),
)

MOST = 20
"""Sets of attacks that are drawn; of further ones the title gives the number."""


def figure(runs: Sequence[Run], fpr: float | None = None, support: int | None = None) -> Figure:
    """Draws an UpSet plot per run, the largest sets first.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
        support: Fewest detections of a record; the smallest of the results if not given.
    """
    runs = in_order(runs)
    tables = [run.table("attack_overlap.csv") for run in runs]
    rate = choose_fpr(tables[0]["fpr"], fpr)
    support = support or int(tables[0]["support"].min())
    check_available("support", support, tables[0]["support"])
    found = [table[(table["fpr"] == rate) & (table["support"] == support)] for table in tables]
    heights = [1.5 + 0.16 * int(rows["number"].max()) for rows in found]
    drawn = canvas(DOUBLE, 0.4 + sum(heights))
    for part, run, rows in zip(
        drawn.subfigures(len(runs), 1, squeeze=False, height_ratios=heights)[:, 0], runs, found, strict=True
    ):
        left_out = draw_upset(part, rows)
        title = f"{title_of(run)}, tp ≥ {support} at {fpr_of(rate, run.negatives)}"
        part.suptitle(title + (f"; {left_out} smaller sets left out" if left_out else ""), fontsize=8)
    legend_below(drawn, 4)
    return drawn


def draw_upset(part: SubFigure, rows: pd.DataFrame) -> int:
    """Draws one run; returns how many sets are left out."""
    sizes = rows[rows["number"] == 1].set_index("attacks")["intersection"]
    sets = rows[rows["exactly"] > 0].sort_values("exactly", ascending=False, kind="stable")
    shown, names = sets[:MOST], list(sizes.index)
    panels = part.subplots(
        2, 2, sharex="col", sharey="row", width_ratios=[1, 4], height_ratios=[1.2, 0.16 * len(names) + 0.1]
    )
    panels[0, 0].remove()
    bars, total, dots = panels[0, 1], panels[1, 0], panels[1, 1]
    x = np.arange(len(shown))
    ends = [shown["exactly"] - shown["exactly_low"], shown["exactly_high"] - shown["exactly"]]
    bars.bar(x, shown["exactly"], color=BLUE, width=0.6, label="detected by these attacks alone")
    bars.errorbar(x, shown["exactly"], yerr=ends, fmt="none", color=BLACK, linewidth=0.7, label="95 % interval")
    bars.hlines(shown["exactly_chance"], x - 0.4, x + 0.4, label="independent attacks", **CHANCE)
    bars.plot(x, shown["exactly_null"], "_", color=ORANGE, markersize=7, label="chance (membership permuted)")
    bars.set(ylabel="Records", ylim=(0, None))
    bars.tick_params(bottom=False, labelleft=True)
    colours = attack_colours(names)
    total.barh(range(len(names)), sizes, color=[colours[name] for name in names], height=0.6)
    total.set(xlabel="Records", ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
    total.invert_xaxis()
    draw_sets(dots, [one.split() for one in shown["attacks"]], names)
    total.set_yticks(range(len(names)), list(map(show, names)))
    return len(sets) - len(shown)


def draw_sets(axes: Axes, sets: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Draws a column per set, with a dot for each of its attacks and a line through them."""
    for x, chosen in enumerate(sets):
        places = [names.index(name) for name in chosen]
        axes.plot([x] * len(names), range(len(names)), "o", color="#dddddd", markersize=3.5)
        axes.plot([x] * len(places), places, "o-", color=BLACK, markersize=3.5, linewidth=1)
    axes.set(xticks=[], xlim=(-0.7, max(len(sets), 1) - 0.3))
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False)
