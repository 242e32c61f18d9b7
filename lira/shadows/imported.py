"""Imports scores that were made elsewhere: φ or logits, labels and membership become a run's ``shadows.h5``.

A file, ``.npz`` or HDF5, holds ``member [M, N]`` and either ``phi [M, N]`` or ``[M, N, A]``, or
``logits [M, N, A, C]``, and optionally ``labels [N]``. A folder holds a folder per model, ``model_<k>`` or
``experiment-<k>_<M>`` for k = 0 .. M − 1, as the released codes of the attack write them: in it
``scores/*.npy [N, A]`` or ``logits/*.npy [N, 1, A, C]``; membership is ``keep_indices.npy [M, N]`` beside the
models or ``keep.npy [N]`` in each, labels are ``labels.npy`` or ``y_train.npy`` beside the models.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.config import ImportedRecipe, RunDescription
from lira.core.errors import DataError
from lira.core.validation import check_booleans
from lira.datasets._arrays import check_labels
from lira.datasets._forms import not_npy
from lira.datasets.file import open_arrays, read_slice
from lira.shadows.logits import scaled_logit
from lira.storage import hdf5

MODEL = re.compile(r"(?:model_(\d+)|experiment-(\d+)_(\d+))")
KEPT, LABELS = ("keep_indices.npy", "keep.npy"), ("labels.npy", "y_train.npy")  # beside the models; the first is read
BLOCK_BYTES = 32 << 20
SHOWN = 10  # models that a message lists


def score_files(path: Path) -> list[Path]:
    """Returns the files that an import reads: of a folder those of its models, or itself if it has none."""
    if not path.is_dir():
        return [path]
    models = sorted(model for model in path.iterdir() if model.is_dir() and MODEL.fullmatch(model.name))
    arrays = [_arrays(model, "scores") or _arrays(model, "logits") for model in models]
    kept, labels = _first(path, *KEPT), _first(path, *LABELS)
    others = [kept] if kept else [file for model in models if (file := model / "keep.npy").is_file()]
    return [*(files[-1] for files in arrays if files), *others, *([labels] if labels else [])] or [path]


@dataclass(frozen=True)
class Given:
    """Scores and membership that were found; large arrays stay on disk until they are used.

    Attributes:
        kind: ``phi`` or ``logits``.
        models: M arrays, each ``[N]``, ``[N, A]`` (φ), ``[N, A, C]`` or ``[N, 1, A, C]`` (logits).
        member: True where the sample trained the model.
        labels: True class of each sample as found, if given; not checked yet.
        places: Source of each model's values, for messages.
    """

    kind: str
    models: Sequence[Any]
    member: Bool[np.ndarray, "model sample"]
    labels: Any
    places: Sequence[str]


def import_scores(scores: Path, run: RunDescription, recipe: ImportedRecipe, data: Path | None, output: Path) -> None:
    """Writes imported scores as the shadow models of a run, so that later steps treat them like the study's own.

    φ keeps its precision, float32 or float64. Utility is unknown, so NaN.

    Args:
        scores: File or folder.
        run: From :meth:`lira.config.StudySettings.describe_run`.
        recipe: Known settings of the training, for the tables.
        data: Prepared dataset whose pool was scored, if there is one; its labels must be the same.
        output: ``shadows.h5``.

    Raises:
        DataError: Something is missing or damaged, or has a wrong shape or value.
    """
    with _opened(scores) as given:
        models, samples = given.member.shape
        views = _check_shapes(given)
        labels = _labels(scores, given, data)
        attributes = run.attributes() | {
            "recipe": recipe.model_dump() | {"query_views": views},
            "imported": str(scores),
            "shadow_models": models,
            "member_fraction": float(given.member.mean()),
        }
        dtype = np.float64 if given.kind == "phi" and given.models[0].dtype == np.float64 else np.float32
        checksum = hashlib.sha256()  # of φ and membership, as in the shadow models of a study
        block = max(1, min(samples, BLOCK_BYTES // (models * views * dtype().nbytes)))
        with hdf5.create(output, "shadows", attributes | hdf5.describe_environment("unknown")) as file:
            chunks = models, min(block, 512), views
            phi = hdf5.dataset(file, "phi", (models, samples, views), dtype, chunks=chunks)
            for start in range(0, samples, block):
                columns = slice(start, min(start + block, samples))
                values = _read_block(given, columns, labels, views, dtype)
                phi[:, columns] = values
                checksum.update(values.data)
            hdf5.dataset(file, "member", data=given.member)
            checksum.update(np.ascontiguousarray(given.member).data)
            file.attrs["sha256"] = checksum.hexdigest()
            if labels is not None:
                hdf5.dataset(file, "labels", data=labels)
            for name in hdf5.UTILITY:
                hdf5.dataset(file, f"utility/{name}", data=np.full(models, np.nan))


def _read_block(
    given: Given, columns: slice, labels: np.ndarray | None, views: int, dtype: type
) -> Float[np.ndarray, "model block view"]:
    block = np.empty((len(given.models), columns.stop - columns.start, views), dtype)
    for row, (values, place) in enumerate(zip(given.models, given.places, strict=True)):
        found = np.asarray(values[columns])
        if given.kind == "logits":
            assert labels is not None  # _labels has seen to it
            found = scaled_logit(found[:, 0] if found.ndim == 4 else found, labels[columns])
        block[row] = found.reshape(block.shape[1:])
        if not np.isfinite(block[row]).all():
            sample, view = np.argwhere(~np.isfinite(block[row]))[0]
            where = f"sample {columns.start + sample}, view {view}"
            raise DataError(f"{place}: φ of {where}, is {block[row, sample, view]}")
    return block


def _check_shapes(given: Given) -> int:
    """Checks that all models have values of the same shape for every sample, and returns the number of views."""
    samples = given.member.shape[1]
    if len(given.models) < 2:
        raise DataError(f"{given.places[0]}: the scores of one model cannot be attacked, two or more are needed")
    for values, place in zip(given.models, given.places, strict=True):
        shape = values.shape
        if shape[:1] != (samples,):
            raise DataError(f"{place} has {shape[0] if shape else 0} samples, the membership {samples}")
        if shape != given.models[0].shape:
            raise DataError(f"{place} is {list(shape)}, but {given.places[0]} is {list(given.models[0].shape)}")
        if values.dtype.kind not in "iuf":
            raise DataError(f"{place} is an array of {values.dtype}: numbers are needed")
    shape = given.models[0].shape
    if not np.prod(shape) or (given.kind == "logits" and shape[-1] < 2):
        raise DataError(f"{given.places[0]} is {list(shape)}: a view and, for logits, two classes are needed")
    if given.kind == "phi" and len(shape) in (1, 2):
        return 1 if len(shape) == 1 else shape[1]
    if given.kind == "logits" and (len(shape) == 3 or (len(shape) == 4 and shape[1] == 1)):
        return shape[-2]
    allowed = "[N] or [N, A]" if given.kind == "phi" else "[N, A, C] or [N, 1, A, C]"
    raise DataError(f"{given.places[0]} is {list(shape)}: {given.kind} of a model is {allowed}")


def _labels(scores: Path, given: Given, data: Path | None) -> Int[np.ndarray, " sample"] | None:
    found = given.labels
    if found is not None:
        found = check_labels(found, f"{scores}: labels", given.member[0])
    if data is not None:
        found = _pool_labels(scores, found, given.member.shape[1], data)
    if found is None:
        if given.kind == "logits":
            raise DataError(f"{scores}: logits need labels: add labels [N], or a dataset of this name to the study")
        return None
    if (found < 0).any():
        raise DataError(f"{scores}: label of sample {found.argmin()} is {found.min()}: labels are from 0")
    classes = given.models[0].shape[-1] if given.kind == "logits" else None
    if classes is not None and found.max() >= classes:
        said = f"label of sample {found.argmax()} is {found.max()}: allowed are 0 to {classes - 1}"
        raise DataError(f"{scores}: {said}, since the logits are of {classes} classes")
    return found


def _pool_labels(scores: Path, found: Any, samples: int, data: Path) -> Int[np.ndarray, " sample"]:
    with hdf5.read(data, "data") as file:
        pool = file["pool/y"][:]
    if len(pool) != samples:
        raise DataError(f"{scores} is of {samples} samples, the pool of {data} has {len(pool)}")
    if found is not None and len(wrong := np.flatnonzero(found != pool)):
        place = f"sample {wrong[0]} has label {found[wrong[0]]}, in the pool of {data} it is {pool[wrong[0]]}"
        raise DataError(f"{scores}: {place}: the scores are of other samples, or in another order")
    return pool


@contextmanager
def _opened(path: Path) -> Iterator[Given]:
    if path.is_dir():
        yield _read_folder(path)
        return
    with open_arrays(path) as arrays:
        yield _from_arrays(path, arrays)


def _from_arrays(path: Path, arrays: Any) -> Given:
    kinds = [name for name in ("phi", "logits") if name in arrays]
    if len(kinds) != 1 or "member" not in arrays:
        raise DataError(
            f"{path} has {', '.join(arrays) or 'nothing'}: it needs member [M, N] and one of phi [M, N, A], "
            "logits [M, N, A, C]"
        )
    values = arrays[kinds[0]]
    member = _membership(read_slice(arrays["member"], (), path), f"{path}: member")
    if values.shape[:2] != member.shape:
        raise DataError(f"{path}: {kinds[0]} is {list(values.shape)}, but member is {list(member.shape)}")
    models = [_Row(values, row, path) for row in range(len(member))]
    labels = read_slice(arrays["labels"], (), path) if "labels" in arrays else None
    return Given(kinds[0], models, member, labels, [f"{path}: {kinds[0]}[{row}]" for row in range(len(member))])


class _Row:
    """One model's part of an array or of an HDF5 dataset, which is read when it is sliced."""

    def __init__(self, values: Any, row: int, path: Path):
        self.values, self.row, self.path, self.shape, self.dtype = values, row, path, values.shape[1:], values.dtype

    def __getitem__(self, columns: slice) -> np.ndarray:
        return read_slice(self.values, (self.row, columns), self.path)


