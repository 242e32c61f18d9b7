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
from lira.paper.equivalence import NOT_COMPARABLE, UNKNOWN, equivalence, margin_of, within
from lira.paper.published import MODELS, POOLS, published
from lira.paper.results import BENCHMARKS, Benchmark, Results, estimate
from lira.report.labels import augmentations, percent

FLOOR = "TPR at 0 FP"
OTHER_FLOOR = "FPR floor: zero false positives in pools of different sizes"


class Number(NamedTuple):
    """A published number and the study's.

    Attributes:
        quantity: Name of the number.
        kind: Name of its margin.
        published: The number with its standard error, which is NaN if the paper prints no spread.
        ours: The study's number, ``None`` if it has none.
        floor: Whether the study's pool cannot resolve the FPR of its number.
    """

    quantity: str
    kind: str
    published: Estimate
    ours: Estimate | None
    floor: bool = False


class Quantity(NamedTuple):
    """A column of a published table and its counterpart in a run.

    Attributes:
        column: Column of the published file, without ``_mean`` and ``_std``.
        kind: Name of the margin.
        name: Name that the verdict shows.
        place: Thresholds, FPR, metric and prior of the rate in ``summary.csv``; ``None`` for a mean over models.
    """

    column: str
    kind: str
    name: str
    place: tuple[str, float | None, str, float | None] | None = None


def _tpr(name: str, fpr: float) -> Quantity:
    return Quantity(name, "tpr", "TPR", ("target", fpr, "tpr", None))


_KINDS = {"train_loss": "loss", "test_loss": "loss", "loss_ratio": "loss_ratio"}
_KINDS |= {"train_accuracy": "accuracy", "test_accuracy": "accuracy"}
_MEANS = {name: Quantity(name, kind, name) for name, kind in _KINDS.items()}
_TPRS = (_tpr("tpr_at_fpr_1e-5", 1e-5), _tpr("tpr_at_fpr_1e-3", 1e-3))
TABLES = {
    "utility": tuple(_MEANS.values()),
    "optimistic": (*_TPRS, Quantity("auc", "auc", "AUC", ("target", None, "auc", None))),
    "calibrated": (
        Quantity("tpr", "tpr", "TPR′", ("shadow", 1e-5, "tpr", None)),
        Quantity("fpr", "fpr", "FPR′", ("shadow", 1e-5, "fpr_achieved", None)),
        *(
            Quantity(f"ppv_{prior}pct", "ppv", f"PPV at π = {prior} %", ("shadow", 1e-5, "ppv", prior / 100))
            for prior in (1, 10, 50)
        ),
    ),
    "ablation": (
        *(mean for name, mean in _MEANS.items() if name != "train_accuracy"),
        _tpr("tpr_at_fpr_1e-3_online_fixed", 1e-3),
    ),
    "transfer": (*_TPRS, _MEANS["loss_ratio"], _MEANS["test_accuracy"]),
}
"""Quantities of the paper's tables on single runs."""

ATTACKS = {"ablation": "online_fixed", "transfer": "online"}
"""Attack of the tables whose rows do not name it."""


