"""Marks in cells, and their notes: what the pool cannot resolve, and what rests on a single target."""

from collections.abc import Iterable
from typing import Any

from lira.evaluation.calibration import resolution
from lira.report.numbers import mean_std

RESOLUTION = {"TPR at 0 FP": " {place} 0 FP", "few FP": "†"}
INFLUENCE = "‡"
NOTES = {
    "TPR at 0 FP": "0 FP: fewer than one false positive is expected at this FPR among a target's non-members; the "
    "operating point is that of zero false positives on the target itself (at 0 FP) or, for shadow thresholds, on the "
    "shadow models (τ at 0 FP).",
    "few FP": "†: fewer than five false positives are expected at this FPR; the operating point rests on few samples.",
}
NOTE = (
    f"{INFLUENCE}: the mean rests on the target named here (index of the shadow model): that target alone moves it by "
    "more than its standard error without that target."
)
TITLES = {"TPR at 0 FP": " (not resolved: 0 FP)", "few FP": " (fewer than 5 FP expected)"}


def marked(cell: str, resolved: str = "", influential: str = "", place: str = "at") -> str:
    """A cell with its marks.

    Args:
        cell: The number.
        resolved: Label of :func:`lira.evaluation.calibration.resolution`.
        influential: The targets that move a mean by more than its standard error without them, separated by spaces.
        place: Where the threshold stands: ``at``, on the target, or ``τ at``, on its shadow models.
    """
    cell += RESOLUTION.get(resolved, "").format(place=place)
    return f"{cell} {INFLUENCE}{influential.replace(' ', ',')}" if influential else cell


def tpr_of(row: Any) -> str:
    """Mean ± standard deviation of the TPR of a row of rates, with its marks."""
    return marked(mean_std(row.tpr_mean, row.tpr_std, 3), row.resolution, row.tpr_influential)


def notes(resolved: Iterable[str], influential: Iterable[str] = ()) -> list[str]:
    """The notes that explain the marks of a table."""
    present = set(resolved)
    return [note for label, note in NOTES.items() if label in present] + [NOTE] * any(influential)


def not_resolved(fpr: float, negatives: float) -> str:
    """What a figure's title adds to an FPR among so many non-members."""
    return TITLES.get(resolution(fpr, negatives).label, "")
