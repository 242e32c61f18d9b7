"""Two numbers with their errors: do they agree within a margin, differ by more, or is that not known?"""

import math

from lira.evaluation.estimates import Estimate

AGREES, DIFFERS, UNKNOWN, NOT_COMPARABLE = "agrees", "differs", "cannot tell", "not comparable"
VERDICTS = (AGREES, DIFFERS, UNKNOWN, NOT_COMPARABLE)


def equivalence(difference: Estimate, margin: float) -> str:
    """Two one-sided tests at 5 %: ``agrees``, ``differs`` or ``cannot tell``.

    Args:
        difference: Ours less the published number, with the errors of both.
        margin: Largest difference that still agrees.

    Returns:
        ``agrees`` if the 90 % interval lies within the margin, ``differs`` if it lies outside, else ``cannot tell``.
    """
    low, high = difference.interval()
    if max(abs(low), abs(high)) <= margin:
        return AGREES
    return DIFFERS if low > margin or high < -margin else UNKNOWN


BOUNDS = {"correlation": (-1, 1), "explained": (0, 1), "fit": (-math.inf, math.inf), "points": (-100, 100)}
PERCENT = ("accuracy", "auc", "tpr", "fpr", "ppv", "jaccard")


def within(kind: str, low: float, high: float) -> tuple[float, float]:
    """Both ends of an interval, kept to the values that a kind of number can have."""
    least, most = BOUNDS.get(kind, (0, 100 if kind in PERCENT else math.inf))
    return max(low, least), min(high, most)


HOLDS, FAILS = "holds", "does not hold"


def exceeds(estimate: Estimate, bound: float) -> str:
    """``holds`` if the 90 % interval lies above ``bound``, ``does not hold`` if below, else ``cannot tell``."""
    low, high = estimate.interval()
    if low > bound:
        return HOLDS
    return FAILS if high < bound else UNKNOWN
