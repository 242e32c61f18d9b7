"""Bounds on differential privacy that an attack's counts refute: ``privacy.csv``, a row per attack and FPR.

A training that is (ε, δ)-private keeps the rates of every attack within TPR ≤ e^ε · FPR + δ and
1 - FPR ≤ e^ε · (1 - TPR) + δ. So counts at a threshold that was not chosen on them refute every smaller ε. The limits
of the rates are exact for independent trials (Clopper and Pearson). The bound is from below: 0 refutes nothing, and no
bound promises privacy.

=====================================  ===============================================================================
attack, fpr                            at the shadow thresholds for that FPR
delta                                  δ of all bounds
tests, level                           attacks x FPRs of the run, and the confidence in each row, so that 95 % holds
                                       for all of them together (Bonferroni)
tp, fn, fp, tn                         counts over all targets and samples
epsilon                                :func:`epsilon_bound` of these counts
mu, mu_epsilon                         :func:`gaussian_bound` of them, and its ε at δ (:func:`gaussian_epsilon`)
null_epsilon, null_mu_epsilon          both where membership is permuted: what chance alone gives
records, records_tests, records_level  records of the pool, records x attacks x FPRs that are counted per record, and
                                       the confidence in each; here and in what follows: empty for attacks without
                                       counts per record
records_above                          records with a bound above 0, from their own counts over the targets
record, record_epsilon                 the record with the largest bound, empty if that is 0, and that bound
record_mu_epsilon                      ε at δ of the record's :func:`gaussian_bound`
record_possible                        bound of a record that all its members' targets flag, and no other
null_record_epsilon                    the largest bound where membership is permuted
null_records_above                     and how many are above 0 there
=====================================  ===============================================================================
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from lira.config.catalogue import DELTA, main_attack
from lira.core.errors import DataError
from lira.core.validation import ArrayLike, check_array, check_fraction
from lira.evaluation.bootstrap import LEVEL, clopper_pearson
from lira.storage.csv_files import COLUMNS, COUNTS, with_run, write_csv
from lira.storage.run import Run

TABLES = ("metrics", "controls", "samples", "null_samples")
"""The run's tables whose counts bound ε."""

HALVINGS = 100  # of an interval, more than a float64 has digits


def epsilon_bound(
    tp: ArrayLike, fn: ArrayLike, fp: ArrayLike, tn: ArrayLike, delta: float = DELTA, confidence: float = LEVEL
) -> Float[np.ndarray, "..."]:
    """Returns the largest ε that counts refute for (ε, δ)-differential privacy; 0 if they refute none.

    It is the larger of log((b - δ) / a) and log((1 - a - δ) / (1 - b)), with b a lower limit of the TPR and a an upper
    limit of the FPR, each exact with half of the error.

    Args:
        tp: Members flagged, any shape; each an independent trial, at a threshold that was not chosen on it.
        fn: Members that are not flagged, of the same shape.
        fp: Non-members flagged.
        tn: Non-members that are not flagged.
        delta: δ, a fraction.
        confidence: Probability that the bound is not above the true ε.

    Raises:
        DataError: The counts are not whole numbers of one shape, or negative.
        ConfigError: δ or the confidence is not a fraction.
    """
    check_fraction(delta, "delta")
    return epsilon_of(*_limits(tp, fn, fp, tn, confidence), delta)


def epsilon_of(tpr: Float[np.ndarray, "..."], fpr: Float[np.ndarray, "..."], delta: float) -> Float[np.ndarray, "..."]:
    """Returns the smallest ε at δ with which these rates are private; 0 if they are with every one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(np.maximum(up - delta, 0)) - np.log(down) for up, down in ((tpr, fpr), (1 - fpr, 1 - tpr))]
    return np.fmax(0, np.fmax(*logs))


def gaussian_bound(
    tp: ArrayLike, fn: ArrayLike, fp: ArrayLike, tn: ArrayLike, confidence: float = LEVEL
) -> Float[np.ndarray, "..."]:
    """Returns the largest μ that counts refute for μ-Gaussian differential privacy; 0 if they refute none.

    It is Φ⁻¹(b) - Φ⁻¹(a), with b and a as in :func:`epsilon_bound` (Dong, Roth and Su 2022; Nasr et al. 2023).
    Arguments and errors are those of :func:`epsilon_bound`.
    """
    from scipy.special import ndtri

    low, high = _limits(tp, fn, fp, tn, confidence)
    return np.maximum(0, ndtri(low) - ndtri(high))


def gaussian_epsilon(mu: ArrayLike, delta: float = DELTA) -> Float[np.ndarray, "..."]:
    """Returns ε at δ of a μ-Gaussian mechanism: δ = Φ(μ/2 - ε/μ) - e^ε · Φ(-μ/2 - ε/μ) (Balle and Wang 2018).

    Args:
        mu: μ, any shape.
        delta: δ, a fraction; at 0, ε is infinite unless μ is 0.

    Raises:
        DataError: μ is negative or not finite.
        ConfigError: δ is not a fraction.
    """
    from scipy.special import log_ndtr, ndtr

    mu = check_array(mu, "mu").astype(np.float64)
    check_fraction(delta, "delta")
    if not (np.isfinite(mu) & (mu >= 0)).all():
        raise DataError("mu has values that are negative or not finite")
    if delta == 0:
        return np.where(mu > 0, np.inf, 0.0)
    positive = np.where(mu > 0, mu, 1.0)
    low, high = np.zeros(mu.shape), positive**2 / 2 + positive * np.sqrt(2 * np.log(1 / delta))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        spent = ndtr(mu / 2 - middle / positive) - np.exp(middle + log_ndtr(-mu / 2 - middle / positive))
        low, high = np.where(spent > delta, middle, low), np.where(spent > delta, high, middle)
    return np.where(mu > 0, low, 0.0)


def _limits(
    tp: ArrayLike, fn: ArrayLike, fp: ArrayLike, tn: ArrayLike, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a lower limit of the TPR and an upper one of the FPR, which hold together with the confidence."""
    check_fraction(confidence, "confidence")
    given = {"tp": tp, "fn": fn, "fp": fp, "tn": tn}
    found = {name: check_array(values, name).astype(np.float64) for name, values in given.items()}
    for name, values in found.items():
        if values.shape != found["tp"].shape:
            raise DataError(f"{name} {values.shape} must be of the shape of tp {found['tp'].shape}")
        with np.errstate(invalid="ignore"):  # the rest of an infinite value
            wrong = ~(np.isfinite(values) & (values >= 0) & (values % 1 == 0))
        if wrong.any():
            raise DataError(f"{name} has {values[wrong][0]:g}: counts are whole numbers from 0")
    low, _ = clopper_pearson(found["tp"], found["tp"] + found["fn"], confidence)
    _, high = clopper_pearson(found["fp"], found["fp"] + found["tn"], confidence)
    return low, high


