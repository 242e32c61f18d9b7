"""Figures 2 and 6: how far the flagged samples of k runs agree, for identical runs and with variants among them."""

from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lira.report.catalogue import Entry
from lira.report.figures import _style
from lira.report.figures._style import CHANCE, DOUBLE, LINE, MARKERS, Style, canvas, legend_below
from lira.report.labels import MEASURES, show
from lira.report.marks import fpr_of
from lira.report.runs import check_available, choose_fprs, title_of
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Agreement of flagged sets",
    category="Agreement",
    paper="Figure 2, 6",
    drawn_from="comparison",
    files=("agreement.csv", "null_agreement.csv"),
    by_attack=True,
    reference_files=("metrics.csv",),
    caption=(
        "Mean Jaccard, intersection and union of the sets of samples that each of k runs flags, for "
        " identical runs and with variants among them. Dotted: what chance alone gives, from the same runs with "
        "permuted membership."
    ),
)


def figure(
    comparison: Comparison,
    fpr: float | None = None,
    support: int | None = None,
    zero_fp: bool = False,
    attack: str | None = None,
) -> Figure:
    """Draws a row of panels per FPR: mean Jaccard, intersection and union of k runs, with a line per scenario.

    Args:
        comparison: Identical runs and variants of them.
        fpr: Target FPR; all of the results if not given.
        support: Fewest detections of a flagged sample; the smallest of the results if not given.
        zero_fp: Whether a flagged sample must have no false positive; in the paper's curves it need not.
        attack: Attack by which records are counted and ranked; the main one if not given.
    """
    negatives = comparison.negatives
    tables = [comparison.table(name, attack) for name in ("agreement.csv", "null_agreement.csv")]
    support = support or min(tables[0]["support"])
    check_available("support", support, tables[0]["support"])
    sets, null = (chosen(table, support, zero_fp) for table in tables)
    rates = choose_fprs(sets["fpr"], fpr)
    drawn = canvas(DOUBLE, 0.6 + 2.1 * len(rates))
    rows = drawn.subfigures(len(rates), 1, squeeze=False)[:, 0]
    for row, rate in zip(rows, rates, strict=True):
        panels = row.subplots(1, 3)
        draw_scenarios(panels, sets[sets["fpr"] == rate])
        draw_chance(panels, null[null["fpr"] == rate])
        for axes, heading in zip(panels, MEASURES.values(), strict=True):
            axes.set(xlabel="Runs combined, k", ylabel=heading)
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        flagged = f"tp ≥ {support}" + (", fp = 0" if zero_fp else "")
        row.suptitle(f"{title_of(comparison, attack)}, {flagged} at {fpr_of(rate, negatives)}", fontsize=8)
    legend_below(drawn, 3)
    return drawn


def chosen(sets: pd.DataFrame, support: int, zero_fp: bool) -> pd.DataFrame:
    """Returns the rows of one kind of flagged set, Jaccard in percent."""
    return sets[(sets["support"] == support) & (sets["zero_fp"] == zero_fp)].assign(jaccard=100 * sets["jaccard"])


def draw_chance(panels: np.ndarray, null: pd.DataFrame) -> None:
    """Draws the agreement by chance, of the scenario that combines most runs."""
    widest = null[null["scenario"] == null.loc[null["k"].idxmax(), "scenario"]]
    for axes, measure in zip(panels, MEASURES, strict=True):
        sns.lineplot(widest, x="k", y=measure, label="chance (membership permuted)", ax=axes, **LINE, **CHANCE)


def draw_scenarios(panels: np.ndarray, sets: pd.DataFrame) -> None:
    """Draws a line per scenario in each panel."""
    variants, mixed = cycle(_style.VARIANTS), cycle(_style.MIXED)
    groups = sets.fillna({"variants": ""}).groupby(["scenario", "variants"], sort=False)
    for number, ((scenario, variant), group) in enumerate(groups):
        same = scenario == "identical"
        colour = _style.BLACK if same else next(variants) if variant else next(mixed)
        style: Style = {"color": colour, "marker": MARKERS[number % len(MARKERS)]}
        style |= {"linestyle": "-" if same or variant else "--"} | ({"linewidth": 1.8} if same else {})
        label = f"{scenario} ({' '.join(map(show, variant.split('/')))})" if variant else scenario
        for axes, measure in zip(panels, MEASURES, strict=True):
            sns.lineplot(group, x="k", y=measure, label=label, ax=axes, **LINE, **style)
