"""The answer of an audit: a verdict, and one sentence with its uncertainty."""

from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lira.evaluation.bootstrap import LEVEL

Verdict = Literal["leaks", "no leak found", "cannot tell"]
LEAKS: Verdict = "leaks"
NO_LEAK: Verdict = "no leak found"
UNKNOWN: Verdict = "cannot tell"


def answer(summary: pd.DataFrame, truth: Bool[np.ndarray, " sample"] | None, samples: int) -> tuple[Verdict, str]:
    """Returns the verdict and the sentence that says it.

    Args:
        summary: Rows of all attacks, with ``p_holm``.
        truth: The given model's membership, if it is known.
        samples: Size of the pool.
    """
    if truth is None:
        return UNKNOWN, f"Whether this model leaks cannot be told without a list of its members: {_flags(summary)}."
    if not truth.any() or truth.all():
        said = f"all of the {samples:,} records are" if truth.any() else f"none of the {samples:,} records is"
        return UNKNOWN, f"Whether this model leaks cannot be told, as {said} in its list of members: {_flags(summary)}."
    tests = int(summary["p_value"].notna().sum())
    certain = summary[summary["p_holm"] < 1 - LEVEL]
    members, others = int(truth.sum()), int((~truth).sum())
    if certain.empty:
        return NO_LEAK, _no_leak(summary, members, others, tests)
    at_thresholds = certain[certain["metric"] == "tpr"]
    best = (at_thresholds if len(at_thresholds) else certain).sort_values("p_value", kind="stable").iloc[0]
    chance = f"by chance alone {_p(best['p_holm'])}, corrected for {tests} tests"
    ends = f"95 % interval {_span(best['low'], best['high'])}"
    if best["metric"] == "auc":
        said = (
            f"a member scores above another record {percent(best['value'])} of the time ({ends}; chance 50 %; {chance})"
        )
        return LEAKS, f"This model leaks: under the attack {best['attack']} {said}, though no threshold shows it."
    false = summary.query("attack == @best.attack and fpr == @best.fpr and metric == 'fpr_achieved'")["value"].iloc[0]
    said = (
        f"at the shadow models' threshold for {percent(best['fpr'])} false alarms the attack {best['attack']} flags "
        f"{round(best['value'] * members):,} of {members:,} members, {percent(best['value'])} ({ends}), and "
        f"{round(false * others):,} of {others:,} other records, {percent(false)}"
    )
    return LEAKS, f"This model leaks: {said}; {chance}."


def _no_leak(summary: pd.DataFrame, members: int, others: int, tests: int) -> str:
    rates, areas = summary[summary["metric"] == "tpr"], summary[summary["metric"] == "auc"]
    fprs = sorted(rates["fpr"].unique())
    shown = next((fpr for fpr in fprs if fpr * others >= 1), fprs[-1])
    most = rates[rates["fpr"] == shown]["high"].max()
    return (
        f"No leak was found in {members:,} members and {others:,} other records: at the threshold for {percent(shown)} "
        f"false alarms at most {percent(most)} of the members are flagged, and members score above others at most "
        f"{percent(areas['high'].max())} of the time (the largest upper 95 % ends of {_counted(summary)}; chance "
        f"{percent(shown)} and 50 %; smallest {_p(summary['p_holm'].min())}, corrected for {tests} tests)."
    )


def _counted(summary: pd.DataFrame) -> str:
    count = summary["attack"].nunique()
    return f"{count} attacks" if count > 1 else "one attack"


def _flags(summary: pd.DataFrame) -> str:
    """Says how many records are flagged by the attack that flags most at the largest FPR, and of the shadow models."""
    rows = summary[summary["metric"] == "flagged"]
    row = rows[rows["fpr"] == rows["fpr"].max()].sort_values("value", kind="stable").iloc[-1]
    theirs = f"; of the shadow models, {percent(row['shadows_mean'])} on average"
    shadows = "" if np.isnan(row["shadows_mean"]) else theirs
    return (
        f"the attack {row['attack']} flags {percent(row['value'])} of the records (95 % interval "
        f"{_span(row['low'], row['high'])}) at the shadow models' threshold for {percent(row['fpr'])} false alarms"
        f"{shadows}"
    )


def percent(fraction: float) -> str:
    """Writes a fraction in percent with at most three digits."""
    return f"{100 * fraction:.3g} %"


def _p(value: float) -> str:
    return f"p = {value:.2g}" if value >= 0.001 else "p < 0.001"


def _span(low: float, high: float) -> str:
    return f"{100 * low:.3g} to {100 * high:.3g} %"
