"""Datasets: each loader gives arrays, and all land in one HDF5 file with split, statistics and checksum.

A module per dataset has ``load(settings, seed) -> Arrays``; those whose raw files are looked for or downloaded also
have ``fetch(folder) -> {file: checksum}``.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int, Shaped, UInt8

from lira.config import DATASETS, Dataset
from lira.core.errors import ConfigError, DataError
from lira.datasets._arrays import Arrays, check_classes, check_finite
from lira.storage import hdf5

__all__ = ["Arrays", "Part", "download_data", "load", "prepare_data", "read_part", "split"]

FOLDER = "data"
BLOCK_BYTES = 32 << 20


def download_data(settings: Dataset, output: Path) -> None:
    """Sees that a dataset's raw files are there and whole, downloads them if they can be, and records them.

    Args:
        settings: Its ``source`` and ``path`` count.
        output: JSON file to write: source, folder, and checksum of each file.

    Raises:
        DataError: a file is missing or damaged; says what to put where.
    """
    folder = Path(settings.path or FOLDER)
    files = import_module(f"lira.datasets.{settings.source}").fetch(folder)
    with hdf5.atomic(output) as beside:
        record = {"source": settings.source, "folder": str(folder), "files": files}
        beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load(settings: Dataset, seed: int) -> Arrays:
    """Calls the dataset's loader.

    Args:
        settings: The dataset.
        seed: Seed of its split, for a dataset that comes without one.

    Raises:
        DataError: raw files are missing, damaged or of the wrong form.
    """
    module = settings.source if settings.source in DATASETS else "_function"
    return import_module(f"lira.datasets.{module}").load(settings, seed)


def prepare_data(settings: Dataset, size: int | None, seed: int, output: Path) -> None:
    """Writes a dataset's pool, test set and public part, block by block.

    ``source`` records each sample's index in the original dataset: its training samples first, then its test samples
    (Purchase-100: its rows). Images are resized from the original ones, bilinear and antialiased, as torchvision does
    on pictures. Mean and standard deviation are the released code's constants where it has them, else those of the
    pool, per channel or feature, after division by ``scale``.

    Args:
        settings: The dataset.
        size: Height and width to resize images to; as they are, or the dataset's own choice, if ``None``.
        seed: The run's seed, which splits a dataset whose ``seed`` is ``run``.
        output: HDF5 file to write.

    Raises:
        ConfigError: the dataset is too small for the split.
        DataError: values that cannot be used: what, in which file, where.
    """
    seed = settings.split_seed(seed)
    arrays = load(settings, seed)
    parts = split(arrays, settings, seed)
    classes = check_classes(arrays, parts["pool"])
    size = size or arrays.size
    if not size and not isinstance(arrays.x, np.ndarray):
        raise DataError(f"{arrays.origin}: its images are in no one array: set image_size")
    known = arrays.mean is not None
    statistics, checksum = None if known else _statistics(), hashlib.sha256()
    attributes = {
        "dataset": settings.source,
        "origin": arrays.origin,
        "split": settings.model_dump(exclude={"path"}) | {"seed": seed, "size": size},
        "classes": classes,
        "scale": arrays.scale,
    }
    with hdf5.create(output, "data", attributes | hdf5.provenance()) as file:
        for name, source in parts.items():
            fit = statistics if name == "pool" else None
            _write(file.create_group(name), arrays, source, size, fit, checksum)
        file.attrs["mean"] = np.asarray(arrays.mean if known else statistics.mean_, np.float64)
        file.attrs["std"] = np.asarray(arrays.std if known else statistics.scale_, np.float64)
        file.attrs["sha256"] = checksum.hexdigest()


def _statistics():
    from sklearn.preprocessing import StandardScaler

    return StandardScaler()  # a constant feature gets a standard deviation of 1


def _write(group: h5py.Group, arrays: Arrays, source: np.ndarray, size: int | None, statistics, checksum) -> None:
    written = 0
    for x in _blocks(arrays, source, size):
        if not written:
            hdf5.dataset(group, "x", (len(source), *x.shape[1:]), x.dtype)
        group["x"][written : written + len(x)] = x
        written += len(x)
        checksum.update(x.tobytes())
        if statistics is not None:
            statistics.partial_fit(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) / arrays.scale)
    hdf5.dataset(group, "y", data=arrays.y[source])
    hdf5.dataset(group, "source", data=source)
    checksum.update(arrays.y[source].tobytes() + source.tobytes())


def _blocks(arrays: Arrays, source: np.ndarray, size: int | None) -> Iterator[np.ndarray]:
    first = _samples(arrays, source[:1], size)
    step = max(1, BLOCK_BYTES // first.nbytes)
    for start in range(0, len(source), step):
        yield _samples(arrays, source[start : start + step], size)


def _samples(arrays: Arrays, source: np.ndarray, size: int | None) -> np.ndarray:
    if isinstance(arrays.x, np.ndarray) and arrays.x.ndim == 2:
        x = np.asarray(arrays.x[source], np.float32)
        check_finite(x, source, arrays.origin)
        return x
    if size:
        return np.stack([resize(arrays.x[index], size) for index in source])
    return np.ascontiguousarray(arrays.x[source])


def resize(image: UInt8[np.ndarray, "channel height width"], size: int) -> UInt8[np.ndarray, "channel size size"]:
    """One grey or colour image, bilinear and antialiased; unchanged if it has the size."""
    from PIL import Image

    if image.shape[1:] == (size, size):
        return image
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, 2))
    resized = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
    return resized[np.newaxis] if len(image) == 1 else np.moveaxis(resized, 2, 0)


def split(arrays: Arrays, settings: Dataset, seed: int) -> dict[str, Int[np.ndarray, " part"]]:
    """Sample indices of ``pool`` and, if any, ``test`` and ``public``: disjoint, set aside class by class.

    The pool is the dataset's training samples, with its test samples after them if ``settings.pool`` says so, less
    what ``settings.test`` and ``settings.public`` set aside. Without ``settings.test`` the test set is the dataset's
    own, where the pool leaves it.

    Raises:
        ConfigError: the dataset is too small.
    """
    from sklearn.model_selection import train_test_split

    whole = settings.pool == "train+test"
    candidates = np.concatenate([arrays.own_train, arrays.own_test]) if whole else arrays.own_train
    rest, parts = np.arange(len(candidates)), {}
    for name, size in (("test", settings.test), ("public", settings.public)):
        if not size:
            continue
        strata = arrays.y[candidates[rest]]
        try:
            rest, part = train_test_split(rest, test_size=size, random_state=seed, stratify=strata)
        except ValueError as error:
            raise ConfigError(f"{name}: cannot set {size} of {len(candidates)} samples aside: {error}") from None
        parts[name] = candidates[np.sort(part)]
    if not settings.test and not whole and len(arrays.own_test):
        parts["test"] = arrays.own_test
    return {"pool": candidates[np.sort(rest)], **parts}


@dataclass(frozen=True)
class Part:
    """Pool, test set or public part of a prepared dataset, with what is needed to use it."""

    x: Shaped[np.ndarray, "sample ..."]
    y: Int[np.ndarray, " sample"]
    scale: float
    mean: np.ndarray
    std: np.ndarray
    classes: int


def read_part(path: Path | str, name: str, samples: slice = slice(None)) -> Part:
    """Reads one part of a file that :func:`prepare_data` wrote.

    Args:
        path: The file.
        name: ``pool``, ``test`` or ``public``.
        samples: Which of its samples; all if not given.

    Raises:
        DataError: the file has no such part.
    """
    with hdf5.read(path, "data") as file:
        if name not in file:
            raise DataError(f"{path} has no part {name!r}, it has: {', '.join(file)}")
        attributes = file.attrs
        return Part(
            x=file[name]["x"][samples],
            y=file[name]["y"][samples],
            scale=float(attributes["scale"]),
            mean=attributes["mean"],
            std=attributes["std"],
            classes=int(attributes["classes"]),
        )
