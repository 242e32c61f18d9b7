"""Judges whether two numbers with standard errors agree within a margin, and writes the lines of the table of claims.

A claim has a direction (is it true of this study?) and, where the paper gives a number, a size (by as much?).
"""

import math
from collections.abc import Mapping

import numpy as np

from lira.evaluation.estimates import Estimate

AGREES, DIFFERS, UNKNOWN, NOT_COMPARABLE = "agrees", "differs", "cannot tell", "not comparable"
VERDICTS = (AGREES, DIFFERS, UNKNOWN, NOT_COMPARABLE)
HOLDS, FAILS = "holds", "does not hold"
OF_SIZES = {AGREES: HOLDS, DIFFERS: FAILS, UNKNOWN: UNKNOWN}

POINTS = ("accuracy", "auc", "ppv", "jaccard", "correlation", "explained")
"""Kinds of numbers whose margin is absolute; that of the others is a share of the published number."""

BOUNDS = {"correlation": (-1, 1), "explained": (0, 1), "fit": (-math.inf, math.inf), "points": (-100, 100)}
PERCENT = ("accuracy", "auc", "tpr", "fpr", "ppv", "jaccard")


def margin_of(kind: str, published: float, margins: Mapping[str, float]) -> float:
    """Returns the largest difference from a published number that still agrees, in the number's unit."""
    return margins[kind] * (1 if kind in POINTS else abs(published))


def within(kind: str, low: float, high: float) -> tuple[float, float]:
    """Cuts an interval to the values that this kind of number can have."""
    least, most = BOUNDS.get(kind, (0, 100 if kind in PERCENT else math.inf))
    return max(low, least), min(high, most)


def equivalence(difference: Estimate, margin: float) -> str:
    """Tests for equivalence by two one-sided tests at 5 %.

    Args:
        difference: Our number less the published one, with the errors of both.
        margin: Largest difference that still agrees.

    Returns:
        ``agrees`` if the 90 % interval lies within the margin, ``differs`` if it lies outside, else ``cannot tell``.
    """
    low, high = difference.interval()
    if max(abs(low), abs(high)) <= margin:
        return AGREES
    return DIFFERS if low > margin or high < -margin else UNKNOWN


def exceeds(estimate: Estimate, bound: float) -> str:
    """Returns ``holds`` if the 90 % interval lies above ``bound``, ``does not hold`` if below, else ``cannot tell``."""
    low, high = estimate.interval()
    if low > bound:
        return HOLDS
    return FAILS if high < bound else UNKNOWN


def claim_line(
    claim: str, part: str, verdict: str, ours: Estimate | None, kind: str, numbers: str, stated: float = np.nan
) -> dict:
    """Returns one line of the table of claims, with the 90 % interval of our number."""
    found = ours or Estimate(np.nan, np.nan)
    low, high = within(kind, *found.interval())
    places = {"claim": claim, "part": part, "verdict": verdict, "stated": stated, "ours": found.value}
    return places | {"low": low, "high": high, "numbers": numbers}


def untold_line(claim: str, part: str, why: str) -> dict:
    """Returns the line of a claim for which the study has no number."""
    return claim_line(claim, part, UNKNOWN, None, "", why)


def judge_size(
    claim: str, part: str, ours: Estimate | None, stated: Estimate, margins: Mapping[str, float], kind: str, said: str
) -> dict:
    """Returns the line of a size, which holds if our number agrees with the stated one within the margin of its kind.

    A number that the paper gives in its text only has no error there: it counts as exact (error 0).
    """
    margin = margin_of(kind, stated.value, margins)
    verdict = equivalence(ours - stated, margin) if ours else UNKNOWN
    error = f"its standard error {stated.error:.2g}, " if stated.error else ""
    numbers = f"{said}; stated {stated.value:.3g}, {error}margin ±{margin:.3g}"
    return claim_line(claim, part, OF_SIZES[verdict], ours, kind, numbers, stated.value)
