"""One record: φ under models that hold it and models that do not, how often it is flagged, and what a flag is worth.

The counts are those of ``samples.csv``: ``online`` at shadow thresholds, over the targets of a run. A run has few
targets, so a PPV comes with the least it can be: the PPV of a true positive rate as low and a false positive rate as
high as the counts allow, each at 97.5 % by Clopper and Pearson, so that both hold with 95 % confidence at least.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.config.sections import VIEW
from lira.core.errors import ConfigError, DataError
from lira.evaluation.bootstrap import clopper_pearson
from lira.evaluation.calibration import positive_predictive_value
from lira.evaluation.detections import highly_vulnerable
from lira.storage.run import COUNTS, Run, compared_runs


def logits_of(run: Run, sample: int) -> tuple[Float[np.ndarray, " model"], Bool[np.ndarray, " model"]]:
    """φ of a record under each model, averaged over views, and whether the model holds it.

    Raises:
        ConfigError: the pool has no such record.
    """
    with run.shadows() as file:
        pool = file["member"].shape[1]
        if not 0 <= sample < pool:
            raise ConfigError(f"sample: {sample} is not in the pool of {pool}, allowed: 0 to {pool - 1}")
        return file["phi"][:, sample].mean(axis=1, dtype=np.float64), file["member"][:, sample]


def label_of(run: Run, sample: int) -> int | None:
    """The record's class, if the run knows it."""
    with run.shadows() as file:
        return int(file["labels"][sample]) if "labels" in file else None


def counts(runs: Sequence[Run], fpr: float) -> list[pd.DataFrame]:
    """``sample tp fp tn fn`` of each run at one FPR, in sample order.

    Raises:
        DataError: runs of different pools, whose samples cannot be compared.
    """
    found = [run.counts(fpr)[["sample", *COUNTS]] for run in runs]
    if len({len(rows) for rows in found}) > 1:
        raise DataError(f"{', '.join(str(run.folder) for run in runs)} have pools of different sizes")
    return found


def fprs_of(runs: Sequence[Run]) -> list[float]:
    """FPRs that all runs were calibrated at."""
    found = [set(run.table("samples.csv", usecols=["fpr"])["fpr"]) for run in runs]
    return sorted(set.intersection(*found))


def priors_of(run: Run) -> list[float]:
    """Priors that a run was calibrated at."""
    return sorted(run.table("metrics.csv", usecols=["prior"])["prior"].unique())


def most_exposed(found: Sequence[pd.DataFrame], count: int) -> list[int]:
    """Records that most runs find highly vulnerable (fp = 0, tp ≥ 1), then those detected most often in all.

    Args:
        found: from :func:`counts`.
        count: records to name.
    """
    runs = np.sum([highly_vulnerable(rows) for rows in found], axis=0)
    detected = np.sum([rows["tp"] for rows in found], axis=0)
    return [int(sample) for sample in np.lexsort((-detected, -runs))[:count]]


def worth(rows: pd.DataFrame, priors: Sequence[float]) -> pd.DataFrame:
    """What a flag of one record says: PPV at each prior, and the least it can be.

    Args:
        rows: columns ``tp fp tn fn``, counts over targets.
        priors: of membership.

    Returns:
        ``tp fp tn fn`` and, as fractions, ``ppv_<prior>`` and ``least_<prior>``; NaN where the record is never flagged.
    """
    tp, fp, tn, fn = (rows[name].to_numpy(dtype=float) for name in COUNTS)
    never = tp + fp == 0
    (lowest, _), (_, highest) = clopper_pearson(tp, tp + fn), clopper_pearson(fp, fp + tn)
    found = rows[COUNTS].reset_index(drop=True)
    for prior in priors:
        found[f"ppv_{prior:g}"] = positive_predictive_value(tp / (tp + fn), fp / (fp + tn), prior)
        found[f"least_{prior:g}"] = np.where(never, np.nan, positive_predictive_value(lowest, highest, prior))
    return found


def comparable_runs(study: Path | str, dataset: str | None = None) -> list[Run]:
    """Runs of a study in which a record of a dataset can be followed.

    Those of the dataset's first comparison of runs; without one, the runs of the dataset's lowest seed.

    Args:
        study: ``results/<study>``.
        dataset: Needed if the study has several.

    Raises:
        ConfigError: no such study or dataset, or several of these.
    """
    study = Path(study)
    datasets = sorted(folder.name for folder in study.glob("runs/*"))
    if not datasets:
        raise ConfigError(f"{study} has no runs: give a folder results/<study> with finished ones")
    if (dataset is None and len(datasets) > 1) or (dataset is not None and dataset not in datasets):
        raise ConfigError(f"dataset: {dataset or 'none'} is not allowed: {study} has {', '.join(datasets)}")
    chosen = dataset or datasets[0]
    for listed in sorted(study.glob(f"agreement/{chosen}/*/*/runs.json")):
        return [run for kind in ("reference", "variants") for run in compared_runs(listed.parent, kind).values()]
    finished = sorted(path.parent for path in study.glob(f"runs/{chosen}/*/*/*/samples.csv"))
    if not finished:
        raise ConfigError(f"{study} has no calibrated run of {chosen} yet: finish it with snakemake")
    seed = min(Run(folder).key["seed"] for folder in finished)
    return [run for run in map(Run, finished) if run.key["seed"] == seed]


def data_of(study: Path | str, run: Run) -> Path | None:
    """The preparation of its dataset that a run's records are in, in the smallest size; None if the study has none."""
    dataset, seed = run.key["dataset"], run.key["seed"]
    views = re.compile(rf"{re.escape(dataset)}-{VIEW}")
    splits = {path: int(view[1]) for path in Path(study, "data").glob("*.h5") if (view := views.fullmatch(path.stem))}
    own = [path for path, split in splits.items() if split == seed] or list(splits)
    return min(own, key=lambda path: (path.stat().st_size, path), default=None)
