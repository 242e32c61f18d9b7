"""What more models buy: TPR at each FPR and AUC against the number of shadow models, a row of panels per run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.evaluation.budgets import ALL
from lira.report.catalogue import Entry
from lira.report.figures._style import CHANCE, DOUBLE, attack_colours, canvas, dashes, legend_below
from lira.report.labels import percent, show
from lira.report.marks import not_resolved
from lira.report.runs import choose_fprs, in_order, title_of
from lira.storage.run import Run

ENTRY = Entry(
    title="What more models buy",
    category="Attacks",
    drawn_from="benchmarks",
    files=("budgets.csv",),
    setting="budgets",
    caption=(
        "TPR at each target's own threshold, and AUC, against the number of shadow models, drawn again and again from "
        "those that are no targets; mean over draws and targets with its 95 % interval. Hollow: all other models of "
        "the run, the same targets. Dotted: chance."
    ),
)

SPREAD = 1.3
"""Largest factor between the first and the last attack's place beside a number of models."""


def figure(runs: Sequence[Run], fpr: float | None = None) -> Figure:
    """Draws a row of panels per run: the TPR at each FPR, and the AUC, against the number of models.

    Args:
        runs: The runs.
        fpr: Target FPR; all of the results if not given.
    """
    runs = in_order(runs)
    tables = [run.table("budgets.csv") for run in runs]
    rates = choose_fprs([rate for table in tables for rate in table["fpr"].dropna().unique()], fpr)
    drawn = canvas(DOUBLE, 0.9 + 1.8 * len(runs))
    body = drawn.subfigures(squeeze=False)[0, 0]
    panels = body.subplots(len(runs), len(rates) + 1, squeeze=False)
    colours = attack_colours(list(dict.fromkeys(name for table in tables for name in table["attack"])))
    for row, run, table in zip(panels, runs, tables, strict=True):
        for axes, rate in zip(row, [*rates, None], strict=True):
            of_rate = table["fpr"].isna() if rate is None else table["fpr"] == rate
            draw_panel(axes, table[of_rate], colours)
            about = "AUC" if rate is None else f"TPR at {percent(rate)} FPR{not_resolved(rate, run.negatives)}"
            axes.set_title(about.replace(" (", "\n("), fontsize=7)
        row[0].set_ylabel(title_of(run).replace(" ", "\n", 1) + "\n%", fontsize=7)
    body.supxlabel("Shadow models", fontsize=8)
    legend_below(drawn, 3)
    return drawn


def draw_panel(axes: Axes, rows: pd.DataFrame, colours: dict[str, str]) -> None:
    """Draws one rate of one run."""
    attacks, budgets = list(rows["attack"].unique()), np.sort(rows["models"].unique())
    spread = min([SPREAD, *(budgets[1:] / budgets[:-1]) ** 0.7])  # so that neighbours stay apart
    for place, attack in enumerate(attacks):
        own = rows[rows["attack"] == attack].sort_values("models")
        x = own["models"] * spread ** ((place + 0.5) / len(attacks) - 0.5)
        style: dict[str, Any] = {"color": colours[attack], "linewidth": 0.9}
        axes.plot(x, own["mean"], dashes(attack), label=show(attack), **style)
        axes.vlines(x, own["low"], own["high"], alpha=0.6, **style)
        whole = own["draw"] == ALL
        for chosen, face in ((~whole, colours[attack]), (whole, "white")):
            axes.plot(x[chosen], own["mean"][chosen], "o", ls="", markersize=2.5, markerfacecolor=face, **style)
    axes.axhline(rows["chance"].mean(), label="Chance", **CHANCE)
    places = rows.drop_duplicates("models").sort_values("models")
    axes.set_xscale("log")
    axes.minorticks_off()
    lines = ["\n" if draw == ALL else "" for draw in places["draw"]]
    axes.set_xticks(places["models"], [f"{line}{models}" for line, models in zip(lines, places["models"], strict=True)])
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
