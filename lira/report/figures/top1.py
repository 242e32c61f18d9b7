"""Figure 15: each run's most vulnerable sample, how vulnerable it is in every run, and its picture."""

from pathlib import Path

from matplotlib.figure import Figure

from lira.core.validation import check_choice
from lira.evaluation.ranks import mean_top
from lira.report.catalogue import Entry
from lira.report.figures._pictures import Pictures
from lira.report.figures._style import BLUE, CHANCE, DOUBLE, SINGLE, VERMILION, canvas, legend_below, spread_scale
from lira.report.labels import GAPS
from lira.report.runs import title_of_ranks
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Each run's top sample",
    category="Agreement",
    paper="Figure 15",
    drawn_from="comparison",
    files=("top1.csv", "topq_all.csv"),
    by_attack=True,
    reference_files=("metrics.csv", "null_gaps.csv"),
    samples="pictures",
    caption=(
        "Each run's most vulnerable sample, its vulnerability in all runs, and its picture. Dotted: the vulnerability "
        "of the top sample where membership is permuted."
    ),
)

TOP = 1.0
"""Size of the top of a ranking, in percent of the samples."""


def figure(comparison: Comparison, data: Path | None = None, gap: str = "median", attack: str | None = None) -> Figure:
    """Draws a column per run: its top sample's vulnerability in all runs, filled if it is in that run's top 1 %.

    Dotted: the vulnerability of the top sample where membership is permuted, mean over runs.

    Args:
        comparison: Identical runs and variants of them.
        data: The dataset's file, to show the samples' pictures.
        gap: ``median`` or ``mean``.
        attack: Attack by which records are counted and ranked; the main one if not given.

    Raises:
        ConfigError: The gap is unknown.
    """
    check_choice(gap, "gap", GAPS)
    top = comparison.table("top1.csv", attack)
    top = top[top["gap"] == gap]
    sources = top.drop_duplicates("source")[["source", "sample"]]
    width = min(DOUBLE, max(SINGLE, 0.75 * len(sources) + 0.6))
    drawn = canvas(width, 3.3)
    axes = drawn.subplots()
    own, near = top["source"] == top["run"], top["position"] < comparison.ranked * TOP / 100
    x = top["source"].map({source: place for place, source in enumerate(sources["source"])})
    for label, colour, face, part in (
        ("in the run itself", VERMILION, VERMILION, own),
        (f"in another run, in its top {TOP:g} %", BLUE, BLUE, ~own & near),
        (f"in another run, below its top {TOP:g} %", BLUE, "none", ~own & ~near),
    ):
        axes.plot(x[part], top.loc[part, "vulnerability"], "o", label=label, color=colour, markerfacecolor=face)
    chance = mean_top(comparison.null_gaps(gap, attack))
    axes.axhline(chance, label="top sample by chance, mean over runs", **CHANCE)
    labels = [f"seed {source.removeprefix('seed')}\n#{sample}" for source, sample in sources.itertuples(index=False)]
    axes.set_xticks(range(len(sources)), labels)
    axes.set(
        xlim=(-0.6, len(sources) - 0.4), xlabel="Run and its top sample", ylabel=f"Vulnerability, {GAPS[gap].lower()}"
    )
    spread_scale(axes, [*top["vulnerability"], chance])
    axes.margins(y=0.08)
    if data is not None:
        pictures = Pictures(data, comparison.reference.values())
        for place, sample in enumerate(sources["sample"]):
            inset = axes.inset_axes((place - 0.3, 1.03, 0.6, 0.25), transform=axes.get_xaxis_transform())
            pictures.draw(inset, sample)
            inset.axis("off")
    drawn.suptitle(title_of_ranks(comparison, attack), fontsize=8)
    legend_below(drawn, 2 if width == DOUBLE else 1)
    return drawn
