"""Lines of the table of claims.

A claim has a direction (is it so here at all?) and, where the paper gives one, a size (by as much as it says?). The
direction holds if the 90 % interval lies on its side; the size holds if the 90 % interval of the difference from the
paper's number lies within the margin.
"""

from collections.abc import Mapping

import numpy as np

from lira.evaluation.estimates import Estimate
from lira.paper.comparison import margin_of
from lira.paper.equivalence import AGREES, DIFFERS, FAILS, HOLDS, UNKNOWN, equivalence, within

OF_SIZES = {AGREES: HOLDS, DIFFERS: FAILS, UNKNOWN: UNKNOWN}


def line(
    claim: str, part: str, verdict: str, ours: Estimate | None, kind: str, numbers: str, stated: float = np.nan
) -> dict:
    """One line of the table of claims; ``ours`` comes with its 90 % interval."""
    found = ours or Estimate(np.nan, np.nan)
    low, high = within(kind, *found.interval())
    places = {"claim": claim, "part": part, "verdict": verdict, "stated": stated, "ours": found.value}
    return places | {"low": low, "high": high, "numbers": numbers}


def size(
    claim: str,
    part: str,
    ours: Estimate | None,
    stated: Estimate,
    margins: Mapping[str, float],
    kind: str,
    numbers: str,
) -> dict:
    """The line of a size: does ours agree with the stated one within the margin of its kind?

    The stated number is exact (error 0) where the paper gives it in its text alone.
    """
    margin = margin_of(kind, stated.value, margins)
    known = ours is not None and not np.isnan(ours.error)
    verdict = equivalence(ours - stated, margin) if known else UNKNOWN
    said = f"{numbers}; stated {stated.value:.3g}, {f'its standard error {stated.error:.2g}, ' if stated.error else ''}"
    return line(claim, part, OF_SIZES[verdict], ours, kind, f"{said}margin ±{margin:.3g}", stated.value)
