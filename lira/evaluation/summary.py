"""Summarises a run's rates over its targets: ``summary.csv``, a row per attack, mode, FPR, prior and metric.

==================  ==================================================================================================
attack, mode, fpr   as in ``metrics.csv``, and ``best`` (:mod:`lira.evaluation.best`) where there are several with
                    shadow models; fpr is empty for ``auc`` and ``balanced_accuracy``
prior               for ``ppv`` and ``ppv_pooled``, else empty
metric              ``tpr``, ``fpr_achieved``, ``ppv`` (mean over the targets that have one), ``ppv_pooled`` (the PPV
                    from the counts of all targets together), ``auc``, ``balanced_accuracy``
mean, std           over targets, ddof 1; fractions
median              over targets
trimmed_mean        over targets, without the lowest and the highest 10 %
low, high           95 % bootstrap interval of the mean, over targets and samples; empty for ``balanced_accuracy``
standard_error      of the mean, over targets (over pairs of them that hold complementary halves, as in nested draws)
                    and samples; empty where the interval is
targets, undefined  number of targets with a value, and without one
influence           the mean minus the mean of the other targets, of the target that moves it furthest
influence_target    that target
influential         targets that move the mean by more than the standard error of the others' mean, separated by spaces
expected_fp         number of false positives that the FPR allows among a target's non-members
resolution          ``TPR at 0 FP`` where that is below 1, ``few FP`` where it is below 5, else empty
null                the mean with each sample's membership permuted over models: what chance alone gives
chosen              of ``best``: how many targets are judged by each attack
==================  ==================================================================================================
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lira.attacks.budget import in_pairs
from lira.core.errors import DataError, StoreError
from lira.core.threads import cores
from lira.core.validation import ArrayLike, check_scores, check_scores_by_attack
from lira.evaluation.best import BEST, Resampled, choices, counted, rows_of
from lira.evaluation.bootstrap import (
    DRAWS,
    Draws,
    Rates,
    bootstrap_interval,
    resample_auc,
    resample_rates,
)
from lira.evaluation.calibration import positive_predictive_value, resolution
from lira.evaluation.robust import influence, trimmed_mean
from lira.evaluation.roc import summarise_roc
from lira.storage.csv_files import COLUMNS, RATES, read_csv, with_run, write_csv
from lira.storage.run import read_asked, run_of

KEYS = ["attack", "mode", "fpr", "prior", "metric"]


def summarise(
    scores: dict[str, Annotated[ArrayLike, "target sample"]],
    member: Annotated[ArrayLike, "target sample"],
    metrics: pd.DataFrame,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Summarises the rates in ``metrics`` over targets.

    Args:
        scores: The scores of each attack in ``metrics``, a row per target.
        member: True where the sample trained the target.
        metrics: From :func:`lira.evaluation.calibration.calibrate`.
        draws: Number of bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        The columns of ``summary.csv``, see the module; ``null`` is NaN.

    Raises:
        DataError: As :func:`~lira.evaluation.calibration.calibrate`; or the attacks or targets of the metrics are not
            those of the scores.
        ConfigError: ``draws`` or ``seed`` is not a whole number of at least 0.
    """
    if not isinstance(metrics, pd.DataFrame):
        raise DataError(f"metrics are a {type(metrics).__name__}: a DataFrame is needed, as calibrate returns it")
    member = check_scores_by_attack(scores, member)
    _check_metrics(metrics, scores)
    drawn = Draws.of(member.shape[1], len(member), draws, seed, in_pairs(member))
    chosen = choices(metrics, [*scores])
    rows: list[dict] = []
    best = Resampled(chosen)
    for attack, stored in scores.items():
        values, _ = check_scores(stored, member, of=f" of {attack}")
        own = _rates_of(attack, metrics, len(member))
        shadow = own.loc[own["mode"] == "shadow", "fpr"].unique()
        at_target, at_shadow = resample_rates(values, member, drawn, own["fpr"].unique(), shadow)
        resampled = {"target": at_target, "shadow": at_shadow}
        for (mode, fpr), rates in own.groupby(["mode", "fpr"], sort=False):
            rows += _of_threshold(attack, mode, fpr, rates, resampled[mode][fpr], drawn)
            best.take(attack, mode, fpr, resampled[mode][fpr])
        with ThreadPoolExecutor(cores()) as pool:
            curves = list(pool.map(summarise_roc, values, member))
        auc, accuracy = np.transpose(curves)
        again = resample_auc(values, member, drawn)
        best.take_auc(again)
        rows.append(_of_auc(attack, auc, again, drawn))
        rows.append({"attack": attack, "mode": "target", "metric": "balanced_accuracy"} | _over_targets(accuracy))
    rows += _of_best(metrics, chosen, best, drawn)
    return pd.DataFrame(rows).reindex(columns=[*COLUMNS["summary"], *(["chosen"] if chosen else [])])


