"""The paper's claims on the agreement of flagged sets (tp >= 1, any fp), tested on the study's own results."""

from collections.abc import Iterator, Mapping

import numpy as np

from lira.evaluation.estimates import LEVEL, Estimate
from lira.evaluation.flagged_sets import SEEDS, FlaggedSets, times_without
from lira.evaluation.robust import influence
from lira.paper.equivalence import FAILS, HOLDS, UNKNOWN, exceeds
from lira.paper.lines import line, size
from lira.paper.overlap import FPR, IDENTICAL, Scenario, Sets, as_published, scenario
from lira.report.labels import percent

VARIANTS = 3
DISAGREE = 97.0
STATED = {2: 56.0, SEEDS: 13.7}
"""Jaccard (%) of identical runs by their number."""

STATED_MIXED = 2.4
"""Jaccard (%) of five runs and three variants."""

TIMES = 1.5
"""How many times as high the agreement is without one run as without another, from which it is said to rest on it."""

LIMITS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def agreement(sets: Sets, margins: Mapping[str, float]) -> Iterator[dict]:
    """By how much identical runs agree, and whether three configurations hardly do."""
    fpr, runs = sets.fprs[0], len(sets.reference)
    flagged, of, most = sets.flagged(fpr), sets.describe(fpr), min(SEEDS, runs)
    claim = "Identical runs agree less the more are combined"  # of any sets: only by how much can be wrong
    for k, stated in STATED.items():
        ours, error = _jaccard(flagged, k) if runs >= k else (None, "")
        said = f"Jaccard {ours.value:.1f} % of {k} runs{error}; {of}" if ours else f"{runs} runs are too few"
        yield _size(sets, IDENTICAL, claim, f"size, {k} runs", ours, stated, margins, said)
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
    mixed = scenario(sets, f"+{VARIANTS} different") or IDENTICAL
    yield _size(sets, mixed, claim, "size", ours if same else None, STATED_MIXED, margins, numbers)


def _size(
    sets: Sets, of: Scenario, claim: str, part: str, ours: Estimate | None, stated: float, margins: Mapping, said: str
) -> dict:
    """The line of a Jaccard; the published one has the error that ours gives it, as where the tables are compared."""
    other = "" if sets.fprs[0] == FPR else f"{percent(sets.fprs[0])} FPR"
    if obstacles := ", ".join(filter(None, (sets.obstacles(), of.obstacles, other))):
        return line(claim, part, UNKNOWN, ours, "jaccard", f"{said}; not comparable: {obstacles}", stated)
    error = as_published(ours.error, len(sets.reference)) if ours else 0.0
    return size(claim, part, ours, Estimate(stated, error), margins, "jaccard", said)


def _jaccard(flagged: FlaggedSets, k: int, different: int = 0) -> tuple[Estimate, str]:
    """In percent, and what to say of its error."""
    found = flagged.estimate(k, different)
    said = "" if found.between_runs else " (no error between runs: all of them are combined)"
    return Estimate(100 * found.jaccard.value, 100 * found.jaccard.error if found.between_runs else np.nan), said


def single_run(sets: Sets) -> Iterator[dict]:
    """Suspicion: the one-off detections of one run make the agreement of all of them low."""
    claim, fpr, runs = "A single run makes the agreement low", sets.fprs[0], len(sets.reference)
    flagged = sets.flagged(fpr)
    without, *drawn = flagged.left_out()
    if runs < 3 or np.isnan(without).any():
        yield line(claim, "direction", UNKNOWN, None, "share", f"{runs} runs are too few, or flag nothing")
        return
    highest = int(np.argmax(without))
    others = np.delete(without, highest).mean()
    numbers = f"Jaccard of the others {100 * without[highest]:.1f} % without seed "
    numbers += f"{sets.reference[highest].key['seed']}, {100 * others:.1f} % without another"
    if not others:
        yield line(claim, "direction", UNKNOWN, None, "share", f"{numbers}: no ratio; {sets.describe(fpr)}")
        return
    low, high = np.quantile(times_without(np.array(drawn), highest), LIMITS, method="inverted_cdf")
    alone = flagged.alone
    odd = influence(alone.astype(float)).flagged[highest] and alone[highest] == alone.max()
    verdict = HOLDS if low > TIMES else FAILS if high < TIMES else UNKNOWN
    numbers += f"; that run alone flags {alone[highest]} samples, another alone "
    numbers += f"{np.median(np.delete(alone, highest)):.0f} (median); {sets.describe(fpr)}; "
    numbers += f"holds from {TIMES:g} times the Jaccard"
    ratio = Estimate(float(times_without(without, highest)), np.nan)
    tested = line(claim, "direction", verdict if odd or verdict == UNKNOWN else FAILS, ratio, "share", numbers)
    yield tested | {"low": float(low), "high": float(high)}
