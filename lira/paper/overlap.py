"""Compares the published agreement of flagged sets, and the published fit over runs, with the study's."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lira.evaluation.estimates import QUANTILE, Estimate
from lira.evaluation.flagged_sets import MEASURES, SEEDS, sets_of
from lira.evaluation.utility import fit, loss_ratios
from lira.paper.comparison import Number, compare, judge
from lira.paper.equivalence import UNKNOWN
from lira.paper.published import POOLS, published
from lira.paper.results import NETWORKS, Benchmark, Results
from lira.report.labels import percent
from lira.report.marks import not_resolved
from lira.report.runs import title_of
from lira.storage.comparison import Comparison
from lira.storage.run import Run

FPR = 1e-5
SHOWN = {"jaccard": "Jaccard (%)", "intersection": "Intersection", "union": "Union"}
FIT = {"r": "correlation", "ρ": "correlation", "slope": "fit", "intercept": "fit", "R²": "explained"}
"""Numbers of the fit, in the order of :class:`lira.evaluation.utility.Fit`, with the names of their margins."""

FIT_FPR = 1e-3
"""FPR of the published fit."""

AOF = {"augment": {"flip", "crop", "rotate", "jitter", "cutmix"}, "dropout": 0.1, "weight_decay": 1e-3}
"""Recipe of the published reference runs, aof (paper, Table 1)."""

VARIANTS = {"BS=512, DRP=20%": "resnet18", "DRP=25%, WD=3e-3": "resnet18", "TL": "efficientnetv2_s", "Arch": "wrn28_2"}
"""Network of each published variant, by its name in the figure."""

ENOUGH = 10
"""Fewest runs of the paper's data whose fit is comparable with the published one."""


class Sets:
    """The samples that the runs of a comparison flag.

    Args:
        comparison: The runs.
    """

    def __init__(self, comparison: Comparison):
        self.title, self.negatives = title_of(comparison), comparison.negatives
        self.reference = list(comparison.reference.values())
        self.variants = list(comparison.variants.values())
        self.first = Benchmark(self.reference[0].folder)
        self.flagged = cache(partial(sets_of, comparison))

    def obstacles(self) -> str:
        """Returns why they cannot be compared with the published sets; empty if they can."""
        found = [self.first.obstacles("cifar10", "resnet18")]
        return ", ".join(filter(None, [*found, "" if _is_aof(self.first) else "recipe other than aof"]))

    def describe(self, fpr: float) -> str:
        """Names the runs and the FPR, and says if the pool does not resolve it."""
        return f"{self.title} at {percent(fpr)} FPR{not_resolved(fpr, self.negatives)}"

    @property
    def fprs(self) -> list[float]:
        """Target FPRs of the runs, ascending."""
        return self.first.fprs


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


def support(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 3: identical runs by the fewest detections that count."""
    for row in published("support").rows.to_dict("records"):
        values = (row["avg_jaccard_pct"], row["avg_intersection"], row["avg_union"])
        place = {"runs": row["runs_combined"], "support": row["min_tp"]}
        for made in _compare(sets, values, margins, row["runs_combined"], support=row["min_tp"]):
            yield made | place


def agreement(sets: Sets, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 2: identical runs, and with variants among them, tp >= 1."""
    for name, of_scenario in published("agreement").rows.groupby("scenario", sort=False):
        if given := scenario(sets, name):
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
    if not obstacles and FPR in sets.fprs:
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
        if row := compare(sets.first, "cifar10/resnet18", number, margins, obstacles, labels, no_error):
            yield row


def as_published(error: float, runs: int) -> float:
    """Returns the standard error of the published agreement, which is of five runs, from the study's."""
    return error * (runs / SEEDS) ** 0.5


def scenario(sets: Sets, name: str) -> Scenario | None:
    """Returns what a study has of a published scenario, by its name in the figure.

    Returns:
        ``None`` if the study has no such variant, or too few. Where the scenario names no variant, all count.
    """
    if name.startswith("Identical"):
        return IDENTICAL
    ours = [_variant(run, sets.reference[0]) for run in sets.variants]
    number, which = int(name[1]), name.partition("(")[2].removesuffix(")")
    chosen = [index for index, variant in enumerate(ours) if which in ("", variant)]
    if len(chosen) < number:
        return None
    networks = [(Benchmark(sets.variants[index].folder), VARIANTS[ours[index]]) for index in chosen if ours[index]]
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


def fit_of(ratio: Float[np.ndarray, " run"], tpr: Float[np.ndarray, " run"]) -> dict[str, Estimate]:
    """Fits the TPR to the loss ratio; the numbers are named as in :data:`FIT`, none for too few runs."""
    return dict(zip(FIT, fit(ratio, tpr) or (), strict=False))


def published_fit() -> dict[str, Estimate]:
    """Fits the 49 published configurations, which gives the numbers that the paper states."""
    rows = published("loss_ratio").rows
    return fit_of(rows["loss_ratio"].to_numpy(), rows["tpr_at_fpr_1e-3_online"].to_numpy())


def own_fit(runs: Sequence[Benchmark], fpr: float) -> tuple[int, dict[str, Estimate]]:
    """Returns the number of runs with a loss ratio and a TPR at this FPR, and the fit over them."""
    points = loss_ratios(runs, fpr)
    return len(points), fit_of(points["loss_ratio"].to_numpy(float), points["tpr"].to_numpy(float))


def comparable_fit(results: Results) -> tuple[str, int, dict[str, Estimate]]:
    """Fits the runs of the paper's data, architectures and number of models at 0.1 % FPR.

    Returns:
        Why the fit cannot be compared with the published one (empty if it can), number of runs and fit. With too few
        such runs, these are of all runs.
    """
    of_paper = [run for run in results.runs if run.key["dataset"] in POOLS]
    alike = [run for run in of_paper if not run.obstacles(run.key["dataset"], _network(run))]
    if len(alike) < ENOUGH:
        few = f"{len(alike)} runs of the paper's data, architectures and number of models"
        return few, *own_fit(results.runs, FIT_FPR)
    return "", *own_fit(alike, FIT_FPR)


def _network(run: Benchmark) -> str:
    return next((name for name in NETWORKS if run.is_network(name)), "resnet18")


def carries(theirs: Estimate, margin: float) -> str:
    """Says how little the published points tell of a number, if that is less than its margin needs; else empty."""
    half = QUANTILE * theirs.error
    return f"the {len(published('loss_ratio').rows)} published points carry no more than ±{half:.2g}" * (half > margin)


def loss_ratio(results: Results, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 7; with too few comparable runs, those of the study stand beside it."""
    obstacles, count, ours = comparable_fit(results)
    label = "" if obstacles else f"{count} runs (published {len(published('loss_ratio').rows)})"
    for name, theirs in published_fit().items():
        if name in ours or obstacles:
            row = judge(Number(name, FIT[name], theirs, ours.get(name)), margins, obstacles)
            if row["verdict"] == UNKNOWN:
                row["reason"] = carries(theirs, row["margin"]) or row["reason"]
            yield row | {"label": label}
