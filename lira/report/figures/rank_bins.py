"""Figures 13 and 14: vulnerability by rank, a mark per run in each bin of rank percentiles."""

import numpy as np
from matplotlib.figure import Figure

from lira.evaluation.ranks import mean_rank_bins
from lira.report.catalogue import Entry
from lira.report.figures._style import BLUE, CHANCE, DOUBLE, canvas, legend_below, spread_scale
from lira.report.labels import GAPS, show
from lira.report.runs import title_of_ranks
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Vulnerability by rank",
    category="Agreement",
    paper="Figure 13, 14",
    drawn_from="comparison",
    files=("rank_bins.csv", "topq_all.csv"),
    by_attack=True,
    reference_files=("metrics.csv", "null_gaps.csv"),
    caption=(
        "Vulnerability by rank: mean and range in each bin of rank percentiles, a mark per run. Dotted: the mean where "
        "membership is permuted."
    ),
)

SPREAD = 0.6
MEAN, RANGE = "mean in a run", "smallest to largest"


def figure(comparison: Comparison, attack: str | None = None) -> Figure:
    """Draws a panel per gap: mean and range of the vulnerability in each bin, with the runs side by side.

    Dotted: the same mean where membership is permuted, mean over runs. The first bin starts at the first rank; the
    results call it 1-2 % as published, the figure 0–2.

    Args:
        comparison: Identical runs and variants of them.
        attack: Attack by which records are counted and ranked; the main one if not given.
    """
    table = comparison.table("rank_bins.csv", attack)
    bins, runs = list(dict.fromkeys(table["bin"])), list(dict.fromkeys(table["run"]))
    ticks = ["0–2", *(name.removesuffix("%").replace("-", "–") for name in bins[1:])]
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(runs)) if len(runs) > 1 else [0]
    size = np.clip(26 / len(runs), 2.2, 3.5)
    drawn = canvas(DOUBLE, 2.8)
    panels = drawn.subplots(1, len(GAPS), sharey=True)
    for axes, (gap, heading) in zip(panels, GAPS.items(), strict=True):
        for run, offset in zip(runs, offsets, strict=True):
            part = table[(table["gap"] == gap) & (table["run"] == run)].set_index("bin").loc[bins]
            x = np.arange(len(bins)) + offset
            axes.vlines(x, part["min"], part["max"], color=BLUE, linewidth=1, alpha=0.6, label=RANGE)
            axes.plot(x, part["mean"], "o", color=BLUE, markersize=size, markeredgewidth=0, label=MEAN)
        chance = mean_rank_bins(comparison.null_gaps(gap, attack))
        axes.stairs(chance, np.arange(len(bins) + 1) - 0.5, baseline=None, label="chance", zorder=3, **CHANCE)
        axes.axhline(0, color="black", linewidth=0.5)
        spread_scale(axes, [table["min"].min(), table["max"].max()])
        axes.set_xticks(range(len(bins)), ticks, rotation=45, ha="right", rotation_mode="anchor")
        axes.set(xlabel="Rank percentile (%)", title=f"{title_of_ranks(comparison, attack)}, {heading.lower()}")
    ranked_by = show(attack or next(iter(comparison.reference.values())).attack)
    panels[0].set_ylabel(f"Vulnerability (gap of scores)\n{ranked_by}")
    legend_below(drawn, 3)
    return drawn
