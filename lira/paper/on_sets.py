"""Tests the paper's claims on the agreement of flagged sets (tp >= 1, any fp), on the study's own results."""

from collections.abc import Iterator, Mapping

import numpy as np

from lira.evaluation.estimates import Estimate
from lira.evaluation.flagged_sets import SEEDS, FlaggedSets, lowering_run
from lira.paper.equivalence import FAILS, HOLDS, UNKNOWN, claim_line, exceeds, judge_size, untold_line
from lira.paper.overlap import FPR, IDENTICAL, Scenario, Sets, as_published, find_scenario
from lira.report.labels import percent

VARIANTS = 3
DISAGREE = 97.0
STATED = {2: 56.0, SEEDS: 13.7}
"""Jaccard (%) of identical runs by their number."""

STATED_MIXED = 2.4
"""Jaccard (%) of five runs and three variants."""

TIMES = 1.5
"""The agreement is said to rest on a run if it is this many times as high without it as without another."""


def judge_agreement(sets: Sets, margins: Mapping[str, float]) -> Iterator[dict]:
    """Tests by how much identical runs agree, and whether three configurations hardly do."""
    fpr, runs = sets.first.fprs[0], len(sets.reference)
    flagged, place, most = sets.flagged(fpr), sets.describe(fpr), min(SEEDS, runs)
    claim = "Identical runs agree less the more are combined"  # true of any sets: only its size can be wrong
    for k, stated in STATED.items():
        ours, error = _jaccard(flagged, k) if runs >= k else (None, "")
        said = f"Jaccard {ours.value:.1f} % of {k} runs{error}; {place}" if ours else f"{runs} runs are too few"
        yield _size(sets, IDENTICAL, claim, f"size, {k} runs", ours, stated, margins, said)
    claim, different = "More than 97 % of the flagged samples disagree", min(VARIANTS, len(sets.variants))
    if not different:
        yield untold_line(claim, "direction", f"no variants; {place}")
        return
    ours, error = _jaccard(flagged, most + different, different)
    said = f"{most} runs and {different} variants share {ours.value:.2f} % of what they flag{error}; {place}"
    same = (most, different) == (SEEDS, VARIANTS)  # of fewer runs, less disagrees
    verdict = exceeds(Estimate(100 - ours.value, ours.error), DISAGREE) if same else UNKNOWN
    yield claim_line(claim, "direction", verdict, ours, "jaccard", said)
    said = said if same else f"needs {SEEDS} runs and {VARIANTS} variants, there are {most} and {different}"
    mixed = find_scenario(sets, f"+{VARIANTS} different") or IDENTICAL
    yield _size(sets, mixed, claim, "size", ours if same else None, STATED_MIXED, margins, said)


def _size(
    sets: Sets, of: Scenario, claim: str, part: str, ours: Estimate | None, stated: float, margins: Mapping, said: str
) -> dict:
    """Returns the line of a Jaccard; the published one gets its error from ours, as where the tables are compared."""
    other = "" if sets.first.fprs[0] == FPR else f"{percent(sets.first.fprs[0])} FPR"
    if obstacles := ", ".join(filter(None, (sets.obstacles(), of.obstacles, other))):
        return claim_line(claim, part, UNKNOWN, ours, "jaccard", f"{said}; not comparable: {obstacles}", stated)
    error = as_published(ours.error, len(sets.reference)) if ours else 0.0
    return judge_size(claim, part, ours, Estimate(stated, error), margins, "jaccard", said)


def _jaccard(flagged: FlaggedSets, k: int, different: int = 0) -> tuple[Estimate, str]:
    """Returns the Jaccard in percent, and what to say of its error."""
    found = flagged.estimate(k, different)
    said = "" if found.between_runs else " (no error between runs: all of them are combined)"
    return Estimate(100 * found.jaccard.value, 100 * found.jaccard.error if found.between_runs else np.nan), said


def judge_single_run(sets: Sets) -> dict:
    """Tests the suspicion that the one-off detections of one run make the agreement of all of them low."""
    claim, part, fpr, runs = (
        "A single run makes the agreement low",
        "direction",
        sets.first.fprs[0],
        len(sets.reference),
    )
    found = lowering_run(sets.flagged(fpr))
    if found is None:
        return untold_line(claim, part, f"{runs} runs are too few, or flag nothing")
    said = f"Jaccard of the others {found.without:.1f} % without seed "
    said += f"{sets.runs[found.run].key['seed']}, {found.others:.1f} % without another"
    if np.isnan(found.times):
        return untold_line(claim, part, f"{said}: no ratio; {sets.describe(fpr)}")
    low, high = found.interval
    verdict = HOLDS if low > TIMES else FAILS if high < TIMES else UNKNOWN
    verdict = verdict if found.stands_out or verdict == UNKNOWN else FAILS
    said += f"; that run alone flags {found.alone} samples, another alone {found.others_alone:.0f} (median); "
    said += f"{sets.describe(fpr)}; holds from {TIMES:g} times the Jaccard"
    return claim_line(claim, part, verdict, Estimate(found.times, np.nan), "share", said) | {"low": low, "high": high}
