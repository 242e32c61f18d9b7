"""Figure 5: how far below a run's top q % the samples are that only another run has in its top."""

import seaborn as sns
from matplotlib import colormaps
from matplotlib.figure import Figure

from lira.evaluation.ranks import displacement_by_chance
from lira.report.catalogue import Entry
from lira.report.figures._style import CHANCE, DOUBLE, LINE, MARKERS, canvas, legend_below
from lira.report.labels import GAPS
from lira.report.runs import title_of_ranks
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Displacement",
    category="Agreement",
    paper="Figure 5",
    drawn_from="comparison",
    files=("displacement.csv", "topq_all.csv"),
    by_attack=True,
    reference_files=("metrics.csv",),
    caption=(
        "Of the samples in another run's top q % but not in this run's: the share that this run has in its top q + Δ, "
        "mean over runs. Dotted: random rankings."
    ),
)

QS = (0.1, 0.5, 1, 2.24, 5, 10.38, 20)


def figure(comparison: Comparison, attack: str | None = None) -> Figure:
    """Draws a panel per gap; per q, the share within q + Δ as mean over runs, and dotted that of random rankings.

    Args:
        comparison: Identical runs and variants of them.
        attack: Attack by which records are counted and ranked; the main one if not given.
    """
    shares = comparison.table("displacement.csv", attack)
    shares = shares[shares["q"].isin(QS)].assign(share=100 * shares["fraction"])
    deltas = sorted(shares["delta"].unique())
    colours = colormaps["viridis"]
    drawn = canvas(DOUBLE, 2.9)
    panels = drawn.subplots(1, len(GAPS), sharey=True)
    for axes, (gap, heading) in zip(panels, GAPS.items(), strict=True):
        for number, (q, group) in enumerate(shares[shares["gap"] == gap].groupby("q")):
            style = LINE | {"color": colours(0.92 * number / (len(QS) - 1)), "marker": MARKERS[number]}
            sns.lineplot(group, x="delta", y="share", label=f"q = {q:g} %", ax=axes, **style)
            by_chance = 100 * displacement_by_chance(comparison.ranked, q, deltas)
            axes.plot(deltas, by_chance, **CHANCE | {"color": style["color"]})
        axes.plot([], [], label="chance", **CHANCE)
        axes.set(xscale="log", xlim=(deltas[0] / 1.15, deltas[-1] * 1.15), ylim=(0, 102))
        axes.set(xlabel="Δ (percentage points)", ylabel="Displaced samples\nwithin top q + Δ (%)")
        axes.set_title(f"{title_of_ranks(comparison, attack)}, {heading.lower()}")
        axes.label_outer()
        axes.set_xticks(deltas, [f"{delta:g}" for delta in deltas])
        axes.set_xticks([], minor=True)
    legend_below(drawn, 8, columnspacing=0.9, handlelength=1.5)
    return drawn