def _of_threshold(
    attack: str, mode: str, fpr: float, rates: pd.DataFrame, resampled: Rates, drawn: Draws
) -> Iterator[dict]:
    negatives = (rates["fp"] + rates["tn"]).mean()
    quality = dict(zip(("expected_fp", "resolution"), resolution(fpr, negatives), strict=True))
    for row in _rate_rows(rates, resampled, drawn):
        yield {"attack": attack, "mode": mode, "fpr": fpr} | quality | row


def _of_auc(attack: str, auc: np.ndarray, again: np.ndarray, drawn: Draws) -> dict:
    sure = bootstrap_interval(auc.mean(), drawn.mean(again), drawn.variance(auc, again))
    return {"attack": attack, "mode": "target", "metric": "auc"} | sure._asdict() | _over_targets(auc)


def _of_best(
    metrics: pd.DataFrame, chosen: dict[float | None, list[str]], best: Resampled, drawn: Draws
) -> Iterator[dict]:
    for fpr, names in chosen.items():
        said, found = {"chosen": counted(names)}, rows_of(metrics, names)
        if fpr is None:
            auc = found.drop_duplicates("target").sort_values("target")["auc"].to_numpy()
            yield _of_auc(BEST, auc, best.auc(), drawn) | said
            continue
        again = best.rates(fpr)
        for mode, rates in found[found["fpr"] == fpr].groupby("mode", sort=False):
            for row in _of_threshold(BEST, mode, fpr, rates, again[mode], drawn):
                yield row | said


def summarise_file(
    scores: Path | str,
    metrics: Path | str,
    output: Path | str,
    controls: Path | str | None = None,
    *,
    draws: int = DRAWS,
) -> None:
    """Writes ``summary.csv`` of a run.

    Args:
        scores: File of encoding ``scores``.
        metrics: The run's ``metrics.csv``.
        output: The ``summary.csv`` to write.
        controls: The run's ``controls.csv``, for the column ``null``; without it the column is NaN.
        draws: Number of bootstrap draws.

    Raises:
        StoreError: A file is missing, damaged, of another kind or of another run.
    """
    with read_asked(scores, "scores") as file:
        run, source = run_of(file)
        rates = read_csv(metrics, "metrics", run, source)
        member = file["member"][:]
        if foreign := sorted({*rates["attack"]} - {*file}):
            raise StoreError(f"{metrics} has rates of {foreign[0]}, but {scores} has none: give files of one run")
        values = {attack: file[attack] for attack in rates["attack"].unique()}  # read one at a time
        frame = summarise(values, member, rates, draws=draws)
    if controls is not None:
        null = null_means(read_csv(controls, "controls", run, source))
        frame = frame.drop(columns="null").merge(null, on=KEYS, how="left")[frame.columns]
    write_csv(output, with_run(frame, run), source)


