"""What more shadow models buy: ``budgets.csv``, the rates of each attack with so many models, and with all.

==================  ==================================================================================================
attack              as in ``metrics.csv``
models, draw        number of shadow models of each target, and how they are drawn from those that are no targets:
                    ``pairs``, or for each ``sample`` (:mod:`lira.attacks.budget`); ``all``: all other models, the same
                    targets, from ``metrics.csv``
fpr, metric         ``tpr`` at each target's own threshold, or ``auc``, without an FPR
mean, low, high     over draws and targets, with its 95 % interval for this pool of samples; fractions
std_draws           of single draws' means over targets, ddof 1: how much the choice of the models matters
std_targets         of single targets' means over draws, ddof 1
repeats, targets    number of draws and of targets
unbalanced          samples that fewer models hold, or lack, than their share of the budget; the other side takes more
expected_fp         number of false positives that the FPR allows among a target's non-members
resolution          as in ``summary.csv``
chance              the mean if scores say nothing, exact without ties
==================  ==================================================================================================
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.attacks.block import Reader
from lira.attacks.budget import Pool
from lira.attacks.definition import UNCUT, Definition
from lira.config.catalogue import PAPER_ATTACKS
from lira.core.errors import DataError
from lira.core.threads import cores
from lira.core.validation import ArrayLike, check_array, check_budgets, check_whole
from lira.evaluation.bootstrap import LEVEL
from lira.evaluation.calibration import resolution
from lira.evaluation.roc import Ordered, tpr_by_chance
from lira.storage.csv_files import COLUMNS, read_csv, source_of, with_run, write_csv
from lira.storage.run import read_asked, run_of

REPEATS = 10
ALL = "all"
log = logging.getLogger(__name__)


class Crossed(NamedTuple):
    """Mean over draws and targets, its interval, the deviations of either, and the models' share of its variance."""

    mean: float
    low: float
    high: float
    std_draws: float
    std_targets: float
    shared: float


def crossed_interval(
    values: Annotated[ArrayLike, "draw target"], share: float = 0.0, shared: float | None = None
) -> Crossed:
    """Returns the 95 % interval of a mean over draws of shadow models, crossed with targets.

    The variance is that of a two-way table with random rows and columns. A pool of n models from which b are drawn
    holds for all draws: if models act additively, as much of the rows' variance lies between pools as b / (n - b)
    times what lies between the draws from one (the correction of a finite population; Hoeffding 1948 for the mean over
    all draws). The quantile is Student's t, with the degrees of freedom of Satterthwaite (1946).

    Args:
        values: A rate for each draw and target.
        share: b / n, the part of the pool that is in each draw; 0 if each draw is from a pool of its own.
        shared: The variance between pools, if it is known.

    Raises:
        DataError: There are no values, or they have other axes.
    """
    from scipy.special import stdtrit

    values = check_array(values, "values", "draws", "targets").astype(np.float64)
    draws, targets = values.shape
    if not values.size:
        raise DataError(f"values {values.shape} must be of one draw and one target or more")
    mean, rows, columns = float(values.mean()), values.mean(axis=1), values.mean(axis=0)
    of_rows, of_columns = (means.var(ddof=1) if means.size > 1 else 0.0 for means in (rows, columns))
    rest = values - rows[:, None] - columns + mean
    of_cells = (rest**2).sum() / max((draws - 1) * (targets - 1), 1)
    between = max(of_rows - of_cells / targets, 0.0)
    shared = (between * share / (1 - share) if share < 1 else 0.0) if shared is None else shared
    parts = np.array([of_columns / targets, between / draws + shared])
    freedom = np.array([max(targets - 1, 1), max(draws - 1, 1)])
    variance, low, high = parts.sum(), np.nan, np.nan
    if variance > 0 and targets > 1:
        reach = stdtrit(variance**2 / (parts**2 / freedom).sum(), (1 + LEVEL) / 2) * np.sqrt(variance)
        low, high = np.clip([mean - reach, mean + reach], 0, 1)
    of_draws, of_targets = (
        float(np.sqrt(found)) if count > 1 else np.nan for found, count in ((of_rows, draws), (of_columns, targets))
    )
    return Crossed(mean, float(low), float(high), of_draws, of_targets, float(shared))