def _read_folder(folder: Path) -> Given:
    found: dict[int, tuple[Path, str | None]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (match := MODEL.fullmatch(path.name)):
            one = found.setdefault(int(match[1] or match[2]), (path, match[3]))[0]
            if one != path:
                raise DataError(f"{folder}: {one.name} and {path.name} are the same model: leave one of them there")
    if not found:
        raise DataError(f"{folder} has no folders model_<k> or experiment-<k>_<M>")
    stated = next((int(models) for _, models in found.values() if models), None)
    kept = _first(folder, *KEPT)
    member = _membership(_array(kept), str(kept)) if kept else None
    expected = stated or (len(member) if member is not None else max(found) + 1)
    present = sum(model < expected for model in found)
    if present < expected or len(found) > expected:
        lacking = list(islice((model for model in range(expected) if model not in found), SHOWN))
        more = f" and {expected - present - SHOWN} more" if expected - present > SHOWN else ""
        beyond = sorted(model for model in found if model >= expected)[:SHOWN]
        said = f"lacks models {lacking}{more}" if lacking else f"has models {beyond}"
        raise DataError(f"{folder} {said}: {expected} models are expected, 0 to {expected - 1}")
    paths = [found[model][0] for model in range(expected)]
    kind = "phi" if all((path / "scores").is_dir() for path in paths) else "logits"
    files = [_values(path, "scores" if kind == "phi" else "logits") for path in paths]
    if member is None:
        member = _membership_of_each([path / "keep.npy" for path in paths])
    if len(member) != expected:
        raise DataError(f"{kept} is of {len(member)} models, there are {expected}")
    labels = _first(folder, *LABELS)
    models = [_array(file) for file in files]
    return Given(kind, models, member, None if labels is None else _array(labels), [str(file) for file in files])


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _arrays(model: Path, name: str) -> list[Path]:
    return sorted((model / name).glob("*.npy"))


def _values(model: Path, name: str) -> Path:
    """Returns a model's array; of several, which are of successive epochs, the last by name."""
    if not (files := _arrays(model, name)):
        raise DataError(f"{model} has neither scores/*.npy nor logits/*.npy")
    return files[-1]


def _array(path: Path) -> np.ndarray:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise not_npy(path) from error


def _membership_of_each(files: list[Path]) -> Bool[np.ndarray, "model sample"]:
    rows = [_membership(_array(file)[np.newaxis], str(file)) for file in files]
    for file, row in zip(files, rows, strict=True):
        if row.shape != rows[0].shape:
            raise DataError(f"{file} is of {row.shape[1]} samples, {files[0]} of {rows[0].shape[1]}")
    return np.concatenate(rows)


def _membership(member: Any, place: str) -> Bool[np.ndarray, "model sample"]:
    member = check_booleans(member, place)
    if member.ndim != 2 or not member.size:
        raise DataError(f"{place} is {list(member.shape)}: membership is [models, samples]")
    return member