def bound_privacy(
    metrics: pd.DataFrame,
    controls: pd.DataFrame,
    samples: pd.DataFrame,
    null_samples: pd.DataFrame,
    delta: float = DELTA,
) -> pd.DataFrame:
    """Computes the rows of ``privacy.csv``, see the module, from the tables of a run of the same names.

    Raises:
        ConfigError: δ is not a fraction.
    """
    found = _of_run(metrics, delta)
    null = _of_run(controls[controls["attack"].isin(found["attack"])], delta)
    found = _beside(found, null[["attack", "fpr", "epsilon", "mu_epsilon"]])
    main = main_attack(metrics["attack"].unique())
    records, by_chance = (
        _of_records(rows.assign(attack=rows.get("attack", main)), delta) for rows in (samples, null_samples)
    )
    records = _beside(records, by_chance[["attack", "fpr", "records_above", "record_epsilon"]])
    return found.merge(records, on=["attack", "fpr"], how="left").reindex(columns=COLUMNS["privacy"])


def _beside(found: pd.DataFrame, null: pd.DataFrame) -> pd.DataFrame:
    keys = ["attack", "fpr"]
    return found.merge(null.rename(columns=lambda name: name if name in keys else f"null_{name}"), on=keys, how="left")


def _counts(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: rows[name].to_numpy() for name in COUNTS}


def _bounds(rows: pd.DataFrame, delta: float, level: float) -> dict[str, Any]:
    mu = gaussian_bound(**_counts(rows), confidence=level)
    epsilon = epsilon_bound(**_counts(rows), delta=delta, confidence=level)
    return {"epsilon": epsilon, "mu": mu, "mu_epsilon": gaussian_epsilon(mu, delta)}


def _of_run(rates: pd.DataFrame, delta: float) -> pd.DataFrame:
    """Returns the bounds of the counts of all targets together."""
    once = rates[(rates["mode"] == "shadow") & (rates["prior"] == rates["prior"].min())]
    rows = once.groupby(["attack", "fpr"], sort=False)[COUNTS].sum().reset_index()
    level = 1 - (1 - LEVEL) / max(len(rows), 1)
    return rows.assign(delta=delta, tests=len(rows), level=level, **_bounds(rows, delta, level))


def _of_records(samples: pd.DataFrame, delta: float) -> pd.DataFrame:
    """Returns, by attack and FPR, how many records have a bound above 0, and the largest."""
    level = 1 - (1 - LEVEL) / max(len(samples), 1)
    rows = []
    for (attack, fpr), of_records in samples.groupby(["attack", "fpr"], sort=False):
        epsilon = epsilon_bound(**_counts(of_records), delta=delta, confidence=level)
        largest = of_records.iloc[[epsilon.argmax()]]
        members, others = (of_records[list(names)].sum(axis=1) for names in (("tp", "fn"), ("fp", "tn")))
        none = np.zeros(len(of_records))
        row = {"attack": attack, "fpr": fpr, "records": len(of_records), "records_tests": len(samples)}
        row |= {"records_level": level, "records_above": int((epsilon > 0).sum())}
        named = largest["sample"].iloc[0] if epsilon.any() else np.nan
        row |= {"record": named, "record_epsilon": epsilon.max()}
        row["record_mu_epsilon"] = _bounds(largest, delta, level)["mu_epsilon"][0]
        row["record_possible"] = epsilon_bound(members, none, none, others, delta, level).max()
        rows.append(row)
    return pd.DataFrame(rows)


def bound_privacy_file(folder: Path | str, output: Path | str, delta: float = DELTA) -> None:
    """Writes ``privacy.csv`` of a run from its tables in a folder.

    Raises:
        StoreError: A file is missing, damaged, of another kind or of another run.
        ConfigError: δ is not a fraction.
    """
    run = Run(folder)
    tables = {name: run.table(f"{name}.csv") for name in TABLES}
    write_csv(output, with_run(bound_privacy(**tables, delta=delta), run.key), run.source)