def measure_budgets(
    phi: Any,
    member: Bool[np.ndarray, "model sample"],
    budgets: Sequence[int],
    fprs: Sequence[float],
    attacks: Sequence[str] = PAPER_ATTACKS,
    *,
    definition: Definition = UNCUT,
    own: Mapping[str, str] | None = None,
    repeats: int = REPEATS,
) -> pd.DataFrame:
    """Attacks a quarter of the models, at most 16, with fewer shadow models, drawn again and again from the others.

    Args:
        phi: Scaled logits ``[model, sample, view]``, an array or an HDF5 dataset.
        member: True where the sample trained the model.
        budgets: Numbers of shadow models, even and at least 4.
        fprs: False positive rates, as fractions.
        attacks: Names of the suite's attacks; the log says which are left out as a sample lacks scores that they need.
        definition: Which reading of the attacks; they are never cut.
        own: Further attacks by name, as ``package.module:function``.
        repeats: Draws of each budget; a single one where it is all models.

    Returns:
        The columns of ``budgets.csv``, without the rows of all models.

    Raises:
        ConfigError: A budget is not even, below 4, or larger than the models that the targets leave.
        DataError: phi is not finite, or a target has no members or no non-members.
    """
    check_budgets(budgets, len(member))
    check_whole(repeats, "repeats", 1)
    pool, reader, rows = Pool(member), Reader(phi), []
    lacking = pool.lacking(attacks)
    for name, why in lacking.items():
        log.warning("%s is not scored with fewer models: %s", name, why)
    names = [name for name in attacks if name not in lacking], own or {}
    of_targets, shared = _of_targets(member[pool.targets], fprs), dict[tuple[str, int], float]()
    for budget in sorted(budgets):
        share, unbalanced = budget / len(pool.others), 0 if pool.in_pairs else pool.unbalanced(budget)
        if unbalanced:
            log.info(
                "budget %d: fewer models hold, or lack, %d of the samples than their share: the other side takes more",
                *(budget, unbalanced),
            )
        found = []
        for models in pool.draws(budget, repeats):
            scores = pool.score(reader, models, names[0], replace(definition, cut=False), names[1])
            if not reader.clean.all():
                raise DataError(f"phi of model {int(reader.clean.argmin())} has NaN, infinite or huge values")
            found.append({name: _rates(values, member[pool.targets], fprs) for name, values in scores.items()})
        drawn = {"models": budget, "draw": "pairs" if pool.in_pairs else "sample", "unbalanced": unbalanced}
        for name in found[0] if found else ():
            for place, about in enumerate(of_targets):
                known = shared.get((name, place)) if share > 0.5 else None
                values = np.stack([of_draw[name][place] for of_draw in found])
                row = _row(values, share, known)
                shared |= {(name, place): row["shared"]} if share <= 0.5 else {}
                rows.append({"attack": name} | drawn | about | row)
    return pd.DataFrame(rows, columns=COLUMNS["budgets"])


def budgets_file(
    shadows: Path | str,
    metrics: Path | str,
    budgets: Sequence[int],
    fprs: Sequence[float],
    output: Path | str,
    *,
    attacks: Sequence[str] = PAPER_ATTACKS,
    definition: Definition = UNCUT,
    own: Mapping[str, str] | None = None,
) -> None:
    """Writes ``budgets.csv`` of a run, with the rates of its targets that all other models give.

    Args:
        shadows: File of encoding ``shadows``.
        metrics: The run's ``metrics.csv``; attacks that it does not have are left out.
        budgets: As in :func:`measure_budgets`.
        fprs: As in :func:`measure_budgets`.
        output: The file to write.
        attacks: As in :func:`measure_budgets`.
        definition: As in :func:`measure_budgets`.
        own: As in :func:`measure_budgets`.

    Raises:
        StoreError: A file is missing, damaged, of another kind or of another run.
        DataError: As :func:`measure_budgets`.
        ConfigError: As :func:`measure_budgets`.
    """
    with read_asked(shadows, "shadows") as file:
        run, source = run_of(file)
        member = file["member"][:]
        rates = read_csv(metrics, "metrics", run, source)
        there = [name for name in attacks if name in set(rates["attack"])]
        asked = budgets, fprs, there
        found = measure_budgets(file["phi"], member, *asked, definition=definition, own=own)
    whole = pd.DataFrame(_all_models(rates, member, fprs, [*found["attack"].unique()]), columns=COLUMNS["budgets"])
    order = {name: place for place, name in enumerate(found["attack"].unique())}
    together = pd.concat([found, whole]).sort_values("attack", key=lambda names: names.map(order), kind="stable")
    write_csv(output, with_run(together.reset_index(drop=True), run), source_of(metrics))


