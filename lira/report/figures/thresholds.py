"""Figure 1: how far the targets' own thresholds spread, in each run and over all runs."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.config.catalogue import main_attack
from lira.evaluation.robust import median_rmad
from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, DOUBLE, GREY, Style, attack_colours, canvas
from lira.report.labels import show
from lira.report.marks import fpr_of
from lira.report.runs import check_available, choose_fprs, in_order, run_labels, title_of
from lira.storage.run import Run

ENTRY = Entry(
    title="Spread of thresholds",
    category="Calibration",
    paper="Figure 1",
    drawn_from="reference",
    files=("metrics.csv",),
    caption=(
        "The targets' own thresholds for the main attack (online where there is one), in each run and in all runs "
        "together, with median and rMAD = 1.4826 · MAD / median."
    ),
)

SIDE_BY_SIDE = 5
"""From this number of runs on, the panels stand below each other."""


def figure(runs: Sequence[Run], fpr: float | None = None, attack: str | None = None) -> Figure:
    """Draws a panel per FPR with a box per run and one for all runs, each with its median and rMAD.

    Args:
        runs: The runs.
        fpr: Target FPR; all of the results if not given.
        attack: Attack whose thresholds are shown; that of the counts per record if not given.
    """
    runs = in_order(runs)
    metrics = [run.targets("target") for run in runs]
    attack = attack or main_attack(metrics[0]["attack"])
    rates = choose_fprs(metrics[0]["fpr"], fpr)
    check_available("attack", attack, metrics[0]["attack"])
    beside = len(runs) < SIDE_BY_SIDE
    drawn = canvas(DOUBLE, 2.6 * (1 if beside else len(rates)))
    panels = drawn.subplots(*((1, len(rates)) if beside else (len(rates), 1)), squeeze=False)
    for axes, rate in zip(panels.flat, rates, strict=True):
        found = [frame[(frame["attack"] == attack) & (frame["fpr"] == rate)] for frame in metrics]
        boxes = [finite(frame["threshold"].to_numpy()) for frame in found]
        labels = run_labels(runs)
        if len(runs) > 1:
            boxes, labels = [*boxes, np.concatenate(boxes)], [*labels, "all runs"]
        draw_boxes(axes, boxes, labels, attack_colours(metrics[0]["attack"])[attack])
        axes.set_ylabel(f"Threshold τ, {show(attack)}")
        axes.set_title(f"τ at {fpr_of(rate, runs[0].negatives)}", pad=24)
    if len({title_of(run) for run in runs}) == 1:
        drawn.suptitle(title_of(runs[0]), fontsize=8)
    return drawn


def draw_boxes(axes: Axes, boxes: list[np.ndarray], labels: list[str], colour: str) -> None:
    """Draws boxes, with the median and rMAD of each above it."""
    palette = [colour if i < len(boxes) - 1 or len(boxes) == 1 else GREY for i in range(len(boxes))]
    style: Style = {"width": 0.55, "saturation": 1, "linecolor": BLACK, "linewidth": 0.7, "fliersize": 2}
    style |= {"boxprops": {"alpha": 0.6}, "medianprops": {"linewidth": 1.2}, "native_scale": True}
    sns.boxplot(boxes, palette=palette, ax=axes, **style)
    axes.set_xlim(-0.5, len(boxes) - 0.5)
    axes.set_xticks(range(len(boxes)), labels)
    place: Style = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom", "fontsize": 7}
    for x, values in enumerate(boxes):
        median, spread = median_rmad(values)
        axes.text(x, 1.02, f"{median:.2f}\n{spread:.1f} %", **place)
    axes.text(-0.55, 1.02, "median\nrMAD", **(place | {"ha": "right"}))


def finite(values: np.ndarray) -> np.ndarray:
    """Returns the thresholds of the targets that have one."""
    return values[np.isfinite(values)]
