"""Compares the published numbers of single runs with the study's: a row and a verdict per published number.

A run of another dataset, architecture or number of shadow models is not comparable. One of another protocol or pool is
compared, and the row says so. Where fewer than one false positive is expected, a rate is the one at zero false
positives in its pool: pools of different sizes then have different operating points, and the verdict is "cannot tell".
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from lira.evaluation.estimates import Estimate
from lira.evaluation.rates import error_inflation
from lira.paper.benchmarks import BENCHMARKS, MODELS
from lira.paper.equivalence import NOT_COMPARABLE, UNKNOWN, equivalence, margin_of, within
from lira.paper.published import published
from lira.paper.results import Benchmark, Results, estimate
from lira.report.labels import augmentations, percent

SAME_FLOOR = "FPR floor: zero false positives in both pools"
OTHER_FLOOR = "FPR floor: zero false positives in pools of different sizes"


class Number(NamedTuple):
    """A published number and the study's.

    Attributes:
        quantity: Name of the number.
        kind: Name of its margin.
        published: The number with its standard error, which is NaN if the paper prints no spread.
        ours: The study's number, ``None`` if it has none.
        floor: What to say of a rate whose FPR the study's pool cannot resolve, see :func:`floor_of`.
        no_error: Reason to give where the study's number has no error.
    """

    quantity: str
    kind: str
    published: Estimate
    ours: Estimate | None
    floor: str = ""
    no_error: str = "no error known"


UTILITY = {"train_loss": "loss", "test_loss": "loss", "loss_ratio": "loss_ratio"}
UTILITY |= {"train_accuracy": "accuracy", "test_accuracy": "accuracy"}
"""Kind of each mean over models, by column of the paper's tables."""

RATES: dict[str, tuple[str, str, tuple[str, float | None, str, float | None]]] = {
    "tpr_at_fpr_1e-5": ("tpr", "TPR", ("target", 1e-5, "tpr", None)),
    "tpr_at_fpr_1e-3": ("tpr", "TPR", ("target", 1e-3, "tpr", None)),
    "tpr_at_fpr_1e-3_online_fixed": ("tpr", "TPR", ("target", 1e-3, "tpr", None)),
    "auc": ("auc", "AUC", ("target", None, "auc", None)),
    "tpr": ("tpr", "TPR′", ("shadow", 1e-5, "tpr", None)),
    "fpr": ("fpr", "FPR′", ("shadow", 1e-5, "fpr_achieved", None)),
    "ppv_1pct": ("ppv", "PPV at π = 1 %", ("shadow", 1e-5, "ppv", 0.01)),
    "ppv_10pct": ("ppv", "PPV at π = 10 %", ("shadow", 1e-5, "ppv", 0.1)),
    "ppv_50pct": ("ppv", "PPV at π = 50 %", ("shadow", 1e-5, "ppv", 0.5)),
}
"""Kind, name and place in ``summary.csv`` (thresholds, FPR, metric, prior) of each rate, by column less ``_mean``."""

TABLES = {"utility": "", "optimistic": "", "calibrated": "", "ablation": "online_fixed", "transfer": "online"}
"""The paper's tables on single runs, with the attack of those whose rows do not name it."""


