"""Scores in a folder with a folder per model, as the released codes of the attack write them.

The model folders are ``model_<k>`` or ``experiment-<k>_<M>``. In each is a file, ``.npy`` or ``.csv``, in ``scores``,
``logits`` or ``probabilities``; membership is ``keep_indices [M, N]`` beside the models or ``keep [N]`` in each, labels
are ``labels`` or ``y_train`` beside the models.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from lira.core.errors import DataError
from lira.datasets._forms import not_npy
from lira.shadows.formats.given import KINDS, Given, check_outputs, membership
from lira.shadows.formats.released import read_metrics, read_recipe, utility_of
from lira.shadows.formats.tables import SUFFIXES, is_table, read_matrix

MODEL = re.compile(r"(?:model_(\d+)|experiment-(\d+)_(\d+))")
KEPT, LABELS = ("keep_indices", "keep"), ("labels", "y_train")  # beside the models; the first that is there is read
SHOWN = 10  # models that a message lists


@dataclass(frozen=True)
class Found:
    """The models of a folder that are imported.

    Attributes:
        kind: One of :data:`~lira.shadows.formats.given.KINDS`.
        models: Folder of each model, by its number.
        expected: Number of models that the folder is of.
        member: Membership of all of these, if it is beside the models.
        remarks: What readers have to know about the choice.
    """

    kind: str
    models: dict[int, Path]
    expected: int
    member: Bool[np.ndarray, "model sample"] | None
    remarks: list[str]

    @property
    def folders(self) -> list[Path]:
        """The folder of each model."""
        return list(self.models.values())

    @property
    def files(self) -> list[Path]:
        """The file with each model's values."""
        return [_file(path, KINDS[self.kind]) for path in self.folders]


def score_files(path: Path, models: int | None = None) -> list[Path]:
    """Returns the files that an import reads: of a folder those of its models, or itself if they are not all there."""
    if not path.is_dir():
        return [path]
    try:
        found = find_models(path, models)
        files = found.files
    except DataError:
        return [path]
    kept = [first(path, KEPT)] if found.member is not None else [first(model, KEPT[1:]) for model in found.folders]
    about = [*(model / "metrics.csv" for model in found.folders), path / "train_config.yaml"]
    return [*files, *filter(None, [*kept, first(path, LABELS)]), *(file for file in about if file.is_file())]


def find_models(folder: Path, models: int | None) -> Found:
    """Finds the models of a folder, and which of scores, logits and probabilities all of them have.

    Args:
        folder: The folder.
        models: Number of models to take, the first that are finished; all must be if it is not given.

    Raises:
        DataError: There are too few, or they have not all the same.
    """
    there = _model_folders(folder)
    kept = first(folder, KEPT)
    member = membership(read_array(kept), str(kept)) if kept else None
    stated = next(
        (int(match[3]) for path in there.values() if (match := MODEL.fullmatch(path.name)) and match[3]), None
    )
    if member is not None:
        _check_turned(member, kept, there)
    expected = stated or (len(member) if member is not None else max(there) + 1)
    if 0 not in there and max(there) == expected:
        raise DataError(f"{folder}: the {expected} models are numbered from 1: number them from 0 to {expected - 1}")
    if member is not None and len(member) != expected:
        raise DataError(f"{kept} is of {len(member)} models, there are {expected}")
    having = {
        kind: [model for model in sorted(there) if model < expected and arrays(there[model], name)]
        for kind, name in KINDS.items()
    }
    if models is not None and models > expected:
        raise DataError(f"{folder} is of {expected} models, but models is {models}: set {expected} or less")
    needed = models or expected
    kind = next((kind for kind, ready in having.items() if len(ready) >= needed), None)
    if kind is None or (models is None and max(there) >= expected):
        most = max(map(len, having.values()))
        remedy = f"; set models: {most} for the run to take those that are finished" if 2 <= most < needed else ""
        raise DataError(f"{_lacking(folder, there, having, expected, needed)}{remedy}")
    chosen = {model: there[model] for model in having[kind][:needed]}
    remarks = [_set_aside(name, kind, chosen) for name in list(KINDS.values())[: list(KINDS).index(kind)]]
    if len(chosen) < expected:
        remarks.append(f"{len(chosen)} of {expected} models were taken, the first that are finished")
    return Found(kind, chosen, expected, member, list(filter(None, remarks)))


def _check_turned(member: np.ndarray, kept: Path | None, there: dict[int, Path]) -> None:
    """Raises DataError if membership has a row per sample, going by the first file of a model."""
    samples, models = member.shape
    files = (file for model in there.values() for name in KINDS.values() for file in arrays(model, name)[-1:])
    if samples > models and (file := next(files, None)) and read_array(file).shape[:1] == (samples,):
        said = f"{kept} is [{samples}, {models}], but {file} is of {samples} samples"
        raise DataError(f"{said}: membership is [models, samples], so transpose it")


def _set_aside(name: str, kind: str, chosen: dict[int, Path]) -> str:
    """Says why what lies in the folders of this name is not used, if there are any."""
    if not any((path / name).is_dir() for path in chosen.values()):
        return ""
    lacking = [model for model, path in chosen.items() if not arrays(path, name)]
    listed = _listed(lacking, len(lacking))
    return f"{name}/ is empty or missing in {len(lacking)} of {len(chosen)} models, {listed}: φ is of {KINDS[kind]}/"