def enough(budgets: pd.DataFrame) -> pd.DataFrame:
    """Returns the smallest budget whose interval contains the mean with all models; NaN where none does.

    Args:
        budgets: Rows of ``budgets.csv`` of one run.

    Returns:
        A row per attack, metric and FPR, with ``enough``.
    """
    keys = ["attack", "metric", "fpr"]
    whole = budgets[budgets["draw"] == ALL][[*keys, "mean"]]
    fewer = budgets[budgets["draw"] != ALL].merge(whole, on=keys, suffixes=("", "_all"))
    fewer = fewer[(fewer["low"] <= fewer["mean_all"]) & (fewer["mean_all"] <= fewer["high"])]
    smallest = fewer.groupby(keys, dropna=False)["models"].min().rename("enough").reset_index()
    return whole[keys].merge(smallest, on=keys, how="left")


def _row(values: np.ndarray, share: float, shared: float | None = None) -> dict[str, Any]:
    return crossed_interval(values, share, shared)._asdict() | dict(
        zip(("repeats", "targets"), values.shape, strict=True)
    )


def _of_targets(member: np.ndarray, fprs: Sequence[float]) -> list[dict[str, Any]]:
    """Returns what is known of each rate before it is measured: of the TPR at each FPR, and of the AUC."""
    outside = (~member).sum(axis=1)
    rows: list[dict[str, Any]] = []
    for fpr in fprs:
        chance = np.mean([tpr_by_chance(np.array([fpr]), negatives)[0] for negatives in outside])
        quality = dict(zip(("expected_fp", "resolution"), resolution(fpr, outside.mean()), strict=True))
        rows.append({"fpr": fpr, "metric": "tpr", "chance": chance} | quality)
    return [*rows, {"fpr": np.nan, "metric": "auc", "chance": 0.5}]


def _rates(
    scores: Float[np.ndarray, "target sample"], member: Bool[np.ndarray, "target sample"], fprs: Sequence[float]
) -> Float[np.ndarray, "rate target"]:
    """Returns each target's TPR at the FPRs, at its own threshold, and its AUC."""

    def of_target(target: int) -> list[float]:
        ordered = Ordered.of(scores[target], member[target], name=f"target {target}")
        hits = [ordered.detections(ordered.threshold(fpr))[0] / ordered.inside.size for fpr in fprs]
        return [*hits, ordered.auc]

    with ThreadPoolExecutor(cores()) as pool:
        return np.array(list(pool.map(of_target, range(len(scores))))).T


def _all_models(
    rates: pd.DataFrame, member: np.ndarray, fprs: Sequence[float], attacks: Sequence[str]
) -> list[dict[str, Any]]:
    targets, rows = Pool(member).targets, []
    about, drawn = _of_targets(member[targets], fprs), {"models": len(member) - 1, "draw": ALL, "unbalanced": 0}
    once = rates[(rates["mode"] == "target") & (rates["prior"] == rates["prior"].min())]
    for name in attacks:
        for known in about:
            at = once[
                (once["attack"] == name) & (once["fpr"] == (fprs[0] if known["metric"] == "auc" else known["fpr"]))
            ]
            values = at.set_index("target").loc[targets, known["metric"]].to_numpy()
            rows.append({"attack": name} | drawn | known | _row(values[None], 0.0))
    return rows
