"""The files of a study: HDF5 with a stated encoding, written whole or not at all.

Every HDF5 file carries ``encoding-type`` and ``encoding-version`` and, as attributes, where it came from
(see :func:`provenance`). Arrays: M models, N samples, A views, C classes.

=========  =====================================================================================
data       ``pool|test|public/{x, y, source}``; ``source`` holds the index in the original dataset
shard      ``logits [m, N, A, C]`` (optional), ``phi [m, N, A]``, ``member [m, N]``,
           ``utility/* [m]``, ``history/* [m, epoch]`` of models ``first`` to ``last``
shadows    ``phi [M, N, A]`` float32 (imported scores: maybe float64), ``member [M, N]``, ``labels [N]`` (imported:
           if known), ``utility/* [M]`` (imported: NaN)
scores     one float64 ``[M, N]`` array per attack, and ``member [M, N]``
=========  =====================================================================================
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py

from lira.errors import StoreError

ENCODING_VERSION = "1.0"
LIBRARIES = ("torch", "numpy", "h5py")


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yields a path beside ``path`` to write to; it takes the name when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def create(path: Path | str, encoding: str, attributes: dict[str, Any]) -> Iterator[h5py.File]:
    """Opens a new HDF5 file of the given encoding; it appears under ``path`` when the block ends without an error."""
    with atomic(path) as beside, h5py.File(beside, "w") as file:
        file.attrs["encoding-type"] = encoding
        file.attrs["encoding-version"] = ENCODING_VERSION
        for key, value in attributes.items():
            file.attrs[key] = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
        yield file


@contextmanager
def read(path: Path | str, encoding: str) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading.

    Raises:
        StoreError: the file is missing, not HDF5, or of another encoding.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise StoreError(f"{path} is not a readable HDF5 file ({error}): delete it and run snakemake again") from error
    with file:
        found = (file.attrs.get("encoding-type"), file.attrs.get("encoding-version"))
        if found != (encoding, ENCODING_VERSION):
            raise StoreError(f"{path} holds {found[0]} {found[1]}, expected {encoding} {ENCODING_VERSION}")
        yield file


def provenance(device: str = "cpu") -> dict[str, Any]:
    """Library versions, device and git revision, as attributes for :func:`create`."""
    versions = {"python": platform.python_version(), "lira": version("lira")}
    return {
        "versions": versions | {name: version(name) for name in LIBRARIES if find_spec(name)},
        "device": device,
        "revision": _revision(),
    }


def _revision() -> str:
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write_csv(path: Path | str, frame) -> None:
    """Writes a DataFrame whole or not at all: shortest round-trip floats, infinities as ``inf``, NaN empty."""
    with atomic(path) as beside:
        frame.to_csv(beside, index=False)


def read_csv(path: Path | str, **options):
    """A DataFrame from a CSV file, floats exactly as written; ``options`` go to pandas.

    Raises:
        StoreError: the file is missing.
    """
    import pandas as pd

    if not Path(path).is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    exact = {"float_precision": "round_trip"} if int(pd.__version__.split(".")[0]) < 3 else {}
    return pd.read_csv(path, **exact, **options)


RUN_KEYS = ("dataset", "architecture", "regime", "seed")


class Run:
    """The results of one run: M shadow models of one dataset, architecture, regime and seed.

    Args:
        folder: ``results/<study>/runs/<dataset>/<architecture>/<regime>/seed<k>``.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Attributes of ``shadows.h5``, JSON values parsed: study, dataset, architecture, regime, seed, recipe, ..."""
        with self.shadows() as file:
            return {
                key: json.loads(value) if key in ("recipe", "versions") else value for key, value in file.attrs.items()
            }

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
        return read(self.folder / "shadows.h5", "shadows")

    def scores(self):
        """``scores.h5``, open for reading."""
        return read(self.folder / "scores.h5", "scores")

    def table(self, name: str, **options):
        """One of the run's ``.csv`` as a DataFrame; ``options`` go to pandas."""
        return read_csv(self.folder / name, **options)

    @cached_property
    def utility(self):
        """DataFrame, a row per model: ``train_loss train_accuracy test_loss test_accuracy`` (fractions)."""
        import pandas as pd

        with self.shadows() as file:
            return pd.DataFrame({name: values[:] for name, values in file["utility"].items()})
