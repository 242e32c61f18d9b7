"""A gate for releases: whether what attacks find is surely below a limit, from the results of a run or of an audit.

A limit *passes* where the upper end of every attack's 95 % interval is below it. For several attacks that needs no
correction: all of them must pass. It is *exceeded* where the lower end of any is above it; as one of many would be by
chance, lower ends are those of intervals that hold for all attacks at once (Bonferroni). In between, and where the pool
does not resolve the FPR, the gate *cannot tell*. Nothing of a single record is said.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lira.config.catalogue import DELTA
from lira.core.errors import ConfigError, StoreError
from lira.core.validation import check_choice
from lira.evaluation.audits.files import read_audit
from lira.evaluation.best import BEST
from lira.evaluation.bootstrap import LEVEL, NORMAL, clopper_pearson, of_one_target
from lira.evaluation.calibration import resolution
from lira.evaluation.privacy import epsilon_of
from lira.storage.csv_files import COUNTS
from lira.storage.run import Run


class Outcome(IntEnum):
    """What a gate says, and the exit code of the command."""

    PASSES = 0
    EXCEEDED = 3
    CANNOT_TELL = 4


class Found(NamedTuple):
    """An attack's rate or ε: the lower end for all attacks at once, its own upper one, why it cannot be told, if so."""

    attack: str
    low: float
    high: float
    unresolved: str = ""


class Answer(NamedTuple):
    """The outcome, and one line that says why."""

    outcome: Outcome
    line: str


def judge(
    folder: Path | str,
    max_tpr: float | None = None,
    max_epsilon: float | None = None,
    at_fpr: float | None = None,
    delta: float = DELTA,
) -> Answer:
    """Compares a run or an audit with limits, of which one at least is given; the worst outcome is that of all.

    Args:
        folder: ``results/<study>/runs/<d>/<a>/<r>/seed<k>``, or ``results/<study>/targets/<name>``.
        max_tpr: Largest TPR at the FPR, at the shadow models' thresholds, a fraction.
        max_epsilon: Largest ε at δ that the counts at the FPR may show. Its interval follows from the ends of both
            rates; the true ε may be larger, as attacks bound it from below alone.
        at_fpr: Target FPR; the largest of the results if not given.
        delta: δ, a fraction.

    Raises:
        ConfigError: No limit is given, or the results do not have the FPR.
        StoreError: The folder holds neither a run nor an audit with a list of members.
    """
    if max_tpr is None and max_epsilon is None:
        raise ConfigError("no limit is given: give --max-tpr, --max-epsilon or both")
    counts = _counts_of(Path(folder))
    fprs = sorted(counts["fpr"].unique())
    fpr = fprs[-1] if at_fpr is None else at_fpr
    check_choice(fpr, "at_fpr", fprs)
    rows = counts[counts["fpr"] == fpr]
    answers = []
    if max_tpr is not None:
        answers.append(_compare(f"TPR at {100 * fpr:g} % FPR", _found(rows, _rates, fpr), max_tpr, 100, " %"))
    if max_epsilon is not None:
        found = _found(rows, partial(_epsilons, delta=delta), fpr)
        answers.append(_compare(f"ε at δ = {delta:g}", found, max_epsilon, 1, ""))
    order = [Outcome.PASSES, Outcome.CANNOT_TELL, Outcome.EXCEEDED]
    worst = max((answer.outcome for answer in answers), key=order.index)
    return Answer(worst, "; ".join(answer.line for answer in answers))


