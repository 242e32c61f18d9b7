"""Figure 8: one sample under models trained with it (IN) and without it (OUT), a column per run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from lira.config.catalogue import main_attack
from lira.core.validation import check_choice
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
        "Scaled logits and scores of single samples (``sample``) under the models trained with it (IN) and without it "
        "(OUT), a column per regime, a row per attack (``sample_attacks``)."
    ),
)

BINS, TITLE = 16, 14
"""Number of bars of a histogram, and most characters of a line of a run's name."""

SAMPLE = 21  # that of the paper


def figure(
    runs: Sequence[Run],
    sample: int | Sequence[int] | None = None,
    data: Path | None = None,
    attack: str | Sequence[str] | None = None,
) -> Figure:
    """Draws histograms and rugs over models: φ averaged over views above, scores below.

    Args:
        runs: The runs, usually one per regime.
        sample: Index in the pool, or several; :data:`SAMPLE`, or the last of a smaller pool, if not given.
        data: The dataset's file, to show the samples' pictures.
        attack: Whose scores are drawn, or several, a row each; online, or the first, if not given.

    Raises:
        ConfigError: The pool has no such sample, or a run no scores of an attack.
    """
    runs = in_order(runs)
    last = min(SAMPLE, *(run.pool - 1 for run in runs))
    samples = [last] if sample is None else [sample] if isinstance(sample, int) else list(sample)
    attacks = [attack] if isinstance(attack, str) else list(attack or [main_of(runs[0])])
    common = in_common(runs)
    drawn = canvas(DOUBLE, 0.3 + len(samples) * (0.2 + 1.5 * (1 + len(attacks))))
    blocks = drawn.subfigures(len(samples), 1, squeeze=False)[:, 0]
    for block, shown in zip(blocks, samples, strict=True):
        draw_sample(block, runs, shown, attacks, data)
        title = f"{common}sample {shown} of the pool; φ: mean over views"
        (drawn if len(samples) == 1 else block).suptitle(title, fontsize=8)
    legend_below(drawn, 2)
    return drawn


def draw_sample(body: FigureBase, runs: Sequence[Run], sample: int, attacks: Sequence[str], data: Path | None) -> None:
    """Draws one sample: a column per run, a row for φ and one for each attack, and the sample's picture."""
    labels, found = run_labels(runs), [models_of(run, sample, attacks) for run in runs]
    if data is not None:
        [[aside, body]] = body.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.8 + 2 * len(runs)])
        axes = aside.subplots()
        Pictures(data, runs).draw(axes, sample)
        axes.axis("off")
    panels = body.subplots(1 + len(attacks), len(runs), squeeze=False)
    for column, label, (member, phi, scores) in zip(panels.T, labels, found, strict=True):
        draw_histogram(column[0], phi, member)
        column[0].set(xlabel="φ", title=in_lines(label, TITLE))
        for axes, attack in zip(column[1:], attacks, strict=True):
            draw_histogram(axes, scores[attack], member)
            axes.set(xlabel=f"{attack} score")
    for axes in panels[:, 0]:
        axes.set_ylabel("Models")


def in_common(runs: Sequence[Run]) -> str:
    """Returns dataset and architecture for the title, without those in which the runs differ and which panels name."""
    shared = [name for name in ("dataset", "architecture") if len({run.key[name] for run in runs}) == 1]
    return " ".join(show(runs[0].key[name]) for name in shared) + ", " * bool(shared)


def main_of(run: Run) -> str:
    """Returns the attack that is drawn unless another is asked for."""
    with run.scores() as scores:
        return main_attack(sorted(scores, key=place_of))


def models_of(run: Run, sample: int, attacks: Sequence[str]) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Returns membership, φ averaged over views, and the scores of attacks, of a sample under each model.

    Raises:
        ConfigError: The pool has no such sample, or the run no scores of an attack.
    """
    phi, member = logits_of(run, sample)
    with run.scores() as scores:
        known = sorted({*scores} - {"member"}, key=place_of)
        for attack in attacks:
            check_choice(attack, "attack", known)
        return member, phi, {attack: scores[attack][:, sample] for attack in attacks}


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
