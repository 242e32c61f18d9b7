"""The table of the released code's single mode, for a terminal."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lira.evaluation.calibration import place_of, resolution
from lira.evaluation.single_target import single_target
from lira.report.labels import percent, show
from lira.report.marks import marked, notes
from lira.report.numbers import numbers
from lira.report.runs import at
from lira.report.table import Table
from lira.report.text import markdown
from lira.storage import hdf5


def single_mode(scores: Path | str, fprs: Sequence[float] = (1e-5, 1e-3), prior: float = 0.5) -> str:
    """Returns as Markdown what the released code prints of held-out targets, with what chance gives.

    Args:
        scores: File of encoding ``scores``, of some models as the targets.
        fprs: Target FPRs.
        prior: Share of members for the precision.

    Raises:
        StoreError: The file is missing, damaged or of another kind.
        ConfigError: An FPR or the prior is not a fraction.
    """
    with hdf5.read(scores, "scores") as file:
        values = {name: file[name][:] for name in sorted(file, key=place_of) if name != "member"}
        member, targets = file["member"][:], ", ".join(map(str, hdf5.attributes(file)["targets"]))
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
    return markdown(Table(data, text, 1, [note, *notes(resolution(fpr, (~member).sum()).label for fpr in fprs)]))


def beside_chance(rows: pd.DataFrame, name: str, decimals: int) -> list[str]:
    """Writes a column in percent, with what chance gives in brackets."""
    pairs = zip(*(numbers(100 * rows[of], decimals) for of in (name, f"{name}_null")), strict=True)
    return [f"{found} ({null})" for found, null in pairs]
