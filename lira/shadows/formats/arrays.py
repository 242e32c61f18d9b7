"""Scores in an ``.npz`` or HDF5 file: ``member``, one of ``phi logits probabilities``, and maybe more by its name."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lira.core.errors import DataError
from lira.core.validation import check_array
from lira.datasets.file import read_slice
from lira.shadows.formats.given import KINDS, Given, check_outputs, membership
from lira.storage.hdf5 import UTILITY


def from_arrays(path: Path, arrays: Any) -> Given:
    """Reads the arrays of a file, which :func:`lira.datasets.file.open_arrays` yielded.

    Raises:
        DataError: One is missing, or has another shape or values than membership needs.
    """
    kinds = [name for name in KINDS if name in arrays]
    if len(kinds) != 1 or "member" not in arrays:
        raise DataError(
            f"{path} has {', '.join(arrays) or 'nothing'}: it needs member [M, N] and one of phi [M, N, A], "
            "logits [M, N, A, C], probabilities [M, N, A, C]"
        )
    values = arrays[kinds[0]]
    member = membership(read_slice(arrays["member"], (), path), f"{path}: member")
    if values.shape[:2] != member.shape:
        raise DataError(f"{path}: {kinds[0]} is {list(values.shape)}, but member is {list(member.shape)}")
    models = [_Row(values, row, path) for row in range(len(member))]
    check_outputs(kinds[0], models[0].shape, f"{path}: {kinds[0]}[0]")
    labels, ids = (read_slice(arrays[name], (), path) if name in arrays else None for name in ("labels", "id"))
    if "sample" in arrays:
        _check_order(read_slice(arrays["sample"], (), path), f"{path}: sample")
    utility = {
        name: _measure(read_slice(arrays[name], (), path), f"{path}: {name}", len(member))
        for name in UTILITY
        if name in arrays
    }
    places = [f"{path}: {kinds[0]}[{row}]" for row in range(len(member))]
    return Given(kinds[0], models, member, labels, places, utility, ids=ids)


def _check_order(samples: np.ndarray, place: str) -> None:
    """Raises DataError unless indices ascend, since scores are in pool order."""
    if samples.dtype.kind not in "iuf" or not (samples[1:] > samples[:-1]).all():
        raise DataError(f"{place} does not ascend, but scores are in pool order: sort all by it, or leave it out")


def _measure(values: Any, place: str, models: int) -> Float[np.ndarray, " model"]:
    found = check_array(values, place).astype(np.float64)
    if found.shape != (models,):
        raise DataError(f"{place} is {list(found.shape)}: one number for each of the {models} models is needed")
    most = 1 if place.endswith("accuracy") else np.inf
    if len(wrong := np.flatnonzero((found < 0) | (found > most))):
        allowed = "accuracies are from 0 to 1" if most == 1 else "losses are 0 or more"
        raise DataError(f"{place}[{wrong[0]}] is {found[wrong[0]]:g}: {allowed}")
    return found


class _Row:
    """One model's part of an array or of an HDF5 dataset, which is read when it is sliced."""

    def __init__(self, values: Any, row: int, path: Path):
        self.values, self.row, self.path, self.shape, self.dtype = values, row, path, values.shape[1:], values.dtype

    def __getitem__(self, columns: slice) -> np.ndarray:
        return read_slice(self.values, (self.row, columns), self.path)