def compare_runs(table: str, results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Yields the rows of one of :data:`TABLES`, for the published rows that the study has a run of."""
    for row in published(table).rows.to_dict("records"):
        dataset, network, run = _counterpart(table, row, results)
        if run is None:
            continue
        attack, obstacles = row.get("attack", TABLES[table]), run.obstacles(dataset, network)
        for column in filter((UTILITY | RATES).get, (name.removesuffix("_mean") for name in row)):
            number = _number(run, row, column, attack)
            if number.ours or obstacles:
                made = judge_number(number, margins, obstacles, run.other_pool)
                named = {"attack": attack if column in RATES else ""} if attack else {}
                yield {"published_run": f"{dataset}/{network}"} | run.names | named | made


def judge_number(number: Number, margins: Mapping[str, float], obstacles: str = "", label: str = "") -> dict:
    """Returns the columns with numbers, verdict and label. A published number without an error gets that of ours.

    Args:
        number: Both numbers.
        margins: By kind.
        obstacles: Why the two are not comparable; empty if they are.
        label: In what else the study's run differs from the published one.
    """
    quantity, kind, theirs, ours, reason, no_error = number
    found, margin = ours or Estimate(np.nan, np.nan), margin_of(kind, theirs.value, margins)
    low, high = within(kind, *found.interval())
    row = {"quantity": quantity, "published": theirs.value, "published_error": theirs.error, "margin": margin}
    row |= {"ours": found.value, "ours_low": low, "ours_high": high}
    if obstacles:
        return row | {"verdict": NOT_COMPARABLE, "reason": obstacles, "label": ""}
    difference = found - (theirs._replace(error=found.error) if np.isnan(theirs.error) else theirs)
    low, high = difference.interval()
    row |= {"difference": difference.value, "difference_low": low, "difference_high": high, "label": label}
    verdict = UNKNOWN if reason == OTHER_FLOOR else equivalence(difference, margin)
    if verdict == UNKNOWN and reason != OTHER_FLOOR:
        reason = no_error if np.isnan(difference.error) else "too wide"
    return row | {"verdict": verdict, "reason": reason}


def floor_of(run: Benchmark, rate: Mapping) -> str:
    """Returns what to say of a run's rate at zero false positives, beside the published one; empty for others."""
    if rate["resolution"] != "TPR at 0 FP":
        return ""
    return OTHER_FLOOR if run.other_pool else SAME_FLOOR


def why_unlike(run: Benchmark, rate: Mapping) -> str:
    """Returns why a run's rate cannot be compared with that of the paper's benchmark; empty if it can."""
    floor = floor_of(run, rate)
    return run.obstacles(run.key["dataset"], BENCHMARKS[run.place]) or (floor if floor == OTHER_FLOOR else "")


def _counterpart(table: str, row: Mapping, results: Results) -> tuple[str, str, Benchmark | None]:
    """Returns dataset and network of a published row, and the study's run of them."""
    dataset, regime = row.get("dataset", "cifar10"), row.get("regime", "")
    if table == "ablation":  # by recipe, whatever the run is called; the crops padded as published come first
        padded = sorted(results.runs, key=lambda run: run.recipe["crop_padding"] != "reflect")
        return dataset, "wrn28_2", next((run for run in padded if _has_recipe(run, row)), None)
    other = (row.get("architecture"), regime) == ("resnet18", "tl")  # which only Table 15 has
    network = "resnet18_imagenet" if other else BENCHMARKS[dataset, regime]
    return dataset, network, results.find(dataset, regime, network)


def _has_recipe(run: Benchmark, row: Mapping) -> bool:
    """Returns whether a run has the recipe of a row of Table 14; imported scores may not say theirs."""
    augment, *numbers = (run.recipe[name] for name in ("augment", "dropout", "weight_decay"))
    if run.key["dataset"] != "cifar10" or not run.is_network("wrn28_2") or None in (augment, *numbers):
        return False
    same = set(augmentations(run.recipe).split("+")) == set(row["augmentation"].split("+"))
    return same and np.allclose(numbers, (row["dropout_pct"] / 100, row["weight_decay"]))


def _number(run: Benchmark, row: Mapping, column: str, attack: str) -> Number:
    if column in UTILITY:
        mean = run.utility_means[column]  # NaN for imported scores without a utility
        return Number(column, UTILITY[column], Estimate(row[column], np.nan), None if np.isnan(mean.value) else mean)
    kind, name, place = RATES[column]
    found, fpr = run.rates.find(attack, *place), place[1]
    ours = estimate(found) if found else None
    name = f"{name}, {percent(fpr)} FPR" if fpr else name
    if column in row:
        return Number(name, kind, Estimate(row[column], np.nan), ours)
    return Number(name, kind, published_rate(row, column, found), ours, floor_of(run, found) if found else "")


def published_rate(row: Mapping, column: str, found: Mapping | None) -> Estimate:
    """Returns a published mean over targets, in percent, with its standard error.

    The targets of a run share samples, which raises the standard error of their mean above spread / sqrt(targets). The
    paper prints only the spread, so its error is raised by the same factor as that of the study's own rate.

    Args:
        row: Row of the published table.
        column: Its column, without ``_mean`` and ``_std``.
        found: The study's rate, a row of :attr:`lira.paper.results.Benchmark.rates`.
    """
    error = row[f"{column}_std"] / MODELS**0.5
    return Estimate(row[f"{column}_mean"], error * error_inflation(found) if found else error)