def _counts_of(folder: Path) -> pd.DataFrame:
    """Returns ``attack fpr tp fn fp tn``, and of a run ``tpr tpr_low tpr_high``, the interval over its targets."""
    if (folder / "audit.json").is_file():
        return read_audit(folder)
    run = Run(folder)
    if not run.is_stored:
        raise StoreError(f"{folder} has neither a run's shadows.h5 nor an audit.json: give the folder of one of them")
    counts = run.table("privacy.csv")[["attack", "fpr", *COUNTS]]
    rates = run.summary.query("mode == 'shadow' and metric == 'tpr' and attack != @BEST", local_dict={"BEST": BEST})
    names = {"mean": "tpr", "low": "tpr_low", "high": "tpr_high"}
    ends = rates[["attack", "fpr", *names]].rename(columns=names)
    of_each = [{*zip(found["attack"], found["fpr"], strict=True)} for found in (counts, ends)]
    if of_each[0] != of_each[1]:
        raise StoreError(f"{folder}: privacy.csv and summary.csv have other attacks or FPRs: run snakemake to the end")
    return counts.merge(ends, on=["attack", "fpr"]).assign(targets=run.models)


def _found(rows: pd.DataFrame, ends: Callable[[pd.DataFrame, float], list[np.ndarray]], fpr: float) -> list[Found]:
    """Puts the ends of each attack's interval together, with why they are not resolved, if so."""
    unresolved = []
    for negatives in (rows["fp"] + rows["tn"]) / rows["targets"]:
        few = resolution(fpr, negatives).label == "TPR at 0 FP"
        needed = (
            f"a target has {negatives:,.0f} non-members, {1 / fpr:,.0f} are needed" if fpr else "an FPR of 0 never is"
        )
        unresolved.append(needed if few else "")
    low, high = ends(rows, 1 - (1 - LEVEL) / len(rows))[0].tolist(), ends(rows, LEVEL)[1].tolist()
    return [Found(*row) for row in zip(rows["attack"], low, high, unresolved, strict=True)]


def _rates(rows: pd.DataFrame, level: float) -> list[np.ndarray]:
    """Returns both ends of the TPR: over targets where they are known, else those of one target.

    Those over targets are of the 95 % interval, which is widened as that of a normal distribution would be.
    """
    from scipy.special import ndtri

    members = rows["tp"] + rows["fn"]
    exact = of_one_target(rows["tp"] / members, members / rows["targets"], level)
    mean, *known = rows.reindex(columns=["tpr", "tpr_low", "tpr_high"]).to_numpy(dtype=np.float64).T
    wider = ndtri((1 + level) / 2) / NORMAL
    return [
        np.where(np.isnan(end), of, np.clip(mean + (end - mean) * wider, 0, 1))
        for end, of in zip(known, exact, strict=True)
    ]


def _epsilons(rows: pd.DataFrame, level: float, delta: float) -> list[np.ndarray]:
    """Returns both ends of ε, from the ends of both rates."""
    (least, most), (fewest, many) = (
        clopper_pearson(rows[hits], rows[hits] + rows[misses], level) for hits, misses in (("tp", "fn"), ("fp", "tn"))
    )
    return [epsilon_of(least, many, delta), epsilon_of(most, fewest, delta)]


def _compare(what: str, found: Sequence[Found], limit: float, scale: float, unit: str) -> Answer:
    """Compares the worst attack with a limit."""
    shown = f"{scale * limit:.3g}{unit}"
    highest, surest = max(found, key=lambda one: one.high), max(found, key=lambda one: one.low)
    of_all = f"of {len(found)} attacks" if len(found) > 1 else "of one attack"
    if surest.low > limit:
        least = f"{scale * surest.low:.3g}{unit} by {surest.attack}"
        at_once = " at once" if len(found) > 1 else ""
        said = f"exceeded: {what} is above {shown}: at least {least}, lower 95 % end {of_all}{at_once}"
        return Answer(Outcome.EXCEEDED, said)
    if why := next((one.unresolved for one in found if one.unresolved), ""):
        return Answer(Outcome.CANNOT_TELL, f"cannot tell: {what} is not resolved: {why}")
    most = f"{scale * highest.high:.3g}{unit}"
    if highest.high < limit:
        said = f"passes: {what} is below {shown}: at most {most} by {highest.attack}, upper 95 % end"
        return Answer(Outcome.PASSES, f"{said} {of_all}")
    return Answer(Outcome.CANNOT_TELL, f"cannot tell: {what} may be {most} by {highest.attack}, allowed is {shown}")
