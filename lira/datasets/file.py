"""Reads the user's own data: arrays in an ``.npz`` or HDF5 file, or a table with a column of labels."""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import h5py
import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets._arrays import Arrays, check_images, check_labels, check_table, from_user
from lira.datasets._forms import HDF5, NPZ, PARQUET, TEXT, absent, form_of
from lira.datasets._names import numbered
from lira.datasets._tables import read_table

DAMAGE = (OSError, ValueError, EOFError, BadZipFile, zlib.error, LookupError, AttributeError, TypeError, RuntimeError)
"""Exceptions that reading a damaged file can raise; MemoryError is not one of them."""


def load(settings: Dataset, seed: int) -> Arrays:
    """Reads the whole file and checks its arrays, or its columns if the settings name that of the labels.

    Raises:
        DataError: The file is missing, damaged or of another form, or has arrays of objects.
    """
    path = Path(settings.path or "")
    if settings.label is not None:
        return from_user(read_table(settings), str(path), settings)
    if path.is_file() and form_of(path) in (TEXT, PARQUET):
        raise _unreadable(path, ValueError(), ", or label names the column of labels in CSV and parquet")
    with open_arrays(path) as arrays:
        given = {name: read_slice(values, (), path) for name, values in arrays.items()}
    return from_user(given, str(path), settings)


def measure(
    path: Path, kind: str, channels: str | None = None, named: bool = False
) -> tuple[int, int, tuple[int, ...], int]:
    """Reads the size of a dataset from headers and labels, without its samples.

    Args:
        path: The file.
        kind: ``image`` or ``tabular``.
        channels: As the dataset's settings say.
        named: Whether they say that labels are names.

    Returns:
        Number of training samples and of test samples, shape of a sample, number of classes.

    Raises:
        DataError: The file is missing, damaged or of another form.
    """
    arrange = partial(check_images, channels=channels) if kind == "image" else check_table
    with ExitStack() as stack:
        try:
            if h5py.is_hdf5(path):
                file: Any = _datasets(stack.enter_context(h5py.File(path, locking=False)), path)
                headers = {name: (item.shape, item.dtype) for name, item in file.items()}
            else:
                file = stack.enter_context(np.load(path, allow_pickle=False))
                headers = {name: _header(stack.enter_context(file.zip.open(f"{name}.npy"))) for name in file.files}
            blank = {name: np.broadcast_to(np.zeros((), dtype), shape) for name, (shape, dtype) in headers.items()}
            x = arrange(blank["x"], "x")
            parts = [("x", "y"), *([("x_test", "y_test")] if "x_test" in file else [])]
            labels, names = numbered({name: file[name][()] for _, name in parts})
            train, *test = (check_labels(labels[name], name, blank[samples]) for samples, name in parts)
            every = np.concatenate([train, *test])
            found = len(names or np.unique(every)) if names or named else int(every.max()) + 1
            classes = int(np.asarray(file["classes"][()]).item()) if "classes" in file else found
        except DAMAGE as error:
            raise _unreadable(path, error) from error
    return len(train), sum(map(len, test)), x.shape[1:], classes


def _array(file: Any, name: str, path: Path) -> np.ndarray:
    with file.zip.open(f"{name}.npy") as member:
        if _header(member)[1].hasobject:
            raise _unreadable(
                path, DataError(f"{name} is an array of objects: save it as astype(str) or astype(float)")
            )
    return file[name]


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    reader = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}[read_magic(file)]
    shape, _, dtype = reader(file)
    return shape, dtype


@contextmanager
def open_arrays(path: Path) -> Iterator[dict[str, np.ndarray | h5py.Dataset]]:
    """Yields all arrays of an ``.npz`` file, or the datasets of an HDF5 file, for :func:`read_slice`.

    Pickled objects are never loaded.

    Raises:
        DataError: The file is missing, damaged or of another kind, has arrays of objects, or refers to other files.
    """
    if not path.is_file():
        raise absent(path, "an .npz or HDF5 file")
    with ExitStack() as stack:
        try:
            if h5py.is_hdf5(path):
                arrays = _datasets(stack.enter_context(h5py.File(path, locking=False)), path)
            else:
                file = np.load(path, allow_pickle=False)
                if isinstance(file, np.ndarray):
                    raise ValueError
                with file:
                    arrays = {name: _array(file, name, path) for name in file.files}
        except DataError:
            raise
        except DAMAGE as error:
            raise _unreadable(path, error) from error
        yield arrays


def read_slice(values: np.ndarray | h5py.Dataset, place: tuple | slice, path: Path) -> np.ndarray:
    """Reads part of an array that :func:`open_arrays` yielded.

    Raises:
        DataError: The file is damaged there.
    """
    try:
        return values[place]
    except DAMAGE as error:
        raise _unreadable(path, error) from error


def _datasets(file: h5py.File, path: Path) -> dict[str, h5py.Dataset]:
    found = {name: file.get(name) for name in file if not isinstance(file.get(name, getlink=True), h5py.ExternalLink)}
    found = {name: item for name, item in found.items() if isinstance(item, h5py.Dataset)}
    for name, item in found.items():
        if item.shape is None:
            raise DataError(f"{path}: {name} is empty: an array of numbers is needed")
        if item.is_virtual or item.external:
            raise DataError(f"{path}: {name} is stored in other files: it must be in this one")
    return found


def _unreadable(path: Path, error: Exception, besides: str = "") -> DataError:
    if isinstance(error, DataError):
        said = str(error)
    elif (form := form_of(path)) in (NPZ, HDF5):
        said = f"it is damaged, or not whole, as {form}: make or copy it again"
    else:
        said = f"it is {form}: numpy.savez makes an .npz file of arrays{besides}"
    return DataError(f"{path} cannot be read as .npz or HDF5 with arrays of numbers: {said}")
