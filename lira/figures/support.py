"""Figures 3, 9, 10 and 12: agreement of identical runs by number of runs and by least number of detections."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lira.figures._style import DOUBLE, canvas
from lira.tables._agreement import Agreement
from lira.tables._labels import percent
from lira.tables._resolution import describe
from lira.tables._runs import choose_fpr

MEASURES = {"jaccard": "Jaccard (%)", "intersection": "Intersection (samples)", "union": "Union (samples)"}
ROWS = {True: "fp = 0", False: "any fp"}


def figure(folders: Sequence[Path], fpr: float | None = None) -> Figure:
    """Heat maps of runs combined against support: samples with fp = 0 above, all flagged samples below.

    Args:
        folders: One agreement folder.
        fpr: Target FPR; the largest of the results if not given.
    """
    agreement = Agreement(folders[0])
    sets = agreement.table("agreement.csv")
    rate = choose_fpr(sets["fpr"], fpr)
    sets = sets[(sets["scenario"] == "identical") & (sets["fpr"] == rate)]
    runs = sets["k"].nunique()
    drawn = canvas(DOUBLE, 1.5 + 2 * max(0.8, 0.24 * runs))
    panels = drawn.subplots(2, 3, sharex=True, sharey=True)
    for row, (zero_fp, name) in zip(panels, ROWS.items(), strict=True):
        for axes, (measure, heading) in zip(row, MEASURES.items(), strict=True):
            map_of(axes, sets[sets["zero_fp"] == zero_fp], measure)
            axes.set_title(f"{heading}, {name}")
            axes.set(xlabel="Detections at least (tp ≥)" if not zero_fp else "", ylabel="")
        row[0].set_ylabel("Runs combined, k")
    drawn.suptitle(f"{agreement.title}, {percent(rate)} FPR{describe(rate, agreement.negatives())}", fontsize=8)
    return drawn


def map_of(axes: Axes, sets: pd.DataFrame, measure: str) -> None:
    """One heat map; a dash where no run flags any sample."""
    values = sets.pivot(index="k", columns="support", values=measure) * (100 if measure == "jaccard" else 1)
    highest = max(1, values.max(axis=None))
    style = {"cmap": "cividis", "cbar": False, "annot": True, "annot_kws": {"size": 7}}
    style |= {"fmt": ".0f" if highest >= 10 else ".1f", "vmin": 0, "vmax": 100 if measure == "jaccard" else highest}
    sns.heatmap(values, ax=axes, **style)
    for row, column in np.argwhere(values.isna()):
        axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center", fontsize=7)
    axes.set_facecolor("#eeeeee")
    axes.tick_params(length=0, labelrotation=0)
