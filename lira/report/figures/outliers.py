"""How much agreement and mean FPR′ depend on single runs and on single targets."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lira.evaluation.agreement import flagged_alone, jaccards
from lira.evaluation.outliers import MeanFpr, detected_sets, mean_fpr, outlying_targets
from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, BLUE, CHANCE, DOUBLE, GREY, VERMILION, Style, canvas, legend_below
from lira.report.labels import show
from lira.report.marks import fpr_of
from lira.report.runs import choose_fprs, title_of
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Without single runs and targets",
    category="Claims",
    drawn_from="comparison",
    files=("agreement.csv",),
    reference_files=("metrics.csv", "samples.csv", "scores.h5"),
    reads_scores=True,
    caption=(
        "Do agreement and mean FPR′ rest on single runs or on single targets? Left: agreement of identical runs, with "
        "each run left out in turn, and without outlying targets. Middle: number of samples that only this run flags. "
        "Right: mean FPR′ of each run; the line reaches to the mean without the target that raises it most."
    ),
)

ALL: Style = {"color": BLACK, "marker": "o", "label": "all targets"}
HOLLOW: Style = {"marker": "s", "markersize": 6, "markerfacecolor": "none"}
WITHOUT = HOLLOW | {"color": BLUE, "label": "without outlying targets"}
ONE_OUT: Style = {"color": GREY, "marker": ".", "linewidth": 0.7, "label": "one run left out"}
HIGHEST: Style = {"color": VERMILION, "marker": "^", "linestyle": "--", "label": "without the run that lowers it most"}


def figure(comparison: Comparison, fpr: float | None = None) -> Figure:
    """Draws a row of panels per FPR: agreement of identical runs, samples that only one run flags, and mean FPR′.

    A target is outlying if it raises its run's mean FPR′ by more than the standard error of the mean without it. Each
    panel shows the result with all targets and without the outlying ones. The agreement (Jaccard of the samples
    detected at least once) is also shown without each run in turn; vermilion is the run that lowers it most.

    Args:
        comparison: Identical runs and variants of them.
        fpr: Target FPR; all of the results if not given.
    """
    runs, negatives = list(comparison.reference.values()), comparison.negatives
    rates = choose_fprs(comparison.table("agreement.csv")["fpr"], fpr)
    drawn = canvas(DOUBLE, 0.7 + 2.1 * len(rates))
    rows = drawn.subfigures(len(rates), 1, squeeze=False)[:, 0]
    for row, rate in zip(rows, rates, strict=True):
        panels = row.subplots(1, 3)
        outlying = [outlying_targets(run, rate) for run in runs]
        whole, cut = (detected_sets(runs, rate, without) for without in ([()] * len(runs), outlying))
        labels = [f"{run.key['seed']}" for run in runs]
        draw_agreement(panels[0], whole, cut, labels)
        draw_alone(panels[1], flagged_alone(whole), flagged_alone(cut), labels)
        means = [mean_fpr(run, rate, left) for run, left in zip(runs, outlying, strict=True)]
        draw_rates(panels[2], means, rate, labels)
        panels[2].set_ylabel(f"Mean FPR′ (%), {show(runs[0].attack)}")
        title = f"{title_of(comparison)} at {fpr_of(rate, negatives)}"
        row.suptitle(f"{title}; outlying targets in {len(runs)} runs: {sum(map(len, outlying))}", fontsize=8)
    legend_below(drawn, 3)
    return drawn


def draw_agreement(axes: Axes, whole: np.ndarray, cut: np.ndarray, labels: Sequence[str]) -> None:
    """Draws the Jaccard against the number of runs."""
    left = [jaccards(np.delete(whole, run, axis=0)) for run in range(len(whole))] if len(whole) > 2 else []
    for ks, values in left:
        axes.plot(ks, values, **ONE_OUT)
    if left and not np.isnan([values for _, values in left]).all():
        highest = int(np.argmax([np.nansum(values) for _, values in left]))
        axes.plot(*left[highest], **HIGHEST)
        corner: Style = {"xy": (0.97, 0.97), "xycoords": "axes fraction", "ha": "right", "va": "top"}
        axes.annotate(f"without seed {labels[highest]}", color=VERMILION, fontsize=7, **corner)
    axes.plot(*jaccards(whole), **ALL)
    axes.plot(*jaccards(cut), linestyle="--", **WITHOUT)
    axes.set(xlabel="Runs combined, k", ylabel="Jaccard (%)")
    from_zero(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_alone(axes: Axes, whole: np.ndarray, cut: np.ndarray, labels: Sequence[str]) -> None:
    """Draws how many samples each run alone flags."""
    places = np.arange(len(labels))
    axes.plot(places, whole, linestyle="", **ALL)
    axes.plot(places, cut, linestyle="", **WITHOUT)
    axes.set_ylabel("Flagged by this run alone")
    by_run(axes, labels)


def draw_rates(axes: Axes, means: Sequence[MeanFpr], fpr: float, labels: Sequence[str]) -> None:
    """Draws the mean FPR′ of each run, with a line to the mean without the target that raises it most."""
    places = np.arange(len(labels))
    axes.plot(places, [mean.every for mean in means], linestyle="", **ALL)
    axes.plot(places, [mean.inlying for mean in means], linestyle="", **WITHOUT)
    ends = [mean.without_one for mean in means], [mean.every for mean in means]
    axes.vlines(places, *ends, color=BLACK, linewidth=0.8, label="to the mean without the target that moves it most")
    axes.axhline(100 * fpr, **CHANCE | {"label": "target FPR"})
    by_run(axes, labels)


def from_zero(axes: Axes) -> None:
    """Starts the y axis at 0 and leaves room above the highest value."""
    axes.set_ylim(0, 1.12 * axes.dataLim.y1 or None)


def by_run(axes: Axes, labels: Sequence[str]) -> None:
    """Gives each run a place on the x axis."""
    axes.set_xticks(np.arange(len(labels)), labels)
    axes.set(xlabel="Run (seed)", xlim=(-0.5, len(labels) - 0.5))
    from_zero(axes)
