"""Two suspicions about the paper's means: do agreement and FPR′ rest on single runs, or on single targets?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lira.evaluation.agreement import set_agreement
from lira.evaluation.outliers import achieved, detections, outlying_targets
from lira.evaluation.robust import influence
from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, BLUE, CHANCE, DOUBLE, GREY, VERMILION, canvas
from lira.report.labels import percent
from lira.report.resolution import describe
from lira.report.runs import choose_fprs, only_comparison, title_of
from lira.storage.run import Run

ENTRY = Entry(
    title="Without single runs and targets",
    category="Verdict",
    drawn_from="comparison",
    files=("agreement.csv",),
    reference_files=("metrics.csv", "samples.csv", "scores.h5"),
    reads_scores=True,
    caption=(
        "Do agreement and FPR′ rest on single runs or single targets? Left: agreement of identical runs with every "
        "run left out in turn, and without outlying targets. Middle: samples that one run flags and no other does. "
        "Right: mean FPR′ of each run; the line reaches down to the mean without the target that moves it most."
    ),
)

ALL = {"color": BLACK, "marker": "o", "label": "all targets"}
WITHOUT = {
    "color": BLUE,
    "marker": "s",
    "markersize": 6,
    "markerfacecolor": "none",
    "label": "without outlying targets",
}
ONE_OUT = {"color": GREY, "linewidth": 0.7, "linestyle": "-", "label": "one run left out"}


def figure(folders: Sequence[Path], fpr: float | None = None) -> Figure:
    """A row of panels per FPR: agreement of identical runs, their one-off detections, their mean FPR′.

    A target is outlying if it raises its run's mean FPR′ by more than the standard error of the mean without it. Each
    panel has the result with all targets and without those. Agreement (Jaccard of the samples detected at least once)
    also has every run left out in turn, in vermilion the one that lowers it most.

    Args:
        folders: One agreement folder.
        fpr: Target FPR; all of the results if not given.
    """
    comparison = only_comparison(folders)
    runs, negatives = list(comparison.reference.values()), comparison.negatives
    rates = choose_fprs(comparison.table("agreement.csv")["fpr"], fpr)
    drawn = canvas(DOUBLE, 0.7 + 2.1 * len(rates))
    rows = drawn.subfigures(len(rates), 1, squeeze=False)[:, 0]
    for row, rate in zip(rows, rates, strict=True):
        panels = row.subplots(1, 3)
        outlying = [outlying_targets(run, rate) for run in runs]
        whole, cut = (flagged(runs, rate, without) for without in ([()] * len(runs), outlying))
        labels = [f"{run.key['seed']}" for run in runs]
        draw_agreement(panels[0], whole, cut, labels)
        draw_alone(panels[1], alone(whole), alone(cut), labels)
        draw_rates(panels[2], [achieved(run, rate) for run in runs], outlying, rate, labels)
        title = f"{title_of(comparison)} at {percent(rate)} FPR{describe(rate, negatives)}"
        row.suptitle(f"{title}; outlying targets in {len(runs)} runs: {sum(map(len, outlying))}", fontsize=8)
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    drawn.legend(handles.values(), handles, loc="outside lower center", ncols=3)
    return drawn


def flagged(runs: Sequence[Run], fpr: float, without: Sequence[Sequence[int]]) -> np.ndarray:
    """Sets of samples detected at least once, with some targets of each run left out."""
    return np.stack([detections(run, fpr, left)["tp"].to_numpy() >= 1 for run, left in zip(runs, without, strict=True)])


def alone(sets: np.ndarray) -> np.ndarray:
    """Number of samples that each run flags and no other does."""
    return (sets & (sets.sum(axis=0) == 1)).sum(axis=1)


def jaccards(sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of runs combined, and the mean Jaccard of each in percent."""
    ks = np.arange(2, len(sets) + 1)
    return ks, np.array([100 * set_agreement(sets, k).jaccard for k in ks])


def draw_agreement(axes: Axes, whole: np.ndarray, cut: np.ndarray, labels: Sequence[str]) -> None:
    """Jaccard against number of runs."""
    left = [jaccards(np.delete(whole, run, axis=0)) for run in range(len(whole))] if len(whole) > 2 else []
    for ks, values in left:
        axes.plot(ks, values, marker=".", **ONE_OUT)
    if left and not np.isnan([values for _, values in left]).all():
        highest = int(np.argmax([np.nansum(values) for _, values in left]))
        axes.plot(
            *left[highest], color=VERMILION, marker="^", linestyle="--", label="without the run that lowers it most"
        )
        axes.annotate(f"without seed {labels[highest]}", (0.97, 0.97), xycoords="axes fraction", ha="right", va="top",
                      color=VERMILION, fontsize=7)  # fmt: skip
    axes.plot(*jaccards(whole), **ALL)
    axes.plot(*jaccards(cut), linestyle="--", **WITHOUT)
    axes.set(xlabel="Runs combined, k", ylabel="Jaccard (%)")
    from_zero(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_alone(axes: Axes, whole: np.ndarray, cut: np.ndarray, labels: Sequence[str]) -> None:
    """Detections that no other run shares, by run."""
    places = np.arange(len(labels))
    axes.plot(places, whole, linestyle="", **ALL)
    axes.plot(places, cut, linestyle="", **WITHOUT)
    axes.set(xlabel="Run (seed)", ylabel="Flagged by this run alone")
    by_run(axes, labels)
    from_zero(axes)


def draw_rates(
    axes: Axes, rates: Sequence[pd.DataFrame], outlying: Sequence[Sequence[int]], fpr: float, labels: Sequence[str]
) -> None:
    """Mean FPR′ by run, and how far the target that moves it most does so."""
    places = np.arange(len(labels))
    means = [100 * rows["fpr_achieved"].mean() for rows in rates]
    kept = [rows[~rows["target"].isin(left)] for rows, left in zip(rates, outlying, strict=True)]
    axes.plot(places, means, linestyle="", **ALL)
    without = [100 * rows["fpr_achieved"].mean() for rows in kept]
    axes.plot(places, without, linestyle="", **WITHOUT)
    for place, rows, mean in zip(places, rates, means, strict=True):
        shift = influence(rows["fpr_achieved"].to_numpy()).shift
        label = "to the mean without the target that moves it most" if place == 0 else None
        axes.vlines(place, mean - 100 * np.nanmax(shift), mean, color=BLACK, linewidth=0.8, label=label)
    axes.axhline(100 * fpr, **CHANCE | {"label": "target FPR"})
    axes.set(xlabel="Run (seed)", ylabel="Mean FPR′ (%), online")
    by_run(axes, labels)
    from_zero(axes)


def from_zero(axes: Axes) -> None:
    """Room above the highest value; the axis starts at 0."""
    axes.set_ylim(0, 1.12 * axes.dataLim.y1 or None)


def by_run(axes: Axes, labels: Sequence[str]) -> None:
    """An axis with a place per run."""
    axes.set_xticks(np.arange(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
