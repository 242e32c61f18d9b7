"""Marks rates that the pool cannot resolve and means that depend on a single target, and explains the marks."""

from collections.abc import Iterable, Sequence
from typing import Any

from lira.evaluation.calibration import resolution
from lira.report.labels import percent, show
from lira.report.numbers import mean_std
from lira.storage.run import Run

RESOLUTION = {"TPR at 0 FP": " {place} 0 FP", "few FP": "†"}
INFLUENCE = "‡"
HOLLOW = "§"
NOTES = {
    "TPR at 0 FP": "0 FP: fewer than one false positive is expected at this FPR among a target's non-members; the "
    "operating point is that of zero false positives on the target itself (at 0 FP) or, for shadow thresholds, on the "
    "shadow models (τ at 0 FP).",
    "few FP": "†: fewer than five false positives are expected at this FPR; few samples decide the operating point.",
}
NOTE = (
    f"{INFLUENCE}: the mean rests on the target named here (index of the shadow model): leaving out that target moves "
    "the mean by more than the standard error of the mean of the others."
)
NOTE_PPV = (
    f"{HOLLOW}: fewer than half of the targets have a false positive, or this mean over targets lies above the "
    "interval of the pooled PPV. A target with hits and without a false positive counts as 100 % in it, however few "
    "its hits, even by chance: read the pooled PPV, and what chance gives."
)
TITLES = {"TPR at 0 FP": " (not resolved: 0 FP)", "few FP": " (fewer than 5 FP expected)"}


def marked(cell: str, resolved: str = "", influential: str = "", place: str = "at", hollow: bool = False) -> str:
    """Adds the marks to a cell.

    Args:
        cell: The number.
        resolved: Label from :func:`lira.evaluation.calibration.resolution`.
        influential: Targets that each move the mean by more than the standard error of the mean of the others,
            separated by spaces.
        place: ``at`` for the target's own threshold, ``τ at`` for that of its shadow models.
        hollow: Whether it is a mean of PPVs that :func:`lira.evaluation.rates.is_hollow`.
    """
    cell += RESOLUTION.get(resolved, "").format(place=place) + f" {HOLLOW}" * hollow
    return f"{cell} {INFLUENCE}{influential.replace(' ', ',')}" if influential else cell


def tpr_of(row: Any) -> str:
    """Writes mean ± standard deviation of the TPR of a row of rates, with its marks."""
    return marked(mean_std(row.tpr_mean, row.tpr_std, 3), row.resolution, row.tpr_influential)


def notes(resolved: Iterable[str], influential: Iterable[str] = (), hollow: Iterable[bool] = ()) -> list[str]:
    """Returns the notes that explain the marks of a table."""
    present = set(resolved)
    found = [note for label, note in NOTES.items() if label in present]
    return found + [NOTE] * any(influential) + [NOTE_PPV] * any(hollow)


def of_scores(runs: Sequence[Run]) -> list[str]:
    """Returns notes on attacks that were not scored, have few levels, or use few of a run's scores."""
    found: dict[str, list[str]] = {}
    for run in runs:
        said, told = run.scoring, list[str]()
        if lost := said.get("thrown_away"):
            shares = " and ".join(f"{percent(round(share, 3))} of the {side}" for side, share in lost.items())
            told.append(f"the cut to the smallest count over all samples leaves out {shares} scores (LiRA).")
        if levels := said.get("levels"):
            least = percent(float(f"{1 / levels:.2g}"))
            told.append(f"{show('reference')} has {levels} levels and resolves no FPR below {least}.")
        reasons: dict[str, list[str]] = {}
        for attack, reason in said.get("not_scored", {}).items():
            reasons.setdefault(reason, []).append(show(attack))
        told += [f"not scored {', '.join(names)}: {reason}." for reason, names in reasons.items()]
        for text in told:
            found.setdefault(text, []).append("/".join(map(str, run.key.values())))
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def of_training(runs: Sequence[Run]) -> list[str]:
    """Returns a note on each run some of whose models failed to train."""
    said = "models failed to train: their loss is not finite, or accuracy at chance"
    failed = [run for run in runs if run.diverged]
    return [f"{'/'.join(map(str, run.key.values()))}: {run.diverged} of {run.models} {said}." for run in failed]


def not_resolved(fpr: float, negatives: float) -> str:
    """Returns a remark for a title if so many non-members do not resolve an FPR; else nothing."""
    return TITLES.get(resolution(fpr, negatives).label, "")


def fpr_of(fpr: float, negatives: float) -> str:
    """Writes an FPR for a title, with the remark of :func:`not_resolved`."""
    return f"{percent(fpr)} FPR{not_resolved(fpr, negatives)}"