def _model_folders(folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (match := MODEL.fullmatch(path.name)):
            one = found.setdefault(int(match[1] or match[2]), path)
            if one != path:
                raise DataError(f"{folder}: {one.name} and {path.name} are the same model: leave one of them there")
    if not found:
        raise DataError(f"{folder} has no folders model_<k> or experiment-<k>_<M>")
    return found


def _lacking(folder: Path, there: dict[int, Path], having: dict[str, list[int]], expected: int, needed: int) -> str:
    """Says which models are not there, or what they lack."""
    present = sum(model < expected for model in there)
    if needed == expected and not present == len(there) == expected:
        missing = _listed((model for model in range(expected) if model not in there), expected - present)
        beyond = sorted(model for model in there if model >= expected)[:SHOWN]
        said = f"lacks models {missing}" if present < expected else f"has models {beyond}"
        return f"{folder} {said}: {expected} models are expected, 0 to {expected - 1}"
    empty = [model for model in sorted(there) if not any(model in ready for ready in having.values())]
    if needed == expected and empty:
        folders = "neither scores/*.npy nor logits/*.npy nor probabilities/*.npy, or .csv"
        return f"{there[empty[0]]} has {folders}: all of {expected} models need the same, {len(empty)} have none"
    lacking = {
        KINDS[kind]: [model for model in sorted(there) if model not in ready] for kind, ready in having.items() if ready
    }
    said = " and ".join(f"{name}/ of models {_listed(models, len(models))}" for name, models in lacking.items())
    return f"{folder} lacks {said or 'scores/, logits/ and probabilities/'}: {needed} models need the same of these"


def _listed(models: Iterable[int], count: int) -> str:
    return f"{list(islice(models, SHOWN))}{f' and {count - SHOWN} more' if count > SHOWN else ''}"


def read_folder(folder: Path, models: int | None) -> Given:
    """Reads the models of a folder, and what the released code says about them; arguments as for :func:`find_models`.

    Raises:
        DataError: Something is missing or damaged.
        ConfigError: ``train_config.yaml`` cannot be read.
    """
    found = find_models(folder, models)
    paths, files = found.folders, found.files
    member = _membership_of_each(paths) if found.member is None else found.member[list(found.models)]
    labels, configured = first(folder, LABELS), folder / "train_config.yaml"
    utility, remarks = utility_of(paths)
    recipe = read_recipe(configured) if configured.is_file() else {}
    if len(epochs := {file.name for file in files if len(arrays(file.parent.parent, file.parent.name)) > 1}) > 1:
        best = "their best epochs" if "best_epoch" in utility else "the last of each"
        remarks.append(f"models are of {len(epochs)} different epochs, {best}")
    values = [read_array(file) for file in files]
    check_outputs(found.kind, values[0].shape, str(files[0]))
    if found.kind == "logits":  # a CSV of logits has a column per class, of one view
        values = [one[:, np.newaxis] if is_table(file) else one for file, one in zip(files, values, strict=True)]
    given_labels = None if labels is None else column(read_array(labels))
    places = [str(file) for file in files]
    return Given(found.kind, values, member, given_labels, places, utility, recipe, [*found.remarks, *remarks])


def first(folder: Path, names: Sequence[str]) -> Path | None:
    """Returns the first of these files that a folder has, with any of the suffixes."""
    there = {(file.stem, file.suffix.lower()): file for file in folder.glob("*.*") if file.is_file()}
    return next((there[file] for file in product(names, (".npy", *SUFFIXES)) if file in there), None)


def arrays(model: Path, name: str) -> list[Path]:
    """Returns a model's files of one kind; of several, which are of successive epochs, the latest comes last."""
    files = sorted((model / name).glob("*.*"), key=_numbers_in)
    return [file for file in files if file.suffix == ".npy"] or [file for file in files if is_table(file)]


def _numbers_in(file: Path) -> list[Any]:
    """Sorts names as people do: ``9.npy`` before ``100.npy``."""
    parts = re.split(r"(\d+)", file.stem)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _file(model: Path, name: str) -> Path:
    """Returns the file with a model's values: of several epochs that of the best, if that is known, or the last."""
    files, metrics = arrays(model, name), model / "metrics.csv"
    if len(files) > 1 and metrics.is_file():
        best = read_metrics(metrics)["best_epoch"]
        files += [file for file in files if _numbers_in(file)[-2:-1] == [best]]
    return files[-1]


def read_array(path: Path) -> np.ndarray:
    """Opens an array, ``.npy`` or ``.csv``.

    Raises:
        DataError: The file is missing, damaged or something else.
    """
    if is_table(path):
        return read_matrix(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise not_npy(path) from error


def column(values: np.ndarray) -> np.ndarray:
    """Returns the one column of a CSV file as a vector, and all else as it is."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _membership_of_each(models: list[Path]) -> Bool[np.ndarray, "model sample"]:
    files = [first(model, KEPT[1:]) or model / "keep.npy" for model in models]
    rows = [membership(column(read_array(file))[np.newaxis], str(file)) for file in files]
    for file, row in zip(files, rows, strict=True):
        if row.shape != rows[0].shape:
            raise DataError(f"{file} is of {row.shape[1]} samples, {files[0]} of {rows[0].shape[1]}")
    return np.concatenate(rows)