def compare_runs(table: str, results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Yields the rows of one of :data:`TABLES`, for the published rows that the study has a run of."""
    for row in published(table).rows.to_dict("records"):
        dataset, network, run = _counterpart(table, row, results)
        if run is None:
            continue
        attack = row.get("attack", ATTACKS.get(table, ""))
        for quantity in TABLES[table]:
            number = _number(run, row, quantity, attack)
            if made := compare_number(run, f"{dataset}/{network}", number, margins, run.obstacles(dataset, network)):
                yield made | ({"attack": attack if quantity.place else ""} if attack else {})


def compare_number(
    run: Benchmark,
    published_run: str,
    number: Number,
    margins: Mapping[str, float],
    obstacles: str,
    labels: tuple[str, str] = ("", ""),
    no_error: str = "no error known",
) -> dict | None:
    """Returns the row of one published number.

    Args:
        run: The study's run.
        published_run: Dataset and network of the published run, e.g. ``cifar10/resnet18``.
        number: Both numbers.
        margins: By kind.
        obstacles: Why the two are not comparable; empty if they are.
        labels: Other differences from the published run, before and after that of the pool.
        no_error: Reason to give where the study's number has no error.

    Returns:
        ``None`` if the study lacks a number that would be comparable.
    """
    if number.ours is None and not obstacles:
        return None
    pool = POOLS[published_run.split("/")[0]]
    row = judge_number(number, margins, obstacles, run.pool == pool, no_error)
    size = f"pool {run.pool:,} (published {pool:,})" if run.pool != pool else ""
    label = ", ".join(filter(None, (labels[0], size, labels[1])))
    return {"published_run": published_run} | run.names | row | {"label": "" if obstacles else label}


def judge_number(
    number: Number,
    margins: Mapping[str, float],
    obstacles: str = "",
    same_pool: bool = True,
    no_error: str = "no error known",
) -> dict:
    """Returns the columns with numbers and verdict; arguments as for :func:`compare_number`.

    A published number without an error gets that of ours.
    """
    quantity, kind, theirs, ours, floor = number
    found, margin = ours or Estimate(np.nan, np.nan), margin_of(kind, theirs.value, margins)
    low, high = within(kind, *found.interval())
    row = {"quantity": quantity, "published": theirs.value, "published_error": theirs.error, "margin": margin}
    row |= {"ours": found.value, "ours_low": low, "ours_high": high}
    if obstacles:
        return row | {"verdict": NOT_COMPARABLE, "reason": obstacles}
    difference = found - (theirs._replace(error=found.error) if np.isnan(theirs.error) else theirs)
    low, high = difference.interval()
    row |= {"difference": difference.value, "difference_low": low, "difference_high": high}
    verdict = equivalence(difference, margin)
    reason = "FPR floor: zero false positives in both pools" if floor else ""
    if floor and not same_pool:
        verdict, reason = UNKNOWN, OTHER_FLOOR
    elif verdict == UNKNOWN:
        reason = no_error if np.isnan(difference.error) else "too wide"
    return row | {"verdict": verdict, "reason": reason}


def why_unlike(run: Benchmark, rate: Mapping) -> str:
    """Returns why a run's rate cannot be compared with that of the paper's benchmark; empty if it can."""
    dataset, _ = run.place
    floor = rate["resolution"] == FLOOR and run.pool != POOLS[dataset]
    return run.obstacles(dataset, BENCHMARKS[run.place]) or (OTHER_FLOOR if floor else "")


def _counterpart(table: str, row: Mapping, results: Results) -> tuple[str, str, Benchmark | None]:
    """Returns dataset and network of a published row, and the study's run of them."""
    dataset = row.get("dataset", "cifar10")
    if table == "ablation":  # by recipe, whatever the run is called; the crops padded as published come first
        padded = sorted(results.runs, key=lambda run: run.recipe["crop_padding"] != "reflect")
        return dataset, "wrn28_2", next((run for run in padded if _has_recipe(run, row)), None)
    if table == "transfer":
        networks = {("resnet18", "tl"): "resnet18_imagenet", ("efficientnetv2_rw_s", "tl"): "efficientnetv2_s"}
        network = networks.get((row["architecture"], row["regime"]), row["architecture"])
    else:
        network = BENCHMARKS[dataset, row["regime"]]
    return dataset, network, results.find(dataset, row["regime"], network)


def _has_recipe(run: Benchmark, row: Mapping) -> bool:
    """Returns whether a run has the recipe of a row of Table 14; imported scores may not say theirs."""
    recipe = run.recipe
    return (
        run.key["dataset"] == "cifar10"
        and run.is_network("wrn28_2")
        and None not in (recipe["augment"], recipe["dropout"], recipe["weight_decay"])
        and set(augmentations(recipe).split("+")) == set(row["augmentation"].split("+"))
        and np.isclose(recipe["dropout"], row["dropout_pct"] / 100)
        and np.isclose(recipe["weight_decay"], row["weight_decay"])
    )


def _number(run: Benchmark, row: Mapping, quantity: Quantity, attack: str) -> Number:
    column, kind, name, place = quantity
    if place is None:
        mean = run.of_models(column)  # NaN for imported scores without a utility
        return Number(name, kind, Estimate(row[column], np.nan), None if np.isnan(mean.value) else mean)
    found, fpr = run.rates.find(attack, *place), place[1]
    ours = estimate(found) if found else None
    name = f"{name}, {percent(fpr)} FPR" if fpr else name
    if f"{column}_mean" not in row:
        return Number(name, kind, Estimate(row[column], np.nan), ours)
    theirs = published_rate(row, column, found)
    return Number(name, kind, theirs, ours, found is not None and found["resolution"] == FLOOR)


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
