"""Figure 8: one sample under models trained with it (IN) and without it (OUT), a column per run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from lira.config.catalogue import main_attack
from lira.evaluation.calibration import place_of
from lira.evaluation.records import logits_of
from lira.report.catalogue import Entry
from lira.report.figures._pictures import Pictures
from lira.report.figures._style import DOUBLE, MEMBERSHIP, Style, canvas, in_lines, legend_below
from lira.report.labels import show
from lira.report.runs import in_order, run_labels
from lira.storage.run import Run

ENTRY = Entry(
    title="One sample, IN and OUT",
    category="Attacks",
    paper="Figure 8",
    drawn_from="network",
    files=("scores.h5",),
    samples="pictures",
    sample=True,
    reads_scores=True,
    caption=(
        "One sample's scaled logits and online scores under the models trained with it (IN) and without it (OUT), a "
        "column per regime."
    ),
)

BINS, TITLE = 16, 14
"""Number of bars of a histogram, and most characters of a line of a run's name."""

SAMPLE = 21  # that of the paper


def figure(runs: Sequence[Run], sample: int | None = None, data: Path | None = None) -> Figure:
    """Draws histograms and rugs over models: φ averaged over views above, ``online`` scores below.

    Args:
        runs: The runs, usually one per regime.
        sample: Index in the pool; :data:`SAMPLE`, or the last of a smaller pool, if not given.
        data: The dataset's file, to show the sample's picture.
    """
    runs = in_order(runs)
    sample = min(SAMPLE, *(run.pool - 1 for run in runs)) if sample is None else sample
    labels, models = run_labels(runs), [models_of(run, sample) for run in runs]
    drawn = canvas(DOUBLE, 3.5)
    body: FigureBase = drawn
    if data is not None:
        [[aside, body]] = drawn.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.8 + 2 * len(runs)])
        axes = aside.subplots()
        Pictures(data, runs).draw(axes, sample)
        axes.axis("off")
    drawn.suptitle(f"{in_common(runs)}sample {sample} of the pool; φ: mean over views", fontsize=8)
    panels = body.subplots(2, len(runs), squeeze=False)
    for column, (member, phi, scores, attack), label in zip(panels.T, models, labels, strict=True):
        draw_histogram(column[0], phi, member)
        draw_histogram(column[1], scores, member)
        column[0].set(xlabel="φ", title=in_lines(label, TITLE))
        column[1].set(xlabel=f"{attack} score")
    for axes in panels[:, 0]:
        axes.set_ylabel("Models")
    legend_below(drawn, 2)
    return drawn


def in_common(runs: Sequence[Run]) -> str:
    """Returns dataset and architecture for the title, without those in which the runs differ and which panels name."""
    shared = [name for name in ("dataset", "architecture") if len({run.key[name] for run in runs}) == 1]
    return " ".join(show(runs[0].key[name]) for name in shared) + ", " * bool(shared)


def models_of(run: Run, sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Returns membership, φ averaged over views and score of a sample under each model, and the attack.

    Raises:
        ConfigError: The pool has no such sample.
    """
    phi, member = logits_of(run, sample)
    with run.scores() as scores:
        attack = main_attack(sorted(scores, key=place_of))
        return member, phi, scores[attack][:, sample], attack


def draw_histogram(axes: Axes, values: np.ndarray, member: np.ndarray) -> None:
    """Draws the histograms of IN and OUT models, with a tick per model below them."""
    edges = np.histogram_bin_edges(values, BINS)
    rug: Style = {"height": -0.055, "linewidth": 0.6, "clip_on": False, "expand_margins": False}
    for name, mask, below in (("IN", member, 0.02), ("OUT", ~member, 0.08)):
        label = f"{name}: models trained {'with' if name == 'IN' else 'without'} the sample"
        style: Style = {"x": values[mask], "color": MEMBERSHIP[name], "ax": axes}
        sns.histplot(bins=edges, alpha=0.5, linewidth=0, label=label, **style)
        sns.rugplot(offsets=[(0, -below)], offset_transform=axes.figure.dpi_scale_trans, **rug, **style)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(axis="x", pad=11, length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_ylabel("")
