"""Published against reproduced: a row per published number, with the verdict of equivalence.

Not comparable is what has another dataset, architecture or number of shadow models; another protocol or pool is
compared and labelled. Where fewer than one false positive is expected, a rate is that of zero false positives in its
pool: with a pool of another size that is another operating point, and the verdict is that one cannot tell.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from lira.evaluation.estimates import Estimate
from lira.paper.equivalence import NOT_COMPARABLE, UNKNOWN, equivalence, within
from lira.paper.published import MODELS, POOLS, published
from lira.paper.results import BENCHMARKS, Benchmark, Results, estimate
from lira.report.labels import augmentations, percent

POINTS = ("accuracy", "auc", "ppv", "jaccard", "correlation", "explained")
"""Kinds of numbers whose margin is absolute; that of the others is a share of the published number."""

UTILITY = {
    "train_loss": "loss",
    "test_loss": "loss",
    "loss_ratio": "loss_ratio",
    "train_accuracy": "accuracy",
    "test_accuracy": "accuracy",
}
FLOOR = "TPR at 0 FP"
OTHER_FLOOR = "FPR floor: zero false positives in pools of different sizes"


class Number(NamedTuple):
    """A published number and ours.

    Attributes:
        quantity: What it is.
        kind: Name of its margin.
        published: The number and, NaN if the paper prints no spread, its standard error.
        ours: The same of the study, ``None`` if it has no such number.
        floor: Whether ours stands where the pool cannot resolve the FPR.
    """

    quantity: str
    kind: str
    published: Estimate
    ours: Estimate | None
    floor: bool = False


def margin_of(kind: str, published: float, margins: Mapping[str, float]) -> float:
    """Largest difference from a published number that still agrees, in its own unit."""
    return margins[kind] * (1 if kind in POINTS else abs(published))


def judge(number: Number, margins: Mapping[str, float], obstacles: str = "", same_pool: bool = True) -> dict:
    """The columns of a row that hold numbers and verdict.

    Args:
        number: The numbers.
        margins: By kind.
        obstacles: What makes them not comparable.
        same_pool: Whether both pools have one size.
    """
    quantity, kind, theirs, ours, floor = number
    margin = margin_of(kind, theirs.value, margins)
    row = {"quantity": quantity, "published": theirs.value, "published_error": theirs.error}
    found = ours or Estimate(np.nan, np.nan)
    low, high = within(kind, *found.interval())
    row |= {"ours": found.value, "ours_low": low, "ours_high": high, "margin": margin}
    if obstacles:
        return row | {"verdict": NOT_COMPARABLE, "reason": obstacles}
    known = theirs if not np.isnan(theirs.error) else Estimate(theirs.value, found.error)
    difference = found - known
    low, high = difference.interval()
    row |= {"difference": difference.value, "difference_low": low, "difference_high": high}
    if floor and not same_pool:
        return row | {"verdict": UNKNOWN, "reason": OTHER_FLOOR}
    verdict = equivalence(difference, margin)
    if verdict != UNKNOWN:
        return row | {"verdict": verdict, "reason": "FPR floor: zero false positives in both pools" if floor else ""}
    return row | {"verdict": UNKNOWN, "reason": "no error known" if np.isnan(difference.error) else "too wide"}


def of_run(run: Benchmark, dataset: str, network: str, numbers: list[Number], margins: Mapping) -> Iterator[dict]:
    """Rows of one run; what it has no number for is left out, unless it only stands beside the published ones."""
    obstacles = run.obstacles(dataset, network)
    names = {name: run.key[name] for name in ("dataset", "architecture", "regime")}
    label = f"pool {run.pool:,} (published {POOLS[dataset]:,})" if run.pool != POOLS[dataset] else ""
    for number in numbers:
        if number.ours is not None or obstacles:
            row = judge(number, margins, obstacles, run.pool == POOLS[dataset])
            yield {"published_run": f"{dataset}/{network}"} | names | row | {"label": "" if obstacles else label}


def unlike(run: Benchmark, rate: Mapping) -> str:
    """Why a rate of a run has no verdict beside that of Table 1, as in :func:`judge`; empty if it may have one."""
    place = run.key["dataset"], run.key["regime"]
    floor = rate["resolution"] == FLOOR and run.pool != POOLS[run.key["dataset"]]
    return run.obstacles(place[0], BENCHMARKS[place]) or (OTHER_FLOOR if floor else "")


def utility(results: Results, margins: Mapping) -> Iterator[dict]:
    """Table 2."""
    for row in published("utility").rows.to_dict("records"):
        network = BENCHMARKS[row["dataset"], row["regime"]]
        if run := results.find(row["dataset"], row["regime"], network):
            yield from of_run(run, row["dataset"], network, _utility(run, row, UTILITY), margins)


def _utility(run: Benchmark, row: Mapping, names) -> list[Number]:
    """The paper prints no spread over models: ours is taken for it. Imported scores may come without a utility."""
    found = {name: run.of_models(name) for name in names}
    return [
        Number(name, UTILITY[name], Estimate(row[name], np.nan), None if np.isnan(ours.value) else ours)
        for name, ours in found.items()
    ]


def optimistic(results: Results, margins: Mapping) -> Iterator[dict]:
    """Tables 3-6."""
    for row in published("optimistic").rows.to_dict("records"):
        network = BENCHMARKS[row["dataset"], row["regime"]]
        if run := results.find(row["dataset"], row["regime"], network):
            cells = [("TPR", "tpr", 1e-5, "tpr_at_fpr_1e-5"), ("TPR", "tpr", 1e-3, "tpr_at_fpr_1e-3")]
            cells += [("AUC", "auc", None, "auc")]
            numbers = [
                _rate(run, row, column, kind, name, (row["attack"], "target", fpr, kind))
                for name, kind, fpr, column in cells
            ]
            for made in of_run(run, row["dataset"], network, numbers, margins):
                yield made | {"attack": row["attack"]}


def calibrated(results: Results, margins: Mapping) -> Iterator[dict]:
    """Tables 7-10 and 12: shadow thresholds at 0.001 % FPR."""
    for row in published("calibrated").rows.to_dict("records"):
        network = BENCHMARKS[row["dataset"], row["regime"]]
        if run := results.find(row["dataset"], row["regime"], network):
            cells = [("TPR′", "tpr", "tpr", None), ("FPR′", "fpr", "fpr_achieved", None)]
            cells += [(f"PPV at π = {prior} %", "ppv", "ppv", prior / 100) for prior in (1, 10, 50)]
            columns = ("tpr", "fpr", *(f"ppv_{prior}pct" for prior in (1, 10, 50)))
            numbers = [
                _rate(run, row, column, kind, name, (row["attack"], "shadow", 1e-5, metric, prior))
                for column, (name, kind, metric, prior) in zip(columns, cells, strict=True)
            ]
            for made in of_run(run, row["dataset"], network, numbers, margins):
                yield made | {"attack": row["attack"]}


def _rate(run: Benchmark, row: Mapping, column: str, kind: str, name: str, place: tuple) -> Number:
    """A rate over targets."""
    found, fpr = run.rate(*place), place[2]
    name, theirs = f"{name}, {percent(fpr)} FPR" if fpr else name, published_rate(row, column, found)
    if found is None:
        return Number(name, kind, theirs, None)
    return Number(name, kind, theirs, estimate(found), found["resolution"] == FLOOR)


def published_rate(row: Mapping, column: str, found: Mapping | None) -> Estimate:
    """A published mean over targets, in percent, with its standard error.

    The published spread is over targets that share samples, as ours are. What that adds to the standard error of the
    mean is taken from ours.

    Args:
        row: Of the published table.
        column: Its name there, less ``_mean`` and ``_std``.
        found: The study's own rate, as :meth:`lira.paper.results.Benchmark.rate`.
    """
    theirs = Estimate(row[f"{column}_mean"], row[f"{column}_std"] / MODELS**0.5)
    if found is None:
        return theirs
    error, alone = found["standard_error"], found["std"] / max(found["targets"], 1) ** 0.5
    inflation = max(1.0, error / alone) if alone > 0 and not np.isnan(error) else 1.0
    return theirs._replace(error=theirs.error * inflation)


def ablation(results: Results, margins: Mapping) -> Iterator[dict]:
    """Table 14: rows are found by their recipe, whatever they are called; of two the one that pads as published."""
    padded = sorted(results.runs, key=lambda run: run.run.recipe["crop_padding"] != "reflect")
    for row in published("ablation").rows.to_dict("records"):
        if run := next((run for run in padded if _is_row(run, row)), None):
            numbers = _utility(run, row, ("train_loss", "test_loss", "loss_ratio", "test_accuracy"))
            found = run.rate("online_fixed", "target", 1e-3, "tpr")
            theirs = Estimate(row["tpr_at_fpr_1e-3_online_fixed"], np.nan)
            numbers.append(Number("TPR, 0.1 % FPR", "tpr", theirs, found and estimate(found)))
            for made in of_run(run, "cifar10", "wrn28_2", numbers, margins):
                yield made | {"attack": "online_fixed" if made["quantity"].startswith("TPR") else ""}


def _is_row(run: Benchmark, row: Mapping) -> bool:
    recipe = run.run.recipe
    return (
        run.key["dataset"] == "cifar10"
        and run.is_network("wrn28_2")
        and recipe["augment"] is not None
        and set(augmentations(recipe).split("+")) == set(row["augmentation"].split("+"))
        and None not in (recipe["dropout"], recipe["weight_decay"])
        and np.isclose(recipe["dropout"], row["dropout_pct"] / 100)
        and np.isclose(recipe["weight_decay"], row["weight_decay"])
    )


def transfer(results: Results, margins: Mapping) -> Iterator[dict]:
    """Table 15."""
    for row in published("transfer").rows.to_dict("records"):
        network = {"efficientnetv2_rw_s": "efficientnetv2_s"}.get(row["architecture"], row["architecture"])
        network = "resnet18_imagenet" if (network, row["regime"]) == ("resnet18", "tl") else network
        if run := results.find("cifar10", row["regime"], network):
            numbers = [
                _rate(run, row, column, "tpr", "TPR", ("online", "target", fpr, "tpr"))
                for column, fpr in (("tpr_at_fpr_1e-5", 1e-5), ("tpr_at_fpr_1e-3", 1e-3))
            ]
            numbers += _utility(run, row, ("loss_ratio", "test_accuracy"))
            for made in of_run(run, "cifar10", network, numbers, margins):
                yield made | {"attack": "online" if made["quantity"].startswith("TPR") else ""}
