"""The agreement of flagged sets (any fp): compares the published one with the study's, and tests the claims on it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lira.evaluation.estimates import Estimate
from lira.evaluation.flagged_sets import MEASURES, SEEDS, EstimatedAgreement, lowering_run, sets_of
from lira.paper.comparison import Number, judge_number
from lira.paper.equivalence import FAILS, HOLDS, UNKNOWN, Claim, exceeds
from lira.paper.published import published
from lira.paper.results import Benchmark, listed
from lira.report.labels import percent
from lira.report.marks import fpr_of
from lira.report.runs import title_of
from lira.storage.comparison import Comparison

FPR = 1e-5
"""FPR of the published sets."""

SHOWN = {"jaccard": "Jaccard (%)", "intersection": "Intersection", "union": "Union"}
AOF = {"augment": {"flip", "crop", "rotate", "jitter", "cutmix"}, "dropout": 0.1, "weight_decay": 1e-3}
"""Recipe of the published reference runs, aof (paper, Table 1)."""

VARIANTS = {"BS=512, DRP=20%": "resnet18", "DRP=25%, WD=3e-3": "resnet18", "TL": "efficientnetv2_s", "Arch": "wrn28_2"}
"""Network of each published variant, by its name in the figure."""

STATED = {2: 56.0, SEEDS: 13.7}
"""Jaccard (%) of identical runs by their number."""

STATED_MIXED = 2.4
"""Jaccard (%) of five runs and three variants."""

DIFFERENT = 3
DISAGREE = 97.0

TIMES = 1.5
"""The agreement is said to rest on a run if it is this many times as high without it as without another."""


class Sets(Comparison):
    """A comparison of runs, with the samples that they flag."""

    def __init__(self, folder: Path | str):
        super().__init__(folder)
        self.first = Benchmark(self.runs[0].folder)
        self.different = [Benchmark(run.folder) for run in self.variants.values()]
        self.flagged = cache(partial(sets_of, self))

    def obstacles(self) -> str:
        """Returns why they cannot be compared with the published sets; empty if they can."""
        other = "" if _is_aof(self.first) else "recipe other than aof"
        return listed(self.first.obstacles("cifar10", "resnet18"), other)

    def describe(self, fpr: float) -> str:
        """Names the runs and the FPR, and says if the pool does not resolve it."""
        return f"{title_of(self)} at {fpr_of(fpr, self.negatives)}"


def _is_aof(run: Benchmark) -> bool:
    """Looks at the recipe; imported scores without one are known by the name of their regime."""
    given = {name: run.recipe[name] for name in AOF if run.recipe[name] is not None}
    if not given:
        return run.key["regime"] in ("aof", "aof_seeds")
    return given | {"augment": set(given.get("augment", ()))} == AOF


class Scenario(NamedTuple):
    """The variants of a study that stand for those of a published scenario.

    Attributes:
        different: Number of variants among the runs that are combined.
        among: Indices of the variants to choose from; all if ``None``.
        obstacles: Why they cannot be compared; empty if they can.
        label: Other differences from the paper's variants.
    """

    different: int = 0
    among: Sequence[int] | None = None
    obstacles: str = ""
    label: str = ""


IDENTICAL = Scenario()


def find_scenario(sets: Sets, name: str) -> Scenario | None:
    """Returns what a study has of a published scenario, by its name in the figure.

    Returns:
        ``None`` if the study has no such variant, or too few. Where the scenario names no variant, all count.
    """
    if name.startswith("Identical"):
        return IDENTICAL
    ours = [_variant(run, sets.first) for run in sets.different]
    number, which = int(name[1]), name.partition("(")[2].removesuffix(")")
    chosen = [index for index, variant in enumerate(ours) if which in ("", variant)]
    if len(chosen) < number:
        return None
    known = [(sets.different[index], VARIANTS[ours[index]]) for index in chosen if ours[index]]
    other = ", ".join(run.key["architecture"] for run, network in known if not run.is_network(network))
    obstacles = f"architecture {other} of a variant" if other else ""
    label = "" if which or set(ours) == set(VARIANTS) else "variants other than published"
    return Scenario(number, chosen[:number] if which else chosen, obstacles, label)


def _variant(run: Benchmark, reference: Benchmark) -> str:
    """Returns the paper's name of a variant, by its recipe; empty if the paper has none like it."""
    recipe = run.recipe
    if recipe["start"] not in ("scratch", None):
        return "TL"
    if run.key["architecture"] != reference.key["architecture"]:
        return "Arch"
    if (recipe["batch_size"], recipe["dropout"]) == (512, 0.2):
        return "BS=512, DRP=20%"
    return "DRP=25%, WD=3e-3" if (recipe["dropout"], recipe["weight_decay"]) == (0.25, 3e-3) else ""