def null_means(controls: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean over targets of each rate in ``controls.csv``: the keys of ``summary.csv`` and ``null``."""
    chosen = choices(controls, [name for name in controls["attack"].unique() if name not in ("oracle", "coin")])
    best = [rows_of(controls[controls["fpr"] == fpr], names) for fpr, names in chosen.items() if fpr is not None]
    by_auc = [rows_of(controls, chosen[None]).assign(attack=BEST)] if chosen else []
    rows = []
    everything = pd.concat([controls, *(found.assign(attack=BEST) for found in best)])
    for (attack, mode, fpr), rates in everything.groupby(["attack", "mode", "fpr"], sort=False):
        for metric, prior, values, _ in _metrics(rates):
            rows.append((attack, mode, fpr, prior, metric, _over_targets(values)["mean"]))
    for attack, rates in pd.concat([controls, *by_auc]).groupby("attack", sort=False):
        rows.append((attack, "target", np.nan, np.nan, "auc", rates.drop_duplicates("target")["auc"].mean()))
    return pd.DataFrame(rows, columns=[*KEYS, "null"])


def _check_metrics(metrics: pd.DataFrame, attacks: Iterable[str]) -> None:
    """Raises DataError unless metrics have what calibrate returns, of each attack once and at the same FPRs."""
    if BEST in attacks:
        raise DataError(f"scores have an attack {BEST}, as rows of the best one are called: give it another name")
    if lacking := [name for name in RATES if name not in metrics]:
        raise DataError(f"metrics have no column {lacking[0]!r}: give what calibrate returns")
    fprs: dict[str, set[float]] = {}
    for attack in attacks:
        rates = metrics[metrics["attack"] == attack]
        if rates.empty:
            raise DataError(f"metrics have no rows of {attack}, but there are scores of it: calibrate it too")
        if rates.duplicated(["mode", "fpr", "prior", "target"]).any():
            raise DataError(f"metrics of {attack} have a target more than once: give what calibrate returns, once")
        fprs[attack] = {*rates["fpr"]}
        if fprs[attack] != next(iter(fprs.values())):
            raise DataError(f"metrics of {attack} and {next(iter(fprs))} have other FPRs: calibrate both at once")


def _rates_of(attack: str, metrics: pd.DataFrame, targets: int) -> pd.DataFrame:
    rates = metrics[metrics["attack"] == attack]
    for (mode, fpr), found in rates.groupby(["mode", "fpr"])["target"]:
        if set(found) != set(range(targets)):
            raise DataError(f"metrics of {attack}, {mode}, FPR {fpr} are not of the {targets} targets that have scores")
    return rates


def _rate_rows(rates: pd.DataFrame, resampled: Rates, drawn: Draws) -> Iterator[dict]:
    for metric, prior, values, of_rates in _metrics(rates):
        if metric == "ppv_pooled":
            row = _pooled(rates, prior)
            replicates = of_rates(drawn.mean(resampled.tpr), drawn.mean(resampled.fpr))
            variance = drawn.variance(*_linear_ppv(rates, resampled, prior))
        else:
            row = _over_targets(values)
            again = of_rates(resampled.tpr, resampled.fpr)
            replicates, variance = drawn.mean(again), drawn.variance(values, again)
        yield {"metric": metric, "prior": prior} | bootstrap_interval(row["mean"], replicates, variance)._asdict() | row


def _metrics(rates: pd.DataFrame) -> Iterator[tuple]:
    """Yields name, prior, values over targets, and the function of TPR and FPR that computes them."""
    once = rates.drop_duplicates("target").sort_values("target")
    yield "tpr", np.nan, once["tpr"].to_numpy(), lambda tpr, fpr: tpr
    yield "fpr_achieved", np.nan, once["fpr_achieved"].to_numpy(), lambda tpr, fpr: fpr
    for prior, at in rates.groupby("prior"):

        def precision(tpr, fpr, prior=prior):
            return positive_predictive_value(tpr, fpr, prior)

        yield "ppv", prior, at.sort_values("target")["ppv"].to_numpy(), precision
        pooled = np.array([_pooled(rates, prior)["mean"]])
        yield "ppv_pooled", prior, pooled, precision


def _over_targets(values: Float[np.ndarray, " target"]) -> dict:
    defined = values[~np.isnan(values)]
    moved = influence(values)
    row = {"targets": defined.size, "undefined": values.size - defined.size, "influential": _names(moved.flagged)}
    if defined.size:
        row |= {"mean": defined.mean(), "median": np.median(defined), "trimmed_mean": trimmed_mean(defined)}
    if defined.size > 1:
        largest = int(np.nanargmax(np.abs(moved.shift)))
        row |= {"std": defined.std(ddof=1), "influence": moved.shift[largest], "influence_target": largest}
    return {"mean": np.nan} | row


def _pooled(rates: pd.DataFrame, prior: float) -> dict:
    """Returns the PPV from the counts of all targets together, and the target that moves it furthest."""
    counts = rates.drop_duplicates("target").sort_values("target")[["tp", "fn", "fp", "tn"]].to_numpy()
    together = counts.sum(axis=0, keepdims=True)
    whole, without = _pooled_ppv(together, prior), _pooled_ppv(together - counts, prior)
    row = {"mean": float(whole[0]), "targets": len(counts), "undefined": 0}
    shift = whole - without
    if not np.isnan(shift).all():
        largest = int(np.nanargmax(np.abs(shift)))
        row |= {"influence": shift[largest], "influence_target": largest}
    return row


def _pooled_ppv(counts: Int[np.ndarray, "target 4"], prior: float) -> Float[np.ndarray, " target"]:
    tp, fn, fp, tn = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return positive_predictive_value(tp / (tp + fn), fp / (fp + tn), prior)


def _linear_ppv(rates: pd.DataFrame, resampled: Rates, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns how each target's rates move the pooled PPV, to first order: as counted, and in each draw."""
    once = rates.drop_duplicates("target").sort_values("target")
    tpr, fpr = once["tpr"].to_numpy(), once["fpr_achieved"].to_numpy()
    hits, alarms = prior * tpr.mean(), (1 - prior) * fpr.mean()
    if hits + alarms == 0:
        return tpr, resampled.tpr
    by_tpr, by_fpr = prior * alarms / (hits + alarms) ** 2, -(1 - prior) * hits / (hits + alarms) ** 2
    return by_tpr * tpr + by_fpr * fpr, by_tpr * resampled.tpr + by_fpr * resampled.fpr


def _names(flagged: Bool[np.ndarray, " target"]) -> str:
    return " ".join(str(target) for target in np.flatnonzero(flagged))
