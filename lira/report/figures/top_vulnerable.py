"""Figures 4 and 11: pictures of each run's most vulnerable samples, all runs on one page."""

from collections import Counter
from math import ceil, sqrt
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from lira.core.validation import check_whole
from lira.report.catalogue import Entry
from lira.report.figures._pictures import Pictures
from lira.report.figures._style import BLUE, DOUBLE, ORANGE, canvas, fewest_gaps, in_lines
from lira.report.labels import show
from lira.report.marks import fpr_of
from lira.report.runs import choose_fpr, run_labels
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Most vulnerable samples",
    category="Agreement",
    paper="Figure 4, 11",
    drawn_from="comparison",
    files=("agreement.csv",),
    at_fprs=True,
    by_attack=True,
    reference_files=("metrics.csv",),
    compared_files=("samples.csv",),
    samples="pictures alone",
    caption=(
        "The most vulnerable samples of each run, with true / false positives over the targets under each. A frame "
        "marks a sample that several runs have among theirs."
    ),
)

MOST_COLUMNS = {True: 5, False: 4}
"""Most pictures side by side in a run's grid, by whether there are more than :data:`TALL` lines of runs."""

TALL = 3
"""Most lines of runs that fit a page with four pictures side by side."""

TITLE = 22
"""Most characters of a line of a run's name."""

SIDE, LINE = 0.9, 1.32
"""Side of a picture, and height of a line of pictures with their numbers, in widths of a place in the grid."""


def figure(
    comparison: Comparison, data: Path, fpr: float | None = None, count: int = 20, attack: str | None = None
) -> Figure:
    """Draws a grid per run, reference and variants: the ``count`` first samples of its ranking, tp / fp under each.

    Args:
        comparison: Identical runs and variants of them.
        data: The dataset's file.
        fpr: Target FPR; the largest of the results if not given.
        count: Samples per run; the paper shows 9, 16 and 20.
        attack: Attack by which records are counted and ranked; the main one if not given.

    Raises:
        ConfigError: The count is below one.
    """
    check_whole(count, "count", 1)
    runs = comparison.runs
    pictures = Pictures(data, runs)
    tables = [run.by_attack(run.table("samples.csv"), attack) for run in runs]
    rate = choose_fpr(tables[0]["fpr"], fpr)
    tops = [table[table["fpr"] == rate].nsmallest(count, "rank") for table in tables]
    shared = Counter(sample for top in tops for sample in top["sample"])
    across = fewest_gaps(len(runs), 3, 4)
    lines = ceil(len(runs) / across)
    columns = min(MOST_COLUMNS[lines > TALL], ceil(sqrt(count)))
    titles = [in_lines(label, TITLE) for label in run_labels(runs)]
    heading = 0.16 * (1 + max(title.count("\n") for title in titles))
    width = DOUBLE / max(across, 3)
    height = width / columns * LINE * ceil(count / columns) + heading
    drawn = canvas(across * width, lines * height + 0.55)
    panels = drawn.subplots(lines, across, squeeze=False)
    for axes, top, label in zip(panels.flat, tops, titles, strict=False):
        draw_grid(axes, top, pictures, shared, len(runs), columns)
        axes.set_title(label)
    for axes in panels.flat[len(runs) :]:
        axes.remove()
    title = f"{show(runs[0].key['dataset'])}, most vulnerable samples at {fpr_of(rate, comparison.negatives)}; tp / fp"
    drawn.suptitle(title, fontsize=8)
    colours = {frame_colour(times, len(runs)) for times in shared.values()}
    frames = {BLUE: f"in the top {count} of all {len(runs)} runs", ORANGE: f"in the top {count} of several runs"}
    handles = [Patch(fill=False, edgecolor=c, label=label) for c, label in frames.items() if c in colours]
    if handles:
        drawn.legend(handles=handles, loc="outside lower center", ncols=2)
    return drawn


def frame_colour(times: int, runs: int) -> str | None:
    """Returns the frame of a sample that is in the top of so many runs; ``None`` for a single run."""
    return None if times < 2 else BLUE if times == runs else ORANGE


def draw_grid(axes: Axes, top: pd.DataFrame, pictures: Pictures, shared: Counter, runs: int, columns: int) -> None:
    """Draws one run's pictures, row by row."""
    for place, sample in enumerate(top.itertuples()):
        row, column = divmod(place, columns)
        left, upper = column + (1 - SIDE) / 2, row * LINE
        pictures.draw(axes, sample.sample, extent=(left, left + SIDE, upper + SIDE, upper))
        if colour := frame_colour(shared[sample.sample], runs):
            axes.add_patch(Rectangle((left, upper), SIDE, SIDE, fill=False, edgecolor=colour, linewidth=1.5))
        text = f"{sample.tp}{'/' if columns > MOST_COLUMNS[False] else ' / '}{sample.fp}"
        axes.text(column + 0.5, upper + SIDE + 0.04, text, ha="center", va="top", fontsize=7)
    axes.set(xlim=(0, columns), ylim=(ceil(len(top) / columns) * LINE, -0.06), aspect="equal")
    axes.axis("off")
