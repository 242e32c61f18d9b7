"""Published against reproduced, for the agreement of flagged sets and for the loss ratio's fit over runs."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lira.evaluation.detections import support_qualified
from lira.evaluation.estimates import QUANTILE, Estimate
from lira.evaluation.flagged_sets import MEASURES, SEEDS, FlaggedSets
from lira.evaluation.utility import fit, loss_ratios
from lira.paper.comparison import Number, judge
from lira.paper.equivalence import UNKNOWN
from lira.paper.published import POOLS, published
from lira.paper.results import NETWORKS, Benchmark, Results
from lira.report.labels import percent
from lira.report.marks import not_resolved
from lira.report.runs import title_of
from lira.storage.comparison import Comparison
from lira.storage.run import Run

FPR = 1e-5
KINDS = {"jaccard": "jaccard", "intersection": "samples", "union": "samples"}
SHOWN = {"jaccard": "Jaccard (%)", "intersection": "Intersection", "union": "Union"}
FIT = {"r": "correlation", "ρ": "correlation", "slope": "fit", "intercept": "fit", "R²": "explained"}
"""Pearson's r on log10, Spearman's ρ, line and its R², with the kinds of their margins."""

FIT_FPR = 1e-3
"""FPR of the published fit."""

AOF = {"augment": {"flip", "crop", "rotate", "jitter", "cutmix"}, "dropout": 0.1, "weight_decay": 1e-3}
"""Recipe of the published reference runs, aof (paper, Table 1)."""

VARIANTS = {"BS=512, DRP=20%": "resnet18", "DRP=25%, WD=3e-3": "resnet18", "TL": "efficientnetv2_s", "Arch": "wrn28_2"}
"""Network of each published variant, by its name in the figure."""

ENOUGH = 10
"""Runs of the paper's data from which a fit over runs is comparable with the published one."""


class Sets:
    """The sets flagged by the runs of a comparison.

    Args:
        comparison: Which runs.
    """

    def __init__(self, comparison: Comparison):
        self.title, self.negatives = title_of(comparison), comparison.negatives
        self.reference = list(comparison.reference.values())
        self.variants = comparison.variants
        self.first = Benchmark(self.reference[0])
        self.flagged = cache(self._flagged)

    def _flagged(self, fpr: float, support: int = 1, variants: bool = True) -> FlaggedSets:
        """Sets of samples detected at least ``support`` times at an FPR, whatever their false alarms."""
        others = list(self.variants.values()) if variants else []
        sets = [support_qualified(run.counts(fpr), support, zero_fp=False) for run in (*self.reference, *others)]
        return FlaggedSets(np.array(sets[: len(self.reference)]), np.array(sets[len(self.reference) :]))

    def obstacles(self) -> str:
        """What makes them not comparable with the published sets: as of any run, and another recipe than aof."""
        found = [self.first.obstacles("cifar10", "resnet18")]
        return ", ".join(filter(None, [*found, "" if _is_aof(self.reference[0]) else "recipe other than aof"]))

    def describe(self, fpr: float) -> str:
        """Runs and FPR, and whether the pool resolves it."""
        return f"{self.title} at {percent(fpr)} FPR{not_resolved(fpr, self.negatives)}"

    @property
    def fprs(self) -> list[float]:
        """Target FPRs of the runs, ascending."""
        return sorted(self.reference[0].table("samples.csv")["fpr"].unique())


def _is_aof(run: Run) -> bool:
    """By its recipe; imported scores that come without one are known by their regime's name."""
    recipe = run.recipe
    given = {name: recipe[name] for name in AOF if recipe[name] is not None}
    if not given:
        return run.key["regime"] in ("aof", "aof_seeds")
    return given | {"augment": set(given.get("augment", ()))} == AOF


class Scenario(NamedTuple):
    """Which of a study's variants stand for those of a published scenario.

    Attributes:
        different: Number of variants among the runs that are combined.
        among: Those that may be chosen; all if ``None``.
        obstacles: What makes them not comparable; empty if nothing.
        label: In what else they are not those of the paper.
    """

    different: int = 0
    among: Sequence[int] | None = None
    obstacles: str = ""
    label: str = ""


IDENTICAL = Scenario()


def _row(sets: Sets, number: Number, margins: Mapping, obstacles: str, reason: str, other: str) -> dict:
    pool = sets.first.pool
    names = {name: sets.first.key[name] for name in ("dataset", "architecture", "regime")}
    row = {"published_run": "cifar10/resnet18"} | names
    row |= judge(number, margins, obstacles, pool == POOLS["cifar10"])
    if reason and row["reason"] == "no error known":
        row["reason"] = reason
    runs = f"{len(sets.reference)} runs (published {SEEDS})" if len(sets.reference) != SEEDS else ""
    size = f"pool {pool:,} (published {POOLS['cifar10']:,})" if pool != POOLS["cifar10"] else ""
    return row | {"label": "" if obstacles else ", ".join(filter(None, (runs, size, other)))}


