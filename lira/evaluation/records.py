"""Describes single records: their φ with and without membership, how often they are flagged, what a flag means.

The counts come from ``samples.csv``: attacks at shadow thresholds, over the targets of a run. A run has few targets, so
each PPV comes with a lower bound: the PPV at the lowest true positive rate and the highest false positive rate that the
counts allow. Each of these limits holds with 97.5 % confidence (Clopper and Pearson), and both
together with at least 95 %.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.config.catalogue import DELTA, main_attack
from lira.core.errors import DataError
from lira.core.validation import check_whole
from lira.evaluation.bootstrap import LEVEL, clopper_pearson
from lira.evaluation.calibration import positive_predictive_value
from lira.evaluation.detections import highly_vulnerable
from lira.evaluation.privacy import epsilon_bound
from lira.storage.csv_files import COUNTS
from lira.storage.run import Run, check_same_pool


def logits_of(run: Run, sample: int) -> tuple[Float[np.ndarray, " model"], Bool[np.ndarray, " model"]]:
    """Returns φ of a record under each model, averaged over views, and whether the model holds the record.

    Raises:
        ConfigError: The pool has no such record.
    """
    check_whole(sample, "sample", 0, run.pool - 1)
    with run.shadows() as file:
        return file["phi"][:, sample].mean(axis=1, dtype=np.float64), file["member"][:, sample]


def counts(runs: Sequence[Run], fpr: float, attack: str | None = None) -> list[pd.DataFrame]:
    """Returns ``sample tp fp tn fn`` of each run at one FPR by one attack, in sample order.

    Raises:
        DataError: The runs have different pools, so that their samples cannot be compared.
    """
    found = [run.counts(fpr, attack)[["sample", *COUNTS]] for run in runs]
    check_same_pool(runs, [len(rows) for rows in found])
    return found


def attacks_of(runs: Sequence[Run]) -> list[str]:
    """Returns the attacks by which the records of all runs are counted."""
    shared = [attack for attack in runs[0].attacks if all(attack in run.attacks for run in runs)]
    if not shared:
        raise DataError("records of these runs are counted by no attack in common: show each run alone")
    return shared


def fprs_of(runs: Sequence[Run]) -> list[float]:
    """Returns the FPRs that all runs were calibrated at."""
    return sorted(set.intersection(*(set(run.fprs) for run in runs)))


def most_exposed(found: Sequence[pd.DataFrame], count: int) -> list[int]:
    """Returns the records that most runs find highly vulnerable (fp = 0, tp ≥ 1); of equals, the most often detected.

    Args:
        found: From :func:`counts`.
        count: Number of records to return.
    """
    runs = np.sum([highly_vulnerable(rows) for rows in found], axis=0)
    detected = np.sum([rows["tp"] for rows in found], axis=0)
    return [int(sample) for sample in np.lexsort((-detected, -runs))[:count]]


def worth(rows: pd.DataFrame, priors: Sequence[float], delta: float = DELTA, looked: int = 1) -> pd.DataFrame:
    """Returns what it means that a record is flagged: the PPV at each prior with its lower bound, and that of ε.

    Args:
        rows: Columns ``tp fp tn fn``, counts over targets.
        priors: Priors of membership.
        delta: δ of the bound on ε.
        looked: Number of records that were looked at to pick these, for which the bound on ε allows (Bonferroni).

    Returns:
        ``tp fp tn fn``; as fractions, ``ppv_<prior>`` and its lower bound ``least_<prior>``, NaN if the record is never
        flagged; and ``epsilon``, see :func:`lira.evaluation.privacy.epsilon_bound`.
    """
    tp, fp, tn, fn = (rows[name].to_numpy(dtype=float) for name in COUNTS)
    never = tp + fp == 0
    (lowest, _), (_, highest) = clopper_pearson(tp, tp + fn), clopper_pearson(fp, fp + tn)
    found = rows[COUNTS].reset_index(drop=True)
    for prior in priors:
        found[f"ppv_{prior:g}"] = positive_predictive_value(tp / (tp + fn), fp / (fp + tn), prior)
        found[f"least_{prior:g}"] = np.where(never, np.nan, positive_predictive_value(lowest, highest, prior))
    return found.assign(epsilon=epsilon_bound(tp, fn, fp, tn, delta, 1 - (1 - LEVEL) / looked))


def cards(runs: Sequence[Run], names: Sequence[str], fpr: float, sample: int | None, count: int) -> pd.DataFrame:
    """Returns what several runs of one pool say of records, a row per record, run and attack.

    Args:
        runs: The runs.
        names: Name of each run, for the column ``run``.
        fpr: Target FPR.
        sample: Index of one record in the pool; ``None`` for the most exposed records.
        count: Number of records if ``sample`` is ``None``; they are the most exposed by the main attack.

    Returns:
        ``dataset architecture regime seed record class``; ``id``, ``group`` and ``class_name`` if known; ``run fpr
        attack``; mean and standard deviation of φ over the models that hold the record (``phi_in_*``) and over the
        others (``phi_out_*``); and the columns of :func:`worth`, whose bound on ε allows for all
        these attacks and, where no record is named, for all records.

    Raises:
        ConfigError: The pool has no such record.
        DataError: The runs have different pools.
    """
    found, priors, rows = {attack: counts(runs, fpr, attack) for attack in attacks_of(runs)}, runs[0].priors, []
    main = found[main_attack(found)]
    for record in most_exposed(main, count) if sample is None else [sample]:
        for place, (run, name) in enumerate(zip(runs, names, strict=True)):
            phi, member = logits_of(run, record)
            label = None if run.labels is None else int(run.labels[record])
            row = run.key | {"record": record, "class": label, **run.about.loc[record], "run": name, "fpr": fpr}
            for side, values in (("in", phi[member]), ("out", phi[~member])):
                row |= {f"phi_{side}_mean": values.mean(), f"phi_{side}_std": values.std(ddof=1)}
            looked = len(found) * (run.pool if sample is None else 1)
            for attack, of_runs in found.items():
                of_record = worth(of_runs[place].iloc[[record]], priors, delta_of(run), looked).iloc[0].to_dict()
                rows.append(row | {"attack": attack} | of_record)
    return pd.DataFrame(rows).astype({name: int for name in COUNTS})


def delta_of(run: Run) -> float:
    """Returns the δ of the run's bounds on ε; that of studies which say none if the run has no bounds."""
    bounded = (run.folder / "privacy.csv").is_file()
    return float(run.table("privacy.csv")["delta"].iloc[0]) if bounded else DELTA
