"""Loads datasets and writes each to one HDF5 file, with its split, statistics and checksum.

Each dataset has a module with ``load(settings, seed) -> Arrays``. If its raw files are not part of a library, the
module also has ``fetch(folder) -> {file: checksum}``, which checks and downloads them.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int, Shaped, UInt8, UInt64

from lira.config import DATASETS, RAW, Dataset
from lira.core.errors import ConfigError, DataError
from lira.core.validation import check_choice
from lira.datasets._arrays import Arrays, check_classes, check_finite, with_moments
from lira.datasets._names import shown
from lira.datasets._parts import balanced, digests, duplicates
from lira.datasets._precision import as_float32, with_offset
from lira.storage import hdf5
from lira.storage.records import write_names

__all__ = ["Arrays", "Part", "download_data", "load", "prepare_data", "read_part", "split"]

log = logging.getLogger("lira")

FOLDER = "data"
BLOCK_BYTES = 32 << 20


def download_data(settings: Dataset, output: Path) -> None:
    """Checks a dataset's raw files, downloads missing ones where possible, and records their checksums.

    Args:
        settings: Only ``source`` and ``path`` are used.
        output: JSON file to write: source, folder, and checksum of each file.

    Raises:
        ConfigError: The dataset has no raw files.
        DataError: A file is missing or damaged; the message says which file to put where.
    """
    check_choice(settings.source, "datasets.source", RAW)
    folder = Path(settings.path or FOLDER)
    files = import_module(f"lira.datasets.{settings.source}").fetch(folder)
    record = {"source": settings.source, "folder": str(folder), "files": files}
    with hdf5.atomic(output) as beside:
        beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load(settings: Dataset, seed: int) -> Arrays:
    """Loads a dataset; ``seed`` draws the split of a dataset that comes without one.

    Raises:
        DataError: Raw files are missing, damaged or of the wrong form.
    """
    module = settings.source if settings.source in DATASETS else "_function"
    return import_module(f"lira.datasets.{module}").load(settings, seed)


def prepare_data(settings: Dataset, size: int | None, seed: int, output: Path) -> None:
    """Writes a dataset's pool, test set and public part to one HDF5 file, block by block.

    ``source`` records the index of each sample in the original dataset, which counts its training samples first and
    then its test samples (Purchase-100: its rows). ``id``, ``group`` and the pool's ``class_names`` are there if the
    dataset has them. The attribute ``duplicates`` counts samples of the pool that are equal to another in it, and those
    of each other part that are equal to one in the pool.

    Images are resized as torchvision resizes pictures: bilinear, with antialiasing. Mean and standard deviation are
    the constants of the released code if it has them. Otherwise they are those of the pool, per channel or feature,
    after division by ``scale``, unless the settings give others. Of features whose values float32 would take for one,
    the attribute ``offset`` is subtracted first.

    Args:
        settings: The dataset.
        size: Height and width to resize images to; if ``None``, the dataset's own choice or no resizing.
        seed: The run's seed, used if the dataset's own ``seed`` is ``run``.
        output: HDF5 file to write.

    Raises:
        ConfigError: The dataset is too small for the split.
        DataError: A value cannot be used; the message names the value, the file and the place.
    """
    from sklearn.preprocessing import StandardScaler

    seed = settings.split_seed(seed)
    arrays = load(settings, seed)
    parts = split(arrays, settings, seed)
    classes = check_classes(arrays, parts["pool"], settings)
    arrays, size = with_offset(with_moments(arrays, settings), parts["pool"]), size or arrays.size
    if not size and not isinstance(arrays.x, np.ndarray):
        raise DataError(f"{arrays.origin}: its images are not in one array: set image_size")
    found: dict[str, Any] = {}
    statistics, checksum = StandardScaler(), hashlib.sha256()  # a constant feature gets a standard deviation of 1
    attributes = {
        "dataset": settings.source,
        "origin": arrays.origin,
        "split": settings.model_dump(exclude={"path"}) | {"seed": seed, "size": size},
        "classes": classes,
        "scale": arrays.scale,
    }
    with hdf5.create(output, "data", attributes | hdf5.describe_environment()) as file:
        for name, source in parts.items():
            fit = statistics if name == "pool" and arrays.mean is None else None
            found[name] = _write(file.create_group(name), arrays, source, size, fit, checksum)
        if arrays.class_names is not None:
            write_names(file["pool"], {"class_names": np.asarray(arrays.class_names)})
        fitted = (statistics.mean_, statistics.scale_) if arrays.mean is None else (arrays.mean, arrays.std)
        file.attrs["mean"], file.attrs["std"] = (np.asarray(values, np.float64) for values in fitted)
        if np.any(arrays.offset):
            file.attrs["offset"] = arrays.offset
        file.attrs["sha256"] = checksum.hexdigest()
        file.attrs["duplicates"] = hdf5.stored(counted := duplicates(found))
    if any(counted.values()):
        log.warning("%s: exact duplicates of samples in the pool: %s", arrays.origin, counted)


def _write(
    group: h5py.Group, arrays: Arrays, source: np.ndarray, size: int | None, statistics: Any, checksum: Any
) -> UInt64[np.ndarray, " sample"]:
    """Writes one part, and returns a digest of each of its samples."""
    written, found = 0, []
    for x in _blocks(arrays, source, size):
        if not written:
            hdf5.dataset(group, "x", (len(source), *x.shape[1:]), x.dtype)
        group["x"][written : written + len(x)] = x
        written += len(x)
        checksum.update(x.tobytes())
        found.append(digests(x))
        if statistics is not None:
            statistics.partial_fit(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) / arrays.scale)
    hdf5.dataset(group, "y", data=arrays.y[source])
    hdf5.dataset(group, "source", data=source)
    checksum.update(arrays.y[source].tobytes() + source.tobytes())
    called = {"id": arrays.ids, "group": arrays.groups}
    write_names(group, {name: values[source] for name, values in called.items() if values is not None})
    return np.concatenate(found)


def _blocks(arrays: Arrays, source: np.ndarray, size: int | None) -> Iterator[np.ndarray]:
    first = _samples(arrays, source[:1], size)
    step = max(1, BLOCK_BYTES // first.nbytes)
    for start in range(0, len(source), step):
        yield _samples(arrays, source[start : start + step], size)


def _samples(arrays: Arrays, source: np.ndarray, size: int | None) -> np.ndarray:
    if isinstance(arrays.x, np.ndarray) and arrays.x.ndim == 2:
        given = arrays.x[source]
        x = as_float32(given, arrays.offset)
        check_finite(x, given, source, arrays)
        return x
    if size:
        return np.stack([resize(arrays.x[index], size) for index in source])
    return np.ascontiguousarray(arrays.x[source])


def resize(image: UInt8[np.ndarray, "channel height width"], size: int) -> UInt8[np.ndarray, "channel size size"]:
    """Resizes one grey or colour image (bilinear, antialiased), unless it has the size already."""
    from PIL import Image

    if image.shape[1:] == (size, size):
        return image
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, 2))
    resized = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
    return resized[np.newaxis] if len(image) == 1 else np.moveaxis(resized, 2, 0)


def split(arrays: Arrays, settings: Dataset, seed: int) -> dict[str, Int[np.ndarray, " part"]]:
    """Returns the sample indices of ``pool`` and, if they exist, of ``test`` and ``public``.

    The parts are disjoint. The pool has the dataset's training samples, followed by its test samples if
    ``settings.pool`` is ``train+test``, without those that ``settings.test`` and ``settings.public`` set aside; these
    are drawn so that each class has its share. Without ``settings.test``, the test set is the dataset's own, unless
    the pool contains it. With ``settings.samples``, all this is of a part that has as many samples of each class as
    can be.

    Raises:
        ConfigError: The dataset is too small, or the user's own, with a test set, and another one is to be drawn.
    """
    from sklearn.model_selection import train_test_split

    whole = settings.pool == "train+test"
    if settings.kind and settings.test and not whole and len(arrays.own_test):
        raise ConfigError(
            f"test: {settings.test} would set training samples aside, but {arrays.origin} has its own test set: leave "
            "test out, or set pool: train+test to divide all samples"
        )
    candidates = np.concatenate([arrays.own_train, arrays.own_test]) if whole else arrays.own_train
    if settings.part is not None:
        candidates = candidates[balanced(arrays.y[candidates], settings.part, seed)]
    rest, parts = np.arange(len(candidates)), {}
    for name, size in (("test", settings.test), ("public", settings.public)):
        if not size:
            continue
        strata = arrays.y[candidates[rest]]
        if hindrance := _cannot_be_set_aside(size, strata, arrays.class_names):
            raise ConfigError(f"{name}: cannot set aside {size} of {len(candidates)} samples: {hindrance}")
        rest, part = train_test_split(rest, test_size=size, random_state=seed, stratify=strata)
        parts[name] = candidates[np.sort(part)]
    if not settings.test and not whole and len(arrays.own_test):
        parts["test"] = arrays.own_test
    return {"pool": candidates[np.sort(rest)], **parts}


def _cannot_be_set_aside(size: int, labels: Int[np.ndarray, " sample"], names: Sequence[str] | None) -> str:
    """Says why a part of this size that has each class cannot be drawn; returns an empty text if it can."""
    classes, counts = np.unique(labels, return_counts=True)
    most = len(labels) - len(classes)
    if not len(classes) <= size <= most:
        return f"allowed are {len(classes)} to {most}, as each part needs a sample of each class"
    if counts.min() < 2:
        lone = shown(names, int(classes[counts.argmin()]))
        return f"class {lone} has one, and each part needs one: leave the class out or merge it with another"
    return ""


@dataclass(frozen=True)
class Part:
    """Pool, test set or public part of a prepared dataset, with the statistics to normalise it."""

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
        samples: Which of its samples to read; all by default.

    Raises:
        DataError: The file has no such part.
    """
    with hdf5.read(path, "data") as file:
        if name not in file:
            remedy = f"set {name} of the dataset{', or test_set: nonmembers of the recipe' * (name == 'test')}"
            raise DataError(f"{path} has no part {name!r}, it has: {', '.join(file)}; {remedy}")
        x, y, scale = file[name]["x"][samples], file[name]["y"][samples], float(file.attrs["scale"])
        return Part(x, y, scale, file.attrs["mean"], file.attrs["std"], int(file.attrs["classes"]))
