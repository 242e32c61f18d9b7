"""Figure 7: the TPR against the loss ratio, a point per run."""

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lira.config.catalogue import main_attack
from lira.evaluation.utility import fit, loss_ratios
from lira.report.catalogue import Entry
from lira.report.figures._style import BLACK, CHANCE, MARKERS, REGIMES, SINGLE, Style, canvas, plain_log, regime_colours
from lira.report.labels import percent, show
from lira.report.marks import not_resolved
from lira.report.runs import in_order, shared_fpr
from lira.storage.run import Run

ENTRY = Entry(
    title="Loss ratio against TPR",
    category="Utility",
    paper="Figure 7",
    drawn_from="runs",
    files=("summary.csv",),
    caption=(
        "TPR of the main attack (online where there is one) against loss ratio: a point per run with the 95 % interval "
        "of its mean over targets, and the least-squares line on the logarithm of the ratio. Dotted: the TPR where "
        "membership is permuted."
    ),
)

MOST_OTHERS = 4
"""Most regimes unknown to the paper that each get a colour of their own."""


def figure(runs: Sequence[Run], fpr: float | None = None, attack: str | None = None) -> Figure:
    """Draws mean TPR against mean loss ratio, with the least-squares line on log10, Pearson's r and Spearman's ρ.

    Colours tell regimes apart, markers datasets and architectures. Bars are 95 % intervals of the mean TPR; the dotted
    line is the TPR by chance, mean over runs. Runs whose losses are not known are left out.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack whose TPR is shown; that of the counts per record if not given.
    """
    runs = in_order(runs)
    attack = attack or main_attack(runs[0].summary["attack"])
    rate = shared_fpr(runs, fpr, attack)
    points = loss_ratios(runs, rate, attack)
    points["group"] = group_regimes(points["regime"])
    points["kind"] = [f"{show(run.dataset)} {show(run.architecture)}" for run in points.itertuples()]
    groups, kinds = (list(dict.fromkeys(points[name])) for name in ("group", "kind"))
    colours, markers = regime_colours(groups), dict(zip(kinds, cycle(MARKERS), strict=False))
    drawn = canvas(SINGLE, 2.7 + 0.15 * max(len(groups), len(kinds) + 2))
    axes = drawn.subplots()
    if points.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no run's losses are known", ha="center", transform=axes.transAxes)
        return drawn
    marks = {"hue": "group", "palette": colours, "style": "kind", "markers": markers, "s": 20, "linewidth": 0}
    sns.scatterplot(points, x="loss_ratio", y="tpr", legend=False, ax=axes, **marks)
    bars = points["loss_ratio"], points["low"], points["high"]
    axes.vlines(*bars, colors=points["group"].map(colours), linewidth=0.8)
    axes.axhline(points["null"].mean(), **CHANCE)
    axes.set_xscale("log")
    plain_log(axes.xaxis, subs=(1, 2, 5))
    unresolved = not_resolved(rate, points["negatives"].mean())
    axes.set_title(f"{len(points)} runs, {show(attack)}{unresolved}\n{draw_line(axes, points)}".strip())
    axes.set(xlabel="Loss ratio, test / train", ylabel=f"TPR (%) at {percent(rate)} FPR")
    drawn.legend(handles=legend_handles(groups, colours, markers), loc="outside lower center", ncols=2)
    return drawn


def group_regimes(regimes: pd.Series) -> pd.Series:
    """Returns the regimes; ``other`` for those unknown to the paper if they are too many to tell apart."""
    others = ~regimes.isin(REGIMES)
    return regimes.mask(others, "other") if regimes[others].nunique() > MOST_OTHERS else regimes


def legend_handles(groups: list[str], colours: dict[str, str], markers: dict[str, str]) -> list[Line2D]:
    """Returns the entries of a legend of two columns: the colours, then all else."""
    left = [Line2D([], [], marker="o", ls="", color=colours[group], label=show(group)) for group in groups]
    hollow: Style = {"ls": "", "color": BLACK, "markerfacecolor": "none"}
    right = [Line2D([], [], marker=marker, label=kind, **hollow) for kind, marker in markers.items()]
    right += [Line2D([], [], marker="|", markersize=9, label="95 % interval of the mean", **hollow)]
    right += [Line2D([], [], label="Chance, mean over runs", **CHANCE)]
    blanks = [Line2D([], [], ls="", label=" ")] * abs(len(left) - len(right))
    return left + blanks + right if len(left) < len(right) else left + right + blanks


def draw_line(axes: Axes, points: pd.DataFrame) -> str:
    """Draws the line and describes the fit; fewer than three runs have none."""
    found = fit(points["loss_ratio"].to_numpy(), points["tpr"].to_numpy())
    if found is None:
        return ""
    dashed = {"color": BLACK, "linestyle": "--", "linewidth": 0.9}
    sns.regplot(points, x="loss_ratio", y="tpr", logx=True, ci=None, scatter=False, line_kws=dashed, ax=axes)
    r, rho, slope, intercept, explained = (estimate.value for estimate in found)
    equation = f"TPR = {slope:.2f} log$_{{10}}$(ratio) {'+' if intercept >= 0 else '−'} {abs(intercept):.2f}"
    return f"{equation}, R² = {explained:.2f}\nPearson r (log x) = {r:.2f}, Spearman ρ = {rho:.2f}"
