"""Imports scores that were made elsewhere: φ, logits or probabilities, and membership become a run's ``shadows.h5``.

:mod:`lira.shadows.formats` reads the files, :mod:`lira.shadows.plausible` notices what they cannot mean.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from lira.config import ImportedRecipe, RunDescription
from lira.core.errors import DataError
from lira.core.validation import quoted
from lira.datasets._arrays import check_labels
from lira.datasets._names import check_names
from lira.datasets.file import open_arrays
from lira.shadows.formats.arrays import from_arrays
from lira.shadows.formats.folders import read_folder
from lira.shadows.formats.given import Given, first_models
from lira.shadows.formats.tables import is_table, read_table
from lira.shadows.logits import largest_phi, log_odds, scaled_logit
from lira.shadows.plausible import LEAVE_OUT, check_logits, check_orientation, check_phi, check_probabilities
from lira.storage import hdf5
from lira.storage.records import passed_on, write_names

log = logging.getLogger(__name__)

BLOCK_BYTES = 32 << 20


class Shape(NamedTuple):
    """Query views of a model's values, and its outputs: C, or 1 for φ and where one stands for two classes."""

    views: int
    outputs: int

    @property
    def classes(self) -> int:
        """Number of classes."""
        return max(2, self.outputs)


def import_scores(
    scores: Path,
    run: RunDescription,
    recipe: ImportedRecipe | None,
    data: Path | None,
    output: Path,
    models: int | None = None,
    shadow_models: int | None = None,
    never_held: bool = False,
) -> None:
    """Writes imported scores as the shadow models of a run, so that later steps treat them like the study's own.

    φ keeps its precision, float32 or float64. φ of a probability of 0 is infinite: it becomes the largest that is not,
    plus log 2, as if the 0 were half of the smallest probability. What is not known of losses and accuracies is NaN.

    Args:
        scores: File or folder.
        run: From :meth:`lira.config.StudySettings.describe_run`.
        recipe: What the study says of the training, for the tables; it goes before what a folder says.
        data: Prepared dataset whose pool was scored, if there is one; its labels must be the same.
        output: ``shadows.h5``.
        models: Number of models to take, the first that are finished; all, and all must be, if it is not given.
        shadow_models: Number of models that the study says there are.
        never_held: Whether the study says that no model holds any sample.

    Raises:
        DataError: Something is missing or damaged, has a wrong shape or value, or is not what it is called.
        ConfigError: ``train_config.yaml`` in a folder cannot be read.
    """
    with _opened(scores, models) as given:
        shape = check_shapes(given, least=2)
        labels = _labels(scores, given, shape, data)
        _check_sides(scores, given.member, models is None, never_held)
        known, remarks = _recipe(given, recipe, shape.views)
        if shadow_models not in (None, len(given.models)):
            raise DataError(
                f"{scores} is of {len(given.models)} models, but shadow_models is {shadow_models}: set models: "
                f"{len(given.models)} for {run.dataset}/{run.architecture}/{run.regime} if that is right"
            )
        attributes = run.attributes() | {
            "recipe": known,
            "imported": str(scores),
            "shadow_models": len(given.models),
            "member_fraction": float(given.member.mean()),
        }
        names, about = passed_on(data)
        names = _ids(scores, given, names.get("id")) | names
        with hdf5.create(output, "shadows", attributes | about | _environment()) as file:
            blocks = Blocks(given, labels, shape)
            file.attrs["sha256"] = blocks.write(file, given.member)
            if remarks := [*remarks, *blocks.remarks]:
                file.attrs["remarks"] = hdf5.stored(remarks)
            if labels is not None:
                hdf5.dataset(file, "labels", data=labels)
            write_names(file, names)
            unknown = dict.fromkeys(hdf5.UTILITY, np.full(len(given.models), np.nan))
            for name, values in (unknown | dict(given.utility)).items():
                hdf5.dataset(file, f"utility/{name}", data=values)
    for remark in remarks:
        log.warning("%s: %s", scores, remark)


def _environment() -> dict[str, Any]:
    found = hdf5.describe_environment("unknown")
    found["versions"].pop("torch", None)  # which made nothing of this
    return found


