"""Files of arrays, read and written whole."""

import h5py
import numpy as np


def read_arrays(path):
    """Every dataset of an HDF5 file by its path in it."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
    return found


def write_arrays(path, **arrays):
    """Writes an .npz or an HDF5 file, by the path's suffix, and returns the path."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    return path
