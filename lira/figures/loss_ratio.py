"""Figure 7: does the loss ratio predict the attack? A point per run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import linregress, spearmanr

from lira.figures._style import BLACK, MARKERS, REGIMES, SINGLE, canvas, plain_log, regime_colours
from lira.store import Run
from lira.tables._labels import percent, show
from lira.tables._resolution import describe
from lira.tables._runs import choose_fpr, negatives, read_runs, targets
from lira.tables.utility import utility

MOST_OTHERS = 4
"""Regimes the paper does not name that get a colour of their own."""


def figure(folders: Sequence[Path], fpr: float | None = None, attack: str = "online") -> Figure:
    """Mean loss ratio (log) against mean TPR, with the least-squares line on log10, Pearson's r and Spearman's ρ.

    Colour is the regime, the marker dataset and architecture. Runs whose losses are not known are left out.

    Args:
        folders: Run folders.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack whose TPR is shown.
    """
    runs = read_runs(folders)
    points = pd.DataFrame([point(run, fpr, attack) for run in runs])
    rate = points["fpr"].iloc[0]
    points = points.dropna(subset="loss_ratio")
    points["group"] = group_regimes(points["regime"])
    groups, kinds = (list(dict.fromkeys(points[name])) for name in ("group", "kind"))
    colours = regime_colours(groups)
    drawn = canvas(SINGLE, 2.7 + 0.15 * max(len(groups), len(kinds)))
    axes = drawn.subplots()
    if points.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no run's losses are known", ha="center", transform=axes.transAxes)
        return drawn
    for run in points.itertuples():
        axes.plot(run.loss_ratio, run.tpr, MARKERS[kinds.index(run.kind) % len(MARKERS)], color=colours[run.group])
    axes.set_xscale("log")
    axes.set(xlabel="Loss ratio, test / train", ylabel=f"TPR (%) at {percent(rate)} FPR")
    plain_log(axes.xaxis, subs=(1, 2, 5))
    unresolved = describe(rate, points["negatives"].mean())
    axes.set_title(f"{len(points)} runs, {show(attack)}{unresolved}\n{fit(axes, points)}".strip())
    drawn.legend(handles=handles(groups, kinds, colours), loc="outside lower center", ncols=2)
    return drawn


def group_regimes(regimes: pd.Series) -> pd.Series:
    """The regimes, or ``other`` for those the paper does not name where there are too many to tell apart."""
    others = ~regimes.isin(REGIMES)
    return regimes.mask(others, "other") if regimes[others].nunique() > MOST_OTHERS else regimes


def handles(groups: list[str], kinds: list[str], colours: dict[str, str]) -> list[Line2D]:
    """A legend of two columns: colours, and markers."""
    left = [Line2D([], [], marker="o", ls="", color=colours[group], label=show(group)) for group in groups]
    right = [
        Line2D([], [], marker=MARKERS[i % len(MARKERS)], ls="", color=BLACK, markerfacecolor="none", label=kind)
        for i, kind in enumerate(kinds)
    ]
    blanks = [Line2D([], [], ls="", label=" ")] * abs(len(left) - len(right))
    return left + blanks + right if len(left) < len(right) else left + right + blanks


def point(run: Run, fpr: float | None, attack: str) -> dict:
    """Loss ratio and TPR of one run."""
    metrics = targets(run, "target")
    chosen = choose_fpr(metrics["fpr"], fpr)
    metrics = metrics[(metrics["attack"] == attack) & (metrics["fpr"] == chosen)]
    kind = f"{show(run.key['dataset'])} {show(run.key['architecture'])}"
    found = {"loss_ratio": utility(run)["loss_ratio_mean"], "tpr": 100 * metrics["tpr"].mean()}
    return run.key | {"kind": kind, "fpr": chosen, "negatives": negatives(metrics)} | found


def fit(axes, points: pd.DataFrame) -> str:
    """Draws the line and says how good it is; with fewer than three runs there is none."""
    if len(points) < 3:
        return ""
    x, y = np.log10(points["loss_ratio"]), points["tpr"]
    line = linregress(x, y)
    ends = np.array([x.min(), x.max()])
    axes.plot(10**ends, line.intercept + line.slope * ends, color=BLACK, linestyle="--", linewidth=0.9)
    rho = spearmanr(x, y).statistic
    equation = (
        f"TPR = {line.slope:.2f} log$_{{10}}$(ratio) {'+' if line.intercept >= 0 else '−'} {abs(line.intercept):.2f}"
    )
    return f"{equation}, R² = {line.rvalue**2:.2f}\nPearson r (log x) = {line.rvalue:.2f}, Spearman ρ = {rho:.2f}"
