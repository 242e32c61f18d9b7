"""The table and the ROC of the released code's single mode: some models as the targets of all others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from lira.evaluation.calibration import place_of, resolution
from lira.evaluation.single_target import single_target
from lira.report.labels import percent, show
from lira.report.marks import marked, notes
from lira.report.numbers import numbers
from lira.report.plot import write_figure
from lira.report.runs import at
from lira.report.table import Table
from lira.report.tabulate import write_table
from lira.report.text import markdown
from lira.storage import hdf5

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_single(
    scores: Path | str, folder: Path, table: Path | None = None, figure: Path | None = None, **options: Any
) -> str:
    """Returns the table as Markdown; writes it as a table of a study, and the ROC as a figure, where that is asked.

    Args:
        scores: As for :func:`single_mode`, as are ``options`` and what is raised.
        folder: Folder of the run that the scores follow from.
        table: Path of the table's ``.csv``.
        figure: Path of the figure's ``.pdf``.
    """
    made = single_mode(scores, **options)
    if table:
        write_table(made, "Some models as the targets", table, "single", [folder], options)
    if figure:
        write_figure(lambda: single_roc(scores), figure, "single", [folder], options)
    return markdown(made)


def single_mode(scores: Path | str, fprs: Sequence[float] = (1e-5, 1e-3), prior: float = 0.5) -> Table:
    """Makes the table of what the released code prints of held-out targets, with what chance gives.

    Args:
        scores: File of encoding ``scores``, of some models as the targets.
        fprs: Target FPRs.
        prior: Share of members for the precision.

    Raises:
        StoreError: The file is missing, damaged or of another kind.
        ConfigError: An FPR or the prior is not a fraction.
    """
    with hdf5.read(scores, "scores") as file:
        values, member, targets = read(file)
    data = single_target(values, member, fprs, prior)
    first = data[data["fpr"] == fprs[0]]
    text = pd.DataFrame({"Attack": first["attack"].map(show)}).reset_index(drop=True)
    text["Balanced accuracy (%)"] = beside_chance(first, "balanced_accuracy", 2)
    text["AUC (%)"] = numbers(100 * first["auc"], 2)
    for fpr in fprs:
        rows = data[data["fpr"] == fpr]
        label = resolution(fpr, (~member).sum()).label
        text[f"TPR (%) {at(fpr)}"] = [marked(cell, label) for cell in beside_chance(rows, "tpr", 3)]
        text[f"Precision (%) {at(fpr)}, π = {percent(prior)}"] = numbers(100 * rows["precision"], 2)
    note = (
        f"Targets {targets} in one ROC, at thresholds chosen on the scores that they are judged by: so without "
        "intervals. In brackets: scores that say nothing, whose AUC is 50 %, and whose precision is about π, or 100 % "
        "without a false positive. An attacker has thresholds from shadow models alone: attack all, and calibrate."
    )
    return Table(data, text, 1, [note, *notes(resolution(fpr, (~member).sum()).label for fpr in fprs)])


def single_roc(scores: Path | str) -> "Figure":
    """Draws the ROC of each attack on all held-out targets together; arguments and errors as :func:`single_mode`."""
    from lira.report.figures._style import SINGLE, canvas, legend_below
    from lira.report.figures.roc import draw_roc

    with hdf5.read(scores, "scores") as file:
        values, member, targets = read(file)
    drawn = canvas(SINGLE, 3 + 0.16 * len(values))
    axes = drawn.subplots()
    draw_roc(axes, {name: found.reshape(1, -1) for name, found in values.items()}, member.reshape(1, -1))
    axes.set(xlabel="FPR (%)", ylabel="TPR (%)", title=f"Targets {targets} in one ROC")
    legend_below(drawn, 1)
    return drawn


def read(file: h5py.File) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
    """Returns scores by attack and membership, a row per target, and the list of targets."""
    values = {name: file[name][:] for name in sorted(file, key=place_of) if name != "member"}
    return values, file["member"][:], ", ".join(map(str, hdf5.attributes(file)["targets"]))


def beside_chance(rows: pd.DataFrame, name: str, decimals: int) -> list[str]:
    """Writes a column in percent, with what chance gives in brackets."""
    pairs = zip(*(numbers(100 * rows[of], decimals) for of in (name, f"{name}_null")), strict=True)
    return [f"{found} ({null})" for found, null in pairs]
