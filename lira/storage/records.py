"""What a prepared dataset says of its records, and the files of a run pass on: ids, groups, names of classes."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Shaped

from lira.storage import hdf5

NAMES = ("id", "group", "class_names")
"""Optional text of a pool, and of the ``shadows.h5`` of its runs."""


def read_names(file: h5py.File | h5py.Group) -> dict[str, Shaped[np.ndarray, " name"]]:
    """Reads those of :data:`NAMES` that a file has."""
    return {name: np.char.decode(file[name][:], "utf-8") for name in NAMES if name in file}


def write_names(group: h5py.Group, names: dict[str, Shaped[np.ndarray, " name"]]) -> None:
    """Writes what :func:`read_names` returns."""
    for name, values in names.items():
        hdf5.dataset(group, name, data=np.char.encode(values, "utf-8"))


def passed_on(data: Path | None) -> tuple[dict[str, Shaped[np.ndarray, " name"]], dict[str, Any]]:
    """Returns what the ``shadows.h5`` of a run takes over from its prepared dataset, if it has one.

    These are names, and attributes.
    """
    if data is None:
        return {}, {}
    with hdf5.read(data, "data") as file:
        counted = hdf5.attributes(file).get("duplicates")
        return read_names(file["pool"]), {} if counted is None else {"duplicates": counted}
