"""Datasets: each loader gives arrays, and all land in one HDF5 file with split, statistics and checksum."""

import hashlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from lira import store
from lira.config import Dataset
from lira.errors import ConfigError, DataError


@dataclass(frozen=True)
class Arrays:
    """A dataset as its loader gives it.

    Attributes:
        x: Samples; images as uint8 ``[N, channels, height, width]``.
        y: Class of each sample, from 0.
        scale: The value in ``x`` that means 1.0.
        classes: Number of classes.
    """

    x: Shaped[np.ndarray, "sample ..."]
    y: Int[np.ndarray, " sample"]
    scale: float
    classes: int


def prepare_data(settings: Dataset, output: Path) -> None:
    """Writes a dataset's pool, test set and public part.

    The split is drawn class by class from ``settings.seed``; ``source`` records each sample's index in the
    original dataset. Mean and standard deviation are those of the pool, per channel, after division by ``scale``.

    Raises:
        ConfigError: the dataset is too small for the split.
    """
    arrays = import_module(f"lira.datasets.{settings.source}").load()
    parts = split(arrays.y, settings)
    channels = tuple(axis for axis in range(arrays.x.ndim) if axis != 1)
    pool = arrays.x[parts["pool"]] / arrays.scale
    attributes = {
        "dataset": settings.source,
        "split": settings.model_dump(),
        "classes": arrays.classes,
        "scale": arrays.scale,
        "mean": pool.mean(axis=channels),
        "std": pool.std(axis=channels),
        "sha256": hashlib.sha256(arrays.x.tobytes() + arrays.y.tobytes()).hexdigest(),
    }
    with store.create(output, "data", attributes | store.provenance()) as file:
        for name, source in parts.items():
            group = file.create_group(name)
            group["x"], group["y"], group["source"] = arrays.x[source], arrays.y[source], source


def split(labels: Int[np.ndarray, " sample"], settings: Dataset) -> dict[str, Int[np.ndarray, " part"]]:
    """Sample indices of ``pool``, ``test`` and, if any, ``public``: disjoint, ascending, classes in proportion."""
    from sklearn.model_selection import train_test_split

    rest, parts = np.arange(len(labels)), {}
    for name, size in (("test", settings.test), ("public", settings.public)):
        if not size:
            continue
        try:
            rest, part = train_test_split(rest, test_size=size, random_state=settings.seed, stratify=labels[rest])
        except ValueError as error:
            raise ConfigError(f"{name}: cannot set {size} of {len(labels)} samples aside: {error}") from None
        parts[name] = np.sort(part)
    return {"pool": np.sort(rest), **parts}


@dataclass(frozen=True)
class Part:
    """Pool, test set or public part of a prepared dataset, with what is needed to use it."""

    x: Shaped[np.ndarray, "sample ..."]
    y: Int[np.ndarray, " sample"]
    scale: float
    mean: np.ndarray
    std: np.ndarray
    classes: int


def read_part(path: Path, name: str) -> Part:
    """Reads one part of a file that :func:`prepare_data` wrote.

    Raises:
        DataError: the file has no such part.
    """
    with store.read(path, "data") as file:
        if name not in file:
            raise DataError(f"{path} has no part {name!r}, it has: {', '.join(file)}")
        attributes = file.attrs
        return Part(
            x=file[name]["x"][:],
            y=file[name]["y"][:],
            scale=float(attributes["scale"]),
            mean=attributes["mean"],
            std=attributes["std"],
            classes=int(attributes["classes"]),
        )
