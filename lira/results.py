"""The results of a run: its HDF5 files and, a row per target, sample or choice of runs, its CSV files.

:data:`COLUMNS` has the columns of each CSV file. Those of a run have its dataset, architecture, regime and seed before
them; ``summary.csv`` has ``null`` after them where the run has controls.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from lira import store
from lira.errors import StoreError

RUN_KEYS = ("dataset", "architecture", "regime", "seed")

COUNTS = ["tp", "fp", "tn", "fn"]
RATES = ["attack", "mode", "fpr", "prior", "target", "threshold", *COUNTS, "tpr", "fpr_achieved", "ppv", "auc"]
OVERLAP = ["intersection", "union", "jaccard", "spearman"]
COLUMNS = {
    "metrics": [*RATES, "tpr_low", "tpr_high", "fpr_low", "fpr_high", "expected_fp", "resolution"],
    "samples": ["fpr", "sample", *COUNTS, "rank"],
    "null_gaps": ["sample", "mean", "median"],
    "summary": [
        *("attack", "mode", "fpr", "prior", "metric", "mean", "std", "median", "trimmed_mean", "low", "high"),
        *("standard_error", "targets", "undefined", "influence", "influence_target", "influential"),
        *("expected_fp", "resolution"),
    ],
    "agreement": [
        *("fpr", "scenario", "variants", "support", "zero_fp"),
        *("k", "subsets", "jaccard", "intersection", "union"),
    ],
    "spearman": ["gap", "run_a", "run_b", "spearman"],
    "topq": ["gap", "q", "k", "run_a", "run_b", *OVERLAP],
    "topq_all": ["gap", "q", "k", "runs", *OVERLAP],
    "displacement": ["gap", "q", "delta", "run", "fraction"],
    "rank_bins": ["gap", "run", "bin", "count", "min", "max", "mean"],
    "top1": ["gap", "source", "sample", "run", "vulnerability", "position"],
}
COLUMNS |= {"controls": COLUMNS["metrics"], "null_samples": COLUMNS["samples"], "null_agreement": COLUMNS["agreement"]}


def with_run(frame: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """The rows with the run they are of before them."""
    return pd.concat([pd.DataFrame(run, index=frame.index), frame], axis=1)


def write_csv(path: Path | str, frame: pd.DataFrame) -> None:
    """Writes a DataFrame whole or not at all: shortest round-trip floats, infinities as ``inf``, NaN empty."""
    with store.atomic(path) as beside:
        frame.to_csv(beside, index=False)


def read_csv(
    path: Path | str, kind: str | None = None, run: Mapping[str, Any] | None = None, **options: Any
) -> pd.DataFrame:
    """A DataFrame from a CSV file, floats exactly as written.

    Args:
        path: the file.
        kind: which of :data:`COLUMNS` it must have.
        run: dataset, architecture, regime and seed of the run that the file must be of.
        options: go to pandas.

    Raises:
        StoreError: the file is missing or damaged, of another kind or of another run.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    remedy = f"rm {path}, and run the same command again"
    try:
        content = Path(path).read_bytes()
        if not content.endswith(b"\n"):
            raise ValueError("its last line is cut")
        frame = pd.read_csv(BytesIO(content), **options)
        first = pd.read_csv(BytesIO(content), nrows=1, dtype=str, keep_default_na=False)
    except ValueError as error:  # of pandas' parser too
        raise StoreError(f"{path} is damaged ({error}): {remedy}") from error
    if lacking := [name for name in COLUMNS.get(kind, []) if name not in first]:
        raise StoreError(f"{path} has no column {lacking[0]}, so it is not a {kind}.csv: {remedy}")
    if run is not None:
        found = first.reindex(columns=run).to_dict("records")
        if found != [{name: str(value) for name, value in run.items()}]:
            said = "/".join(map(str, found[0].values())) if found else "nothing"
            raise StoreError(f"{path} is of {said}, not of {'/'.join(map(str, run.values()))}: {remedy}")
    return frame


def rows_at(samples: pd.DataFrame, fpr: float, path: Path) -> pd.DataFrame:
    """The rows of a ``samples.csv`` at one FPR, in sample order.

    Raises:
        StoreError: there are none; ``path`` is named.
    """
    rows = samples[samples["fpr"] == fpr].sort_values("sample", ignore_index=True)
    if rows.empty:
        raise StoreError(f"{path} has no rows at FPR {fpr}: calibrate the run at it")
    return rows


class Run:
    """The results of one run: M shadow models of one dataset, architecture, regime and seed.

    Args:
        folder: ``results/<study>/runs/<dataset>/<architecture>/<regime>/seed<k>``.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    @property
    def is_stored(self) -> bool:
        """Whether the folder has a file that says how the run was made."""
        return any((self.folder / name).is_file() for name in ("shadows.h5", "scores.h5"))

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """:func:`attributes` of ``shadows.h5``, which ``scores.h5`` has too."""
        scores = (self.folder / "scores.h5").is_file() and not (self.folder / "shadows.h5").is_file()
        with self.scores() if scores else self.shadows() as file:
            return store.attributes(file)

    @property
    def key(self) -> dict[str, Any]:
        """Dataset, architecture, regime and seed."""
        return {name: self.attributes[name] for name in RUN_KEYS}

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, as :class:`lira.config.Recipe` dumps it."""
        return self.attributes["recipe"]

    def shadows(self):
        """``shadows.h5``, open for reading."""
        return store.read(self.folder / "shadows.h5", "shadows")

    def scores(self):
        """``scores.h5``, open for reading."""
        return store.read(self.folder / "scores.h5", "scores")

    def table(self, name: str, **options: Any) -> pd.DataFrame:
        """One of the run's ``.csv``; ``options`` go to pandas.

        Raises:
            StoreError: as :func:`read_csv`.
        """
        return read_csv(self.folder / name, Path(name).stem, self.key if self.is_stored else None, **options)

    def counts(self, fpr: float) -> pd.DataFrame:
        """The rows of ``samples.csv`` at one FPR, in sample order.

        Raises:
            StoreError: as :func:`read_csv` and :func:`rows_at`.
        """
        return rows_at(self.table("samples.csv"), fpr, self.folder / "samples.csv")

    @cached_property
    def utility(self) -> pd.DataFrame:
        """A row per model: ``train_loss train_accuracy test_loss test_accuracy`` (accuracies are fractions).

        Models trained here also have ``diverged`` (0 or 1) and ``retries`` (trainings from other random streams).
        """
        with self.shadows() as file:
            return pd.DataFrame({name: values[:] for name, values in file["utility"].items()})


def compared_runs(folder: Path | str, kind: str = "reference") -> dict[str, Run]:
    """Runs of an agreement folder by label: the ``reference`` seeds or the ``variants``.

    Raises:
        StoreError: its ``runs.json`` is missing or damaged.
    """
    folder = Path(folder).resolve()
    path = folder / "runs.json"
    if not path.is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    try:
        listed = {run["label"]: run["folder"] for run in json.loads(path.read_text(encoding="utf-8"))[kind]}
    except (ValueError, LookupError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): rm {path}, and run the same command again") from error
    return {label: Run(folder.parents[3] / place) for label, place in listed.items()}
