"""The results of a run: its HDF5 files and, a row per target, sample or choice of runs, its CSV files.

:data:`COLUMNS` has the columns of each CSV file. Those of a run have its dataset, architecture, regime and seed before
them. Beside each lies its checksum, ``<name>.csv.sha256``, as ``sha256sum -c`` reads it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
import pandas as pd

from lira.core.errors import DataError, StoreError
from lira.storage import hdf5

RUN_KEYS = ("dataset", "architecture", "regime", "seed")
IDENTITY = ("study", "protocol", *RUN_KEYS, "recipe_version", "sha256")
"""What ``shadows.h5`` and ``scores.h5`` of a run say alike, the last of φ and membership."""

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
        *("expected_fp", "resolution", "null"),
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
    """Writes a DataFrame whole or not at all, and its checksum: shortest round-trip floats, NaN empty."""
    content, checksum = frame.to_csv(index=False).encode(), _checksum_of(path)
    with hdf5.atomic(path) as beside:
        beside.write_bytes(content)
        with hdf5.atomic(checksum) as line:
            line.write_text(f"{sha256(content).hexdigest()}  {Path(path).name}\n")


def _checksum_of(path: Path | str) -> Path:
    return Path(f"{path}.sha256")


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
        StoreError: the file is missing, damaged or changed, of another kind or of another run.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    remedy = f"rm {path}, and run the same command again"
    try:
        content = Path(path).read_bytes()
        if not content.endswith(b"\n"):
            raise ValueError("its last line is cut")
        if (known := _checksum_of(path)).is_file() and known.read_text().split()[:1] != [sha256(content).hexdigest()]:
            raise ValueError(f"its checksum is not that of {known.name}")
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
        """:func:`lira.storage.hdf5.attributes` of ``shadows.h5``, which ``scores.h5`` has too.

        Raises:
            StoreError: there is none, it is damaged, or it is of another run than the folder's.
        """
        scores = (self.folder / "scores.h5").is_file() and not (self.folder / "shadows.h5").is_file()
        kind = "scores" if scores else "shadows"
        with hdf5.read(self.folder / f"{kind}.h5", kind) as file:
            found = hdf5.attributes(file)
        *_, runs, dataset, architecture, regime, seed = (*[""] * 5, *self.folder.absolute().parts)
        own = [dataset, architecture, regime, seed]
        if runs == "runs" and own != [*map(str, (found[name] for name in RUN_KEYS[:3])), f"seed{found['seed']}"]:
            self._refuse(kind, "/".join(str(found[name]) for name in RUN_KEYS))
        return found

    def _refuse(self, kind: str, found: str) -> NoReturn:
        path = self.folder / f"{kind}.h5"
        raise StoreError(f"{path} is of another run ({found}): rm {path}, and run the same command again")

    @property
    def key(self) -> dict[str, Any]:
        """Dataset, architecture, regime and seed."""
        return {name: self.attributes[name] for name in RUN_KEYS}

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe, as :class:`lira.config.Recipe` dumps it."""
        return self.attributes["recipe"]

    def shadows(self) -> AbstractContextManager[h5py.File]:
        """``shadows.h5``, open for reading."""
        return self._open("shadows")

    def scores(self) -> AbstractContextManager[h5py.File]:
        """``scores.h5``, open for reading: those of ``shadows.h5``."""
        return self._open("scores")

    @contextmanager
    def _open(self, kind: str) -> Iterator[h5py.File]:
        with hdf5.read(self.folder / f"{kind}.h5", kind) as file:
            found = hdf5.attributes(file)
            if any(found.get(name) != self.attributes.get(name) for name in IDENTITY):
                self._refuse(kind, ", ".join(str(found.get(name)) for name in IDENTITY))
            yield file

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


def check_comparable(runs: Sequence[Run]) -> None:
    """Checks that runs can be compared sample by sample.

    Raises:
        DataError: one is given twice, or the labels of their pools differ where they are known.
    """
    folders = [run.folder.resolve() for run in runs]
    if repeated := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise DataError(f"the run {repeated} is given more than once")
    first = None
    for run in runs:
        if not (run.folder / "shadows.h5").is_file():
            continue
        with run.shadows() as file:
            labels = file["labels"][:] if "labels" in file else None
        if labels is not None and first is None:
            first = run, labels
        elif labels is not None and not np.array_equal(labels, first[1]):
            raise DataError(f"{run.folder} and {first[0].folder} have different pools: compare runs of one pool")


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
        listed = {str(run["label"]): Path(run["folder"]) for run in json.loads(path.read_text(encoding="utf-8"))[kind]}
        if kind == "reference" and not listed:
            raise ValueError("no reference run")
    except (ValueError, LookupError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): rm {path}, and run the same command again") from error
    return {label: Run(folder.parents[3] / place) for label, place in listed.items()}
