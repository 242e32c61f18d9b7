"""Figures 3, 9, 10 and 12: agreement of identical runs by number of runs and by fewest detections."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, DOUBLE, Style, canvas
from lira.report.labels import MEASURES
from lira.report.marks import fpr_of
from lira.report.numbers import number
from lira.report.runs import choose_fpr, title_of
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Agreement by support",
    category="Agreement",
    paper="Figure 3, 9, 10, 12",
    drawn_from="comparison",
    files=("agreement.csv", "null_agreement.csv"),
    at_fprs=True,
    by_attack=True,
    reference_files=("metrics.csv",),
    caption=(
        "Agreement of identical runs by number of runs and by the fewest detections of a flagged sample: samples "
        "without a false positive above, all flagged samples below. A dash: no run flags a sample. In italics: what "
        "chance alone gives, from the same runs with permuted membership. The colours of each map end at its highest "
        "value."
    ),
)

ROWS = {True: "fp = 0", False: "any fp"}
LIGHT = 0.5
"""Cells above this share of the colour scale are light."""

LONG = 10_000


def figure(comparison: Comparison, fpr: float | None = None, attack: str | None = None) -> Figure:
    """Draws heat maps of runs combined against support: samples with fp = 0 above, all flagged samples below.

    Each cell has the runs' agreement and, below it in italics, the agreement by chance.

    Args:
        comparison: Identical runs and variants of them.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack by which records are counted and ranked; the main one if not given.
    """
    sets, null = (comparison.table(name, attack) for name in ("agreement.csv", "null_agreement.csv"))
    rate = choose_fpr(sets["fpr"], fpr)
    sets, null = (part[(part["scenario"] == "identical") & (part["fpr"] == rate)] for part in (sets, null))
    runs = sets["k"].nunique()
    drawn = canvas(DOUBLE, 1.5 + 2 * max(0.8, 0.34 * runs))
    panels = drawn.subplots(2, 3, sharex=True, sharey=True)
    for row, (zero_fp, name) in zip(panels, ROWS.items(), strict=True):
        for axes, (measure, heading) in zip(row, MEASURES.items(), strict=True):
            draw_map(axes, sets[sets["zero_fp"] == zero_fp], null[null["zero_fp"] == zero_fp], measure)
            axes.set_title(f"{heading}, {name}")
            axes.set(xlabel="Detections at least (tp ≥)" if not zero_fp else "", ylabel="")
        row[0].set_ylabel("Runs combined, k")
    title = f"{title_of(comparison, attack)}, {fpr_of(rate, comparison.negatives)}"
    drawn.suptitle(f"{title}; in italics: chance (membership permuted)", fontsize=8)
    return drawn


def draw_map(axes: Axes, sets: pd.DataFrame, null: pd.DataFrame, measure: str) -> None:
    """Draws one heat map, whose colours end at its highest value; a dash where no run flags any sample."""
    values, by_chance = (
        part.pivot(index="k", columns="support", values=measure) * (100 if measure == "jaccard" else 1)
        for part in (sets, null)
    )
    highest = max(1, values.max(axis=None))
    decimals = 0 if highest >= (100 if measure == "jaccard" else 10) else 1
    sns.heatmap(values, cmap="cividis", vmin=0, vmax=highest, cbar=False, ax=axes)
    for (row, column), value in np.ndenumerate(values):
        style: Style = {"ha": "center", "fontsize": 7, "color": "white" if value < LIGHT * highest else BLACK}
        chance = short(by_chance.iat[row, column], decimals)
        axes.text(column + 0.5, row + 0.47, short(value, decimals), va="bottom", **style)
        axes.text(column + 0.5, row + 0.53, chance, va="top", fontstyle="italic", **style)
    axes.set_facecolor("#eeeeee")
    axes.tick_params(length=0, labelrotation=0)


def short(value: float, decimals: int) -> str:
    """Writes a number so that it fits a cell: a long one in thousands."""
    return f"{value / 1000:.0f}k" if value >= LONG else number(value, decimals)
