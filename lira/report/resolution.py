"""Says in a cell what the pool cannot resolve: FPRs at which hardly a false positive is expected."""

from collections.abc import Iterable

import pandas as pd

from lira.evaluation.calibration import resolution

MARKS = {"TPR at 0 FP": " {place} 0 FP", "few FP": "†"}
NOTES = {
    "TPR at 0 FP": "0 FP: fewer than one false positive is expected at this FPR among a target's non-members; the "
    "operating point is that of zero false positives on the target itself (at 0 FP) or, for shadow thresholds, on the "
    "shadow models (τ at 0 FP).",
    "few FP": "†: fewer than five false positives are expected at this FPR; the operating point rests on few samples.",
}


def resolved(fpr: float, negatives: float) -> dict[str, float | str]:
    """Columns that say what an operating point rests on."""
    return {"expected_false_positives": fpr * negatives, "resolution": resolution(fpr, negatives).label}


def resolution_of(rows: pd.DataFrame) -> dict[str, float | str]:
    """The same columns from the rows of a summary at one FPR."""
    first = rows.iloc[0]
    return {"expected_false_positives": first["expected_fp"], "resolution": first["resolution"]}


def mark(cell: str, label: str, place: str = "at") -> str:
    """The cell with the label's mark."""
    return cell + MARKS.get(label, "").format(place=place)


def notes(labels: Iterable[str]) -> list[str]:
    """The notes that explain the marks of a table."""
    present = set(labels)
    return [note for label, note in NOTES.items() if label in present]


def describe(fpr: float, negatives: float) -> str:
    """What a figure's title adds to an FPR."""
    label = resolution(fpr, negatives).label
    return {"TPR at 0 FP": " (not resolved: 0 FP)", "few FP": " (fewer than 5 FP expected)"}.get(label, "")
