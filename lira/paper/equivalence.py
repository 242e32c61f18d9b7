"""Judges whether two numbers with standard errors agree within a margin, and writes the lines on the claims."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lira.evaluation.estimates import Estimate

AGREES, DIFFERS, UNKNOWN, NOT_COMPARABLE = "agrees", "differs", "cannot tell", "not comparable"
VERDICTS = (AGREES, DIFFERS, UNKNOWN, NOT_COMPARABLE)
HOLDS, FAILS = "holds", "does not hold"
OF_SIZES = {AGREES: HOLDS, DIFFERS: FAILS, UNKNOWN: UNKNOWN}

POINTS = ("accuracy", "auc", "ppv", "jaccard", "correlation", "explained")
"""Kinds of numbers whose margin is absolute; that of the others is a share of the published number."""

BOUNDS = {"correlation": (-1, 1), "explained": (0, 1), "fit": (-math.inf, math.inf), "points": (-100, 100)}
BOUNDS |= dict.fromkeys(("accuracy", "auc", "tpr", "fpr", "ppv", "jaccard"), (0, 100))


def margin_of(kind: str, published: float, margins: Mapping[str, float]) -> float:
    """Returns the largest difference from a published number that still agrees, in the number's unit."""
    return margins[kind] * (1 if kind in POINTS else abs(published))


def within(kind: str, low: float, high: float) -> tuple[float, float]:
    """Cuts an interval to the values that this kind of number can have."""
    least, most = BOUNDS.get(kind, (0, math.inf))
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


class Claim(NamedTuple):
    """A claim: it has a direction (is it true of this study?) and, where the paper gives a number, a size.

    Attributes:
        name: What is claimed.
        margins: Largest differences that still agree, by kind of number; only sizes need them.
    """

    name: str
    margins: Mapping[str, float]

    def line(
        self, part: str, verdict: str, ours: Estimate | None, kind: str, said: str, stated: float = np.nan
    ) -> dict:
        """Returns one line of the table of claims, with the 90 % interval of our number."""
        found = ours or Estimate(np.nan, np.nan)
        low, high = within(kind, *found.interval())
        places = {"claim": self.name, "part": part, "verdict": verdict, "stated": stated, "ours": found.value}
        return places | {"low": low, "high": high, "numbers": said}

    def untold(self, part: str, why: str) -> dict:
        """Returns the line of a part for which the study has no number."""
        return self.line(part, UNKNOWN, None, "", why)

    def size(self, part: str, ours: Estimate | None, stated: Estimate, kind: str, said: str) -> dict:
        """Returns the line of a size, which holds if our number agrees with the stated one within its margin.

        A number that the paper gives in its text only has no error there: it counts as exact (error 0).
        """
        margin = margin_of(kind, stated.value, self.margins)
        verdict = equivalence(ours - stated, margin) if ours else UNKNOWN
        error = f"its standard error {stated.error:.2g}, " if stated.error else ""
        said += f"; stated {stated.value:.3g}, {error}margin ±{margin:.3g}"
        return self.line(part, OF_SIZES[verdict], ours, kind, said, stated.value)
