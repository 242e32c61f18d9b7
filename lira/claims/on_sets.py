"""The paper's claims on the agreement of flagged sets (tp >= 1, any fp), tested on the study's own results."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from lira.claims.equivalence import FAILS, HOLDS, UNKNOWN, Estimate, exceeds
from lira.claims.lines import line, size
from lira.claims.overlap import Sets
from lira.claims.sets import SEEDS, Flagged
from lira.statistics import influence

VARIANTS = 3
DISAGREE = 97.0
STATED = {2: 56.0, SEEDS: 13.7}
"""Jaccard (%) of identical runs by their number."""

STATED_MIXED = 2.4
"""Jaccard (%) of five runs and three variants."""

TIMES = 1.5
"""How many times as high the agreement is without one run as without another, from which it is said to rest on it."""


def agreement(sets: Sets, margins: Mapping[str, float]) -> Iterator[dict]:
    """By how much identical runs agree, and whether three configurations hardly do."""
    fpr, runs = sets.fprs[0], len(sets.reference)
    flagged, of, most = sets.flagged(fpr), sets.describe(fpr), min(SEEDS, runs)
    claim = "Identical runs agree less the more are combined"  # of any sets: only by how much can be wrong
    for k, stated in STATED.items():
        ours, error = _jaccard(flagged, k) if runs >= k else (None, "")
        said = f"Jaccard {ours.value:.1f} % of {k} runs{error}; {of}" if ours else f"{runs} runs are too few"
        yield size(claim, f"size, {k} runs", ours, stated, margins, "jaccard", said)
    claim, different = "More than 97 % of the flagged samples disagree", min(VARIANTS, len(sets.variants))
    if not different:
        yield line(claim, "direction", UNKNOWN, None, "jaccard", f"no variants; {of}")
        return
    ours, error = _jaccard(flagged, most + different, different)
    numbers = f"{most} runs and {different} variants share {ours.value:.2f} % of what they flag{error}; {of}"
    same = (most, different) == (SEEDS, VARIANTS)  # of fewer runs, less disagrees
    verdict = exceeds(Estimate(100 - ours.value, ours.error), DISAGREE) if same else UNKNOWN
    yield line(claim, "direction", verdict, ours, "jaccard", numbers)
    numbers = numbers if same else f"needs {SEEDS} runs and {VARIANTS} variants, there are {most} and {different}"
    yield size(claim, "size", ours if same else None, STATED_MIXED, margins, "jaccard", numbers)


def _jaccard(flagged: Flagged, k: int, different: int = 0) -> tuple[Estimate, str]:
    """In percent, and what to say of its error."""
    found = flagged.agreed(k, different)
    said = "" if found.between_runs else " (no error between runs: all of them are combined)"
    return Estimate(100 * found.jaccard.value, 100 * found.jaccard.error if found.between_runs else np.nan), said


def single_run(sets: Sets) -> Iterator[dict]:
    """Suspicion: the one-off detections of one run make the agreement of all of them low."""
    claim, fpr, runs = "A single run makes the agreement low", sets.fprs[0], len(sets.reference)
    flagged = sets.flagged(fpr)
    without = left_out(flagged)
    if runs < 3 or np.isnan(without).any():
        yield line(claim, "direction", UNKNOWN, None, "share", f"{runs} runs are too few, or flag nothing")
        return
    alone, highest = flagged.alone, int(np.argmax(without))
    others = np.delete(without, highest).mean()
    ratio = without[highest] / others if others else np.inf
    odd = influence(alone.astype(float)).flagged[highest] and alone[highest] == alone.max()
    numbers = f"Jaccard of the others {100 * without[highest]:.1f} % without seed "
    numbers += f"{sets.reference[highest].key['seed']}, {100 * others:.1f} % without another; that run alone flags "
    numbers += f"{alone[highest]} samples, another alone {np.median(np.delete(alone, highest)):.0f} (median); "
    numbers += f"{sets.describe(fpr)}; holds from {TIMES:g} times the Jaccard"
    yield line(claim, "direction", HOLDS if odd and ratio > TIMES else FAILS, Estimate(ratio, np.nan), "share", numbers)


def left_out(flagged: Flagged) -> Float[np.ndarray, " run"]:
    """Jaccard of all reference runs but one, by the one that is left out."""
    everything = (1 << flagged.runs) - 1
    return flagged.measured[0, 0, [everything & ~(1 << run) for run in range(flagged.runs)]]