class Blocks:
    """Makes φ of blocks of samples, and writes it.

    Attributes:
        remarks: What readers have to know: how many values of φ were clipped.
    """

    def __init__(
        self, given: Given, labels: Int[np.ndarray, " sample"] | None, shape: Shape, clip: float | None = None
    ):
        self.given, self.labels, self.shape, self.clip = given, labels, shape, clip
        exact = given.kind == "phi" and any(one.dtype.kind == "f" and one.dtype.itemsize >= 8 for one in given.models)
        self.dtype, self.bound, self.remarks = np.float64 if exact else np.float32, np.inf, list[str]()
        models, samples = given.member.shape
        self.size = max(1, min(samples, BLOCK_BYTES // (models * shape.views * self.dtype().nbytes)))
        if clip:
            self.bound = largest_phi(clip)
        elif given.kind == "probabilities":
            self.bound = self._largest() + np.log(2)

    def write(self, file: h5py.File, member: Bool[np.ndarray, "model sample"] | None) -> str:
        """Writes φ, and membership if it is known; returns their checksum, which is that of a study's shadow models."""
        models, samples = self.given.member.shape
        chunks = models, min(self.size, 512), self.shape.views
        phi = hdf5.dataset(file, "phi", (models, samples, self.shape.views), self.dtype, chunks=chunks)
        checksum, least, most, clipped = hashlib.sha256(), np.inf, -np.inf, 0
        for columns, values in self._all():
            clipped += int((np.abs(values) > self.bound).sum())
            np.clip(values, -self.bound, self.bound, out=values)
            least, most = min(least, values.min()), max(most, values.max())
            phi[:, columns] = values
            checksum.update(values.data)
        if self.given.kind == "phi":
            check_phi(float(least), float(most), self.given.places[0])
        if models == samples:
            check_orientation(phi[:].mean(-1, dtype=np.float64), self.given.member, self.given.places[0])
        if clipped:
            of = f"below {self.clip:g} or above {1 - self.clip:.10g}" if self.clip else "of 0 or 1"
            said = f"{clipped} of {phi.size} values of φ are of probabilities {of}"
            self.remarks.append(f"{said}, and were clipped to ±{self.bound:.4g}")
        if member is not None:
            hdf5.dataset(file, "member", data=member)
            checksum.update(np.ascontiguousarray(member).data)
        return checksum.hexdigest()

    def _largest(self) -> float:
        """Returns the largest φ that is finite, whatever its sign."""
        found = [np.abs(values[np.isfinite(values)]).max(initial=-1) for _, values in self._all()]
        if max(found) < 0:
            raise DataError(
                f"{self.given.places[0]}: all probabilities are 0 or 1, as predicted classes are: φ needs probabilities"
            )
        return float(max(found))

    def _all(self) -> Iterator[tuple[slice, Float[np.ndarray, "model block view"]]]:
        samples = self.given.member.shape[1]
        for start in range(0, samples, self.size):
            columns = slice(start, min(start + self.size, samples))
            block = np.empty((len(self.given.models), columns.stop - start, self.shape.views), self.dtype)
            for row, (values, place) in enumerate(zip(self.given.models, self.given.places, strict=True)):
                block[row] = self._phi(np.asarray(values[columns]), place, columns)
                wrong = np.isnan(block[row]) if self.given.kind == "probabilities" else ~np.isfinite(block[row])
                if wrong.any():
                    sample, view = np.argwhere(wrong)[0]
                    where = f"sample {start + sample}, view {view}"
                    infinite = self.given.kind == "phi" and np.isinf(block[row, sample, view])
                    remedy = "give logits or probabilities, of which it is clipped" if infinite else LEAVE_OUT
                    raise DataError(f"{place}: φ of {where}, is {block[row, sample, view]}: {remedy}")
            yield columns, block

    def _phi(self, found: np.ndarray, place: str, columns: slice) -> Float[np.ndarray, "block view"]:
        if self.given.kind == "phi":
            return found.reshape(len(found), -1)
        assert self.labels is not None  # _labels has seen to it
        outputs, labels = found.reshape(len(found), *self.shape), self.labels[columns]
        logits = self.given.kind == "logits"
        if not logits:
            outputs = check_probabilities(outputs, place, columns.start)
        elif not columns.start:
            check_logits(outputs, place)
        if self.shape.outputs == 1:
            outputs = outputs.astype(np.float64)
            outputs = np.concatenate([np.zeros_like(outputs) if logits else 1 - outputs, outputs], axis=-1)
        return scaled_logit(outputs, labels) if logits else log_odds(outputs, labels)


def check_shapes(given: Given, least: int = 1) -> Shape:
    """Checks that all models have values of the same shape for every sample, and returns what the axes are.

    Raises:
        DataError: They have not, or there are fewer than the ``least`` that are needed, two of shadow models.
    """
    samples = given.member.shape[1]
    if len(given.models) < least:
        raise DataError(f"{given.places[0]}: the scores of one model cannot be attacked, two or more are needed")
    for values, place in zip(given.models, given.places, strict=True):
        shape = values.shape
        if shape[:1] != (samples,):
            raise DataError(f"{place} has {shape[0] if shape else 0} samples, the membership {samples}")
        if shape != given.models[0].shape:
            raise DataError(f"{place} is {list(shape)}, but {given.places[0]} is {list(given.models[0].shape)}")
        if values.dtype.kind not in "iuf":
            raise DataError(f"{place} is an array of {values.dtype}: numbers are needed")
    shape, place = given.models[0].shape, given.places[0]
    if not np.prod(shape):
        raise DataError(f"{place} is {list(shape)}: a view and, for logits and probabilities, a class are needed")
    if given.kind == "phi" and len(shape) in (1, 2):
        return Shape(1 if len(shape) == 1 else shape[1], 1)
    if given.kind != "phi":
        if len(shape) == 1 or shape[1:] == (1,):
            return Shape(1, 1)
        if len(shape) == 2 and given.kind == "probabilities":
            return Shape(1, shape[1])
        if len(shape) == 3 or (len(shape) == 4 and shape[1] == 1):
            return Shape(shape[-2], shape[-1])
    allowed = {
        "phi": "[N] or [N, A]",
        "logits": "[N, A, C] or [N, 1, A, C], or [N], of class 1 of two",
        "probabilities": "[N, C], [N, A, C] or [N, 1, A, C], or [N], of class 1 of two",
    }
    raise DataError(f"{place} is {list(shape)}: {given.kind} of a model is {allowed[given.kind]}")


def _check_sides(scores: Path, member: Bool[np.ndarray, "model sample"], whole: bool, never_held: bool) -> None:
    """Raises DataError if no sample, or of the ``whole`` membership one, has models with and without it.

    With ``never_held``, no model may have one.
    """
    if never_held:
        for model, sample in np.argwhere(member)[:1]:
            raise DataError(f"{scores}: model {model} has sample {sample} as a member, but never_held is true")
        return
    alike = (member == member[0]).all(axis=0)
    if not (alike.any() if whole else alike.all()):
        return
    sample = int(alike.argmax())
    held = f"all {len(member)} models have" if member[0, sample] else f"none of {len(member)} models has"
    many = f", and so it is with {alike.sum()} of {len(alike)} samples" if alike.sum() > 1 else ""
    raise DataError(
        f"{scores}: {held} sample {sample} as a member{many}: attacks need models with and without each sample, so "
        "correct member or leave the sample out"
    )


def _labels(scores: Path, given: Given, shape: Shape, data: Path | None) -> Int[np.ndarray, " sample"] | None:
    found, kind = given.labels, given.kind
    if found is not None:
        found = check_labels(found, f"{scores}: labels", given.member[0])
    if data is not None:
        found = _pool_labels(scores, found, given.member.shape[1], data)
    if found is None:
        if kind == "phi":
            return None
        why = f" ({'; '.join(given.remarks)})" if given.remarks else ""
        raise DataError(f"{scores}: {kind} need labels: add labels [N], or a dataset of this name to the study{why}")
    check_classes(scores, found, kind, shape)
    return found


def check_classes(scores: Path, found: Int[np.ndarray, " sample"], kind: str, shape: Shape) -> None:
    """Raises DataError if a label is of a class that the outputs do not have."""
    if (found < 0).any():
        raise DataError(f"{scores}: label of sample {found.argmin()} is {found.min()}: labels are from 0")
    if kind != "phi" and found.max() >= shape.classes:
        said = f"label of sample {found.argmax()} is {found.max()}: allowed are 0 to {shape.classes - 1}"
        one = ", with one output for both" if shape.outputs == 1 else ""
        raise DataError(f"{scores}: {said}, since the {kind} are of {shape.classes} classes{one}")


def _pool_labels(scores: Path, found: Any, samples: int, data: Path) -> Int[np.ndarray, " sample"]:
    with hdf5.read(data, "data") as file:
        pool = file["pool/y"][:]
    if len(pool) != samples:
        raise DataError(f"{scores} is of {samples} samples, the pool of {data} has {len(pool)}")
    if found is not None and len(wrong := np.flatnonzero(found != pool)):
        place = f"sample {wrong[0]} has label {found[wrong[0]]}, in the pool of {data} it is {pool[wrong[0]]}"
        raise DataError(f"{scores}: {place}: the scores are of other samples, or in another order")
    return pool


def _ids(scores: Path, given: Given, pool: Any) -> dict[str, Shaped[np.ndarray, " sample"]]:
    """Returns as ``id`` what the scores say that samples are called, if they do; it must not differ from the pool's."""
    if given.ids is None:
        return {}
    found = check_names(given.ids, f"{scores}: id", given.member.shape[1])
    if pool is not None and len(wrong := np.flatnonzero(found != pool)):
        said = f"sample {wrong[0]} has id {quoted(str(found[wrong[0]]))}, in the pool {quoted(str(pool[wrong[0]]))}"
        raise DataError(f"{scores}: {said}: sort the scores as the pool is")
    return {"id": found}


def _recipe(given: Given, stated: ImportedRecipe | None, views: int) -> tuple[dict[str, Any], list[str]]:
    """Returns what is known of the training, and what to say about it and about the import."""
    known, remarks = stated.model_dump() if stated else {}, list(given.remarks)
    for name, value in given.recipe.items():
        if known.get(name) is None:
            known[name] = value
        elif known[name] != value:
            remarks.append(f"{name} is {known[name]} in the study, and {value} in train_config.yaml")
    if known.get("query_views") not in (None, views):
        remarks.append(f"the scores are of {views} views, the study says query_views: {known['query_views']}")
    return known | {"query_views": views}, remarks


@contextmanager
def _opened(path: Path, models: int | None) -> Iterator[Given]:
    if path.is_dir():
        yield read_folder(path, models)
    elif is_table(path):
        yield first_models(read_table(path), models, path)
    else:
        with open_arrays(path) as arrays:
            yield first_models(from_arrays(path, arrays), models, path)
