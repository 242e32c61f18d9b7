"""Compares the published agreement of flagged sets with the study's."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lira.evaluation.estimates import Estimate
from lira.evaluation.flagged_sets import MEASURES, SEEDS, sets_of
from lira.paper.comparison import Number, compare_number
from lira.paper.published import published
from lira.paper.results import Benchmark
from lira.report.marks import fpr_of
from lira.report.runs import title_of
from lira.storage.comparison import Comparison
from lira.storage.run import Run

FPR = 1e-5
SHOWN = {"jaccard": "Jaccard (%)", "intersection": "Intersection", "union": "Union"}
AOF = {"augment": {"flip", "crop", "rotate", "jitter", "cutmix"}, "dropout": 0.1, "weight_decay": 1e-3}
"""Recipe of the published reference runs, aof (paper, Table 1)."""

VARIANTS = {"BS=512, DRP=20%": "resnet18", "DRP=25%, WD=3e-3": "resnet18", "TL": "efficientnetv2_s", "Arch": "wrn28_2"}
"""Network of each published variant, by its name in the figure."""


class Sets(Comparison):
    """A comparison of runs, with the samples that they flag."""

    def __init__(self, folder: Path | str):
        super().__init__(folder)
        self.first = Benchmark(self.runs[0].folder)
        self.flagged = cache(partial(sets_of, self))

    def obstacles(self) -> str:
        """Returns why they cannot be compared with the published sets; empty if they can."""
        found = [self.first.obstacles("cifar10", "resnet18")]
        return ", ".join(filter(None, [*found, "" if _is_aof(self.first) else "recipe other than aof"]))

    def describe(self, fpr: float) -> str:
        """Names the runs and the FPR, and says if the pool does not resolve it."""
        return f"{title_of(self)} at {fpr_of(fpr, self.negatives)}"


def _is_aof(run: Run) -> bool:
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


def compare_support(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 3: identical runs by the fewest detections that count."""
    for row in published("support").rows.to_dict("records"):
        values = (row["avg_jaccard_pct"], row["avg_intersection"], row["avg_union"])
        place = {"runs": row["runs_combined"], "support": row["min_tp"]}
        for made in _compare(sets, values, margins, row["runs_combined"], support=row["min_tp"]):
            yield made | place


def compare_agreement(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 2: identical runs, and with variants among them, tp >= 1."""
    for name, of_scenario in published("agreement").rows.groupby("scenario", sort=False):
        if given := find_scenario(sets, name):
            for k, group in of_scenario.groupby("runs_combined"):
                values = group.set_index("panel")["value"][["jaccard_pct", "intersection", "union"]]
                for made in _compare(sets, list(values), margins, k, given):
                    yield made | {"scenario": name, "runs": k}


def _compare(
    sets: Sets, values: Sequence[float], margins: Mapping, k: int, scenario: Scenario = IDENTICAL, support: int = 1
) -> Iterator[dict]:
    """Yields a row per measure of the agreement of ``k`` runs."""
    runs, obstacles = len(sets.reference), sets.obstacles() or scenario.obstacles
    if scenario.different and runs < SEEDS and not obstacles:
        return
    found = None
    if not obstacles and FPR in sets.first.fprs:
        flagged = sets.flagged(FPR, support, variants=scenario.different > 0)
        found = flagged.estimate(k, scenario.different, scenario.among)
    labels = f"{runs} runs (published {SEEDS})" if runs != SEEDS else "", scenario.label
    for measure, value in zip(MEASURES, values, strict=True):
        scale, kind = (100, "jaccard") if measure == "jaccard" else (1, "samples")
        ours, error = None, np.nan
        if found:
            counted = getattr(found, measure)
            ours = Estimate(scale * counted.value, scale * (counted.error if found.between_runs else np.nan))
            error = as_published(ours.error, runs)
        number = Number(SHOWN[measure], kind, Estimate(value, error), ours)
        no_error = f"no error between runs: {runs} of them are combined"
        if row := compare_number(sets.first, "cifar10/resnet18", number, margins, obstacles, labels, no_error):
            yield row


def as_published(error: float, runs: int) -> float:
    """Returns the standard error of the published agreement, which is of five runs, from the study's."""
    return error * (runs / SEEDS) ** 0.5


def find_scenario(sets: Sets, name: str) -> Scenario | None:
    """Returns what a study has of a published scenario, by its name in the figure.

    Returns:
        ``None`` if the study has no such variant, or too few. Where the scenario names no variant, all count.
    """
    if name.startswith("Identical"):
        return IDENTICAL
    variants = list(sets.variants.values())
    ours = [_variant(run, sets.first) for run in variants]
    number, which = int(name[1]), name.partition("(")[2].removesuffix(")")
    chosen = [index for index, variant in enumerate(ours) if which in ("", variant)]
    if len(chosen) < number:
        return None
    networks = [(Benchmark(variants[index].folder), VARIANTS[ours[index]]) for index in chosen if ours[index]]
    other = [run.key["architecture"] for run, network in networks if not run.is_network(network)]
    obstacles = f"architecture {', '.join(other)} of a variant" if other else ""
    label = "" if which or set(ours) == set(VARIANTS) else "variants other than published"
    return Scenario(number, chosen[:number] if which else chosen, obstacles, label)


def _variant(run: Run, reference: Run) -> str:
    """Returns the paper's name of a variant, by its recipe; empty if the paper has none like it."""
    recipe = run.recipe
    if recipe["start"] not in ("scratch", None):
        return "TL"
    if run.key["architecture"] != reference.key["architecture"]:
        return "Arch"
    if (recipe["batch_size"], recipe["dropout"]) == (512, 0.2):
        return "BS=512, DRP=20%"
    return "DRP=25%, WD=3e-3" if (recipe["dropout"], recipe["weight_decay"]) == (0.25, 3e-3) else ""
