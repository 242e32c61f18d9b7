"""The user's own data: an ``.npz`` or HDF5 file with ``x`` and ``y``, maybe ``x_test`` and ``y_test``."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import h5py
import numpy as np

from lira.config import Dataset
from lira.datasets._arrays import Arrays, from_user
from lira.errors import DataError


def load(settings: Dataset, seed: int) -> Arrays:
    """Reads the file whole.

    Raises:
        DataError: missing, damaged, of another form, or with object arrays.
    """
    path = Path(settings.path)
    return from_user(read_arrays(path), str(path), settings.holds)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` or HDF5 file; pickled objects are never loaded.

    Raises:
        DataError: missing, damaged, of another kind, or with object arrays.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist: an .npz or HDF5 file is needed")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                return {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as .npz or HDF5 with arrays of numbers ({reason})") from error