def compare_support(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 3: identical runs by the fewest detections that count."""
    for k, support, *values in published("support").rows.itertuples(index=False):
        yield from _compare({"runs": k, "support": support}, sets, values, margins, IDENTICAL)


def compare_agreement(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 2: identical runs, and with variants among them, tp >= 1."""
    for (name, k), group in published("agreement").rows.groupby(["scenario", "runs_combined"], sort=False):
        if given := find_scenario(sets, name):
            yield from _compare({"runs": k, "scenario": name}, sets, group["value"], margins, given)


def _compare(of: dict, sets: Sets, values: Sequence[float], margins: Mapping, scenario: Scenario) -> Iterator[dict]:
    """Yields a row per measure of the agreement of so many ``runs``, with what it is ``of``."""
    runs, obstacles, found = len(sets.reference), sets.obstacles() or scenario.obstacles, None
    if not obstacles:
        if FPR not in sets.first.fprs or (scenario.different and runs < SEEDS):
            return
        flagged = sets.flagged(FPR, of.get("support", 1), variants=scenario.different > 0)
        found = flagged.estimate(of["runs"], scenario.different, scenario.among)
    other = "" if runs == SEEDS else f"{runs} runs (published {SEEDS})"
    label = listed(other, sets.first.other_pool, scenario.label)
    no_error = f"no error between runs: {runs} of them are combined"
    for measure, value in zip(MEASURES, values, strict=True):
        ours = _measured(found, measure) if found else None
        theirs = Estimate(value, as_published(sets, ours) if ours else np.nan)
        kind = "jaccard" if measure == "jaccard" else "samples"
        row = judge_number(Number(SHOWN[measure], kind, theirs, ours, no_error=no_error), margins, obstacles, label)
        yield {"published_run": "cifar10/resnet18"} | of | sets.first.names | row


def _measured(found: EstimatedAgreement, measure: str) -> Estimate:
    """Returns a measure, the Jaccard in percent; without an error where all runs are combined."""
    value, error = getattr(found, measure)
    scale = 100 if measure == "jaccard" else 1
    return Estimate(scale * value, scale * error if found.between_runs else np.nan)


def as_published(sets: Sets, ours: Estimate) -> float:
    """Returns the standard error of the published agreement, which is of five runs, from the study's."""
    return ours.error * (len(sets.reference) / SEEDS) ** 0.5


def judge_agreement(sets: Sets, margins: Mapping[str, float]) -> Iterator[dict]:
    """Tests by how much identical runs agree, and whether three configurations hardly do."""
    fpr, runs = sets.first.fprs[0], len(sets.reference)
    place, most, different = sets.describe(fpr), min(SEEDS, runs), min(DIFFERENT, len(sets.variants))

    def jaccard(k: int, different: int = 0) -> tuple[Estimate, str]:
        found = sets.flagged(fpr).estimate(k, different)
        said = "" if found.between_runs else " (no error between runs: all of them are combined)"
        return _measured(found, "jaccard"), f"{said}; {place}"

    claim = Claim("Identical runs agree less the more are combined", margins)  # true of any sets: its size can be wrong
    for k, stated in STATED.items():
        ours, rest = jaccard(k) if runs >= k else (None, "")
        said = f"Jaccard {ours.value:.1f} % of {k} runs{rest}" if ours else f"{runs} runs are too few"
        yield _size(sets, IDENTICAL, claim, f"size, {k} runs", ours, stated, said)
    claim = Claim("More than 97 % of the flagged samples disagree", margins)
    if not different:
        yield claim.untold("direction", f"no variants; {place}")
        return
    ours, rest = jaccard(most + different, different)
    said = f"{most} runs and {different} variants share {ours.value:.2f} % of what they flag{rest}"
    same = (most, different) == (SEEDS, DIFFERENT)  # of fewer runs, less disagrees
    verdict = exceeds(Estimate(100 - ours.value, ours.error), DISAGREE) if same else UNKNOWN
    yield claim.line("direction", verdict, ours, "jaccard", said)
    said = said if same else f"needs {SEEDS} runs and {DIFFERENT} variants, there are {most} and {different}"
    mixed = find_scenario(sets, f"+{DIFFERENT} different") or IDENTICAL
    yield _size(sets, mixed, claim, "size", ours if same else None, STATED_MIXED, said)


def _size(
    sets: Sets, scenario: Scenario, claim: Claim, part: str, ours: Estimate | None, stated: float, said: str
) -> dict:
    """Returns the line of a Jaccard; the published one gets its error from ours, as where the tables are compared."""
    other = "" if sets.first.fprs[0] == FPR else f"{percent(sets.first.fprs[0])} FPR"
    if obstacles := listed(sets.obstacles(), scenario.obstacles, other):
        return claim.line(part, UNKNOWN, ours, "jaccard", f"{said}; not comparable: {obstacles}", stated)
    return claim.size(part, ours, Estimate(stated, as_published(sets, ours) if ours else 0.0), "jaccard", said)


def judge_single_run(sets: Sets) -> dict:
    """Tests the suspicion that the one-off detections of one run make the agreement of all of them low."""
    claim, fpr = Claim("A single run makes the agreement low", {}), sets.first.fprs[0]
    found, place = lowering_run(sets.flagged(fpr)), sets.describe(fpr)
    if found is None:
        return claim.untold("direction", f"{len(sets.reference)} runs are too few, or flag nothing")
    said = f"Jaccard of the others {found.without:.1f} % without seed "
    said += f"{sets.runs[found.run].key['seed']}, {found.others:.1f} % without another"
    if np.isnan(found.times):
        return claim.untold("direction", f"{said}: no ratio; {place}")
    low, high = found.interval
    verdict = HOLDS if low > TIMES else FAILS if high < TIMES else UNKNOWN
    verdict = verdict if found.stands_out or verdict == UNKNOWN else FAILS
    said += f"; that run alone flags {found.alone} samples, another alone {found.others_alone:.0f} (median); "
    said += f"{place}; holds from {TIMES:g} times the Jaccard"
    return claim.line("direction", verdict, Estimate(found.times, np.nan), "share", said) | {"low": low, "high": high}