def support(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Figure 3: identical runs by least number of detections."""
    for row in published("support").rows.to_dict("records"):
        values = (row["avg_jaccard_pct"], row["avg_intersection"], row["avg_union"])
        place = {"runs": row["runs_combined"], "support": row["min_tp"]}
        for made in _compare(sets, values, margins, row["runs_combined"], support=row["min_tp"]):
            yield made | place


def agreement(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Figure 2: identical runs and with variants among them, tp >= 1."""
    rows = published("agreement").rows
    for name, of_scenario in rows.groupby("scenario", sort=False):
        if given := scenario(sets, name):
            for k, group in of_scenario.groupby("runs_combined"):
                values = group.set_index("panel")["value"][["jaccard_pct", "intersection", "union"]]
                for made in _compare(sets, list(values), margins, k, given):
                    yield made | {"scenario": name, "runs": k}


def _compare(sets, values, margins, k, scenario=IDENTICAL, support=1) -> Iterator[dict]:
    obstacles = sets.obstacles() or scenario.obstacles
    if scenario.different and len(sets.reference) < SEEDS and not obstacles:
        return
    found, reason = None, f"no error between runs: {len(sets.reference)} of them are combined"
    if not obstacles and FPR in sets.fprs:
        flagged = sets.flagged(FPR, support, variants=scenario.different > 0)
        found = flagged.estimate(k, scenario.different, scenario.among)
    for measure, value in zip(MEASURES, values, strict=True):
        scale = 100 if measure == "jaccard" else 1
        ours, error = None, np.nan
        if found:
            ours = getattr(found, measure)
            known = ours.error if found.between_runs else np.nan
            ours = Estimate(scale * ours.value, scale * known)
            error = as_published(ours.error, len(sets.reference))
        if ours is not None or obstacles:
            number = Number(SHOWN[measure], KINDS[measure], Estimate(value, error), ours)
            yield _row(sets, number, margins, obstacles, reason, scenario.label)


def as_published(error: float, runs: int) -> float:
    """Standard error of the published agreement, of five runs, from ours."""
    return error * (runs / SEEDS) ** 0.5


def scenario(sets: Sets, name: str) -> Scenario | None:
    """What a study has of a published scenario, by its name in the figure.

    ``None`` if we have no such variant, or too few; all that there are stand for all that are published.
    """
    if name.startswith("Identical"):
        return IDENTICAL
    runs = list(sets.variants.values())
    ours = [_variant(run, sets.reference[0]) for run in runs]
    number, which = int(name[1]), name.partition("(")[2].removesuffix(")")
    chosen = [index for index, variant in enumerate(ours) if which in ("", variant)]
    if len(chosen) < number:
        return None
    networks = [(runs[index], VARIANTS[ours[index]]) for index in chosen if ours[index]]
    other = [run.key["architecture"] for run, network in networks if not Benchmark(run).is_network(network)]
    obstacles = f"architecture {', '.join(other)} of a variant" if other else ""
    label = "" if which or set(ours) == set(VARIANTS) else "variants other than published"
    return Scenario(number, chosen[:number] if which else chosen, obstacles, label)


def _variant(run: Run, reference: Run) -> str:
    """A variant as the paper names it, by its recipe; empty if the paper has none like it."""
    recipe = run.recipe
    if recipe["start"] not in ("scratch", None):
        return "TL"
    if run.key["architecture"] != reference.key["architecture"]:
        return "Arch"
    if (recipe["batch_size"], recipe["dropout"]) == (512, 0.2):
        return "BS=512, DRP=20%"
    return "DRP=25%, WD=3e-3" if (recipe["dropout"], recipe["weight_decay"]) == (0.25, 3e-3) else ""


def fit_of(ratio: Float[np.ndarray, " run"], tpr: Float[np.ndarray, " run"]) -> dict[str, Estimate]:
    """The fit by the names of :data:`FIT`; empty for too few runs."""
    return dict(zip(FIT, fit(ratio, tpr) or (), strict=False))


def published_fit() -> dict[str, Estimate]:
    """The fit over the 49 published configurations, which gives the numbers that the paper states."""
    rows = published("loss_ratio").rows
    return fit_of(rows["loss_ratio"].to_numpy(), rows["tpr_at_fpr_1e-3_online"].to_numpy())


def own_fit(results: Results, fpr: float, runs: Sequence[Benchmark] | None = None) -> tuple[int, dict[str, Estimate]]:
    """Number of runs with a loss ratio and a TPR at this FPR, and the fit over them; empty for fewer than three.

    Args:
        results: The study's runs.
        fpr: Target FPR.
        runs: Those of them that count; all if not given.
    """
    points = loss_ratios([run.run for run in (results.runs if runs is None else runs)], fpr)
    return len(points), fit_of(points["loss_ratio"].to_numpy(), points["tpr"].to_numpy())


def comparable_fit(results: Results) -> tuple[str, int, dict[str, Estimate]]:
    """The fit at 0.1 % FPR over the runs of the paper's data, architectures and number of models.

    Returns:
        What makes it not comparable with the published one, number of runs and fit; those of all runs if it is not.
    """
    of_paper = [run for run in results.runs if run.key["dataset"] in POOLS]
    alike = [run for run in of_paper if not run.obstacles(run.key["dataset"], _network(run))]
    if len(alike) < ENOUGH:
        few = f"{len(alike)} runs of the paper's data, architectures and number of models"
        return few, *own_fit(results, FIT_FPR)
    return "", *own_fit(results, FIT_FPR, alike)


def carries(theirs: Estimate, margin: float) -> str:
    """What the published points carry of a number of their fit, if that is less than its margin needs; else empty."""
    half = QUANTILE * theirs.error
    return f"the {len(published('loss_ratio').rows)} published points carry no more than ±{half:.2g}" * (half > margin)


def loss_ratio(results: Results, margins: Mapping) -> Iterator[dict]:
    """Figure 7: too few comparable runs stand beside it."""
    obstacles, count, ours = comparable_fit(results)
    for name, theirs in published_fit().items():
        if name in ours or obstacles:
            row = judge(Number(name, FIT[name], theirs, ours.get(name)), margins, obstacles)
            if row["verdict"] == UNKNOWN:
                row["reason"] = carries(theirs, row["margin"]) or row["reason"]
            yield row | {"label": "" if obstacles else f"{count} runs (published {len(published('loss_ratio').rows)})"}


def _network(run: Benchmark) -> str:
    return next((name for name in NETWORKS if run.is_network(name)), "resnet18")
