"""Reads the user's own data: an ``.npz`` or HDF5 file with ``x`` and ``y``, optionally ``x_test`` and ``y_test``."""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zipfile import BadZipFile

import h5py
import numpy as np

from lira.config import Dataset
from lira.core.errors import DataError, reason
from lira.datasets._arrays import Arrays, from_user

DAMAGE = (OSError, ValueError, EOFError, BadZipFile, zlib.error, LookupError, AttributeError, TypeError, RuntimeError)
"""Exceptions that reading a damaged file can raise; MemoryError is not one of them."""


def load(settings: Dataset, seed: int) -> Arrays:
    """Reads the whole file and checks its arrays.

    Raises:
        DataError: The file is missing, damaged or of another form, or has arrays of objects.
    """
    path = Path(settings.path or "")
    with open_arrays(path) as arrays:
        given = {name: read_slice(values, (), path) for name, values in arrays.items()}
    return from_user(given, str(path), settings.holds)


@contextmanager
def open_arrays(path: Path) -> Iterator[dict[str, np.ndarray | h5py.Dataset]]:
    """Yields all arrays of an ``.npz`` file, or the datasets of an HDF5 file, for :func:`read_slice`.

    Pickled objects are never loaded.

    Raises:
        DataError: The file is missing, damaged or of another kind, has arrays of objects, or refers to other files.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist: an .npz or HDF5 file is needed")
    with ExitStack() as stack:
        try:
            if h5py.is_hdf5(path):
                arrays = _datasets(stack.enter_context(h5py.File(path, locking=False)), path)
            else:
                file = np.load(path, allow_pickle=False)
                if isinstance(file, np.ndarray):
                    raise ValueError("it is a single .npy array")
                with file:
                    arrays = {name: file[name] for name in file.files}
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


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as .npz or HDF5 with arrays of numbers ({reason(error)})")
