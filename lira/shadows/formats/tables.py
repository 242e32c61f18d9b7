"""Scores in CSV files: one with a row per model and sample, or a matrix of numbers per model."""

import csv
import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Shaped

from lira.core.errors import DataError
from lira.datasets._columns import numbering
from lira.datasets._forms import ENCODED, TEXT, delimiter_of, form_of
from lira.shadows.formats.given import Given, membership

if TYPE_CHECKING:
    import pandas as pd

COLUMN = {"phi": "phi", "logit": "logits", "probability": "probabilities"}
"""What a column holds; those of classes end in ``_0``, ``_1`` and so on, a single one is of class 1 of two."""

INDEX = ("model", "sample", "view")
TRUTH = ("true", "false")
SUFFIXES = (".csv", ".tsv")
NUMBERS = "numbers are needed, with a point before decimals"


def is_table(path: Path) -> bool:
    """Whether a file is called a CSV file, whatever separates its values."""
    return path.suffix.lower() in SUFFIXES


def read_table(path: Path) -> Given:
    """Reads a CSV file with a row per model and sample, and per view if there are several.

    Its columns are ``model sample member``, one of ``phi``, ``logit_0 logit_1 ...`` and ``probability_0 ...``, and
    maybe ``label`` and ``view``. Models, samples and views are numbered from 0.

    Raises:
        DataError: A column or a row is missing, a row is there twice, or a value is no number.
    """
    frame = _frame(path, header=0)
    frame.columns = [str(name).strip() for name in frame.columns]
    kind, columns = outputs_of(list(frame.columns))
    if not columns or not {"model", "sample", "member"} <= set(frame.columns):
        raise DataError(
            f"{path} has the columns {', '.join(frame.columns)[:200]}: scores need model, sample, member and one of "
            "phi, logit_0 ..., probability_0 ..., with a row for each model and sample"
        )
    frame = frame[[*frame.columns.intersection([*INDEX, "member", "label"]), *columns]]
    check_numbers(frame, path, first=2)
    index, shape = _positions(frame, path)
    order = np.argsort(index)
    values = frame[columns].to_numpy()[order].reshape(*shape, len(columns))
    member = _constant(frame["member"].to_numpy()[order].reshape(shape), (2,), f"{path}: member", "model and sample")
    labels = None
    if "label" in frame:
        given = frame["label"].to_numpy()[order].reshape(shape)
        labels = _constant(given, (0, 2), f"{path}: label", "sample")[0]
    places = [f"{path}: model {model}" for model in range(shape[0])]
    models = list(values[..., 0] if kind == "phi" else values)
    return Given(kind, models, membership(member, f"{path}: member"), labels, places)


def outputs_of(names: list[str]) -> tuple[str, list[str]]:
    """Returns what the columns of a table hold, and those that hold it; none if it is not one kind of them."""
    found = []
    for name, kind in COLUMN.items():
        classes = sorted(int(match[1]) for one in names if (match := re.fullmatch(rf"{name}_(\d+)", one)))
        if name in names and not classes:
            found.append((kind, [name]))
        elif classes == list(range(len(classes))) and len(classes) > 1 and name not in names and kind != "phi":
            found.append((kind, [f"{name}_{one}" for one in classes]))
    return found[0] if len(found) == 1 else ("", [])


def _positions(frame: "pd.DataFrame", path: Path) -> tuple[Int[np.ndarray, " row"], tuple[int, ...]]:
    """Returns the place of each row in arrays of [models, samples, views], and the shape of these."""
    numbers = [read_index(frame, name, path) for name in INDEX]
    shape = tuple(int(values.max()) + 1 for values in numbers)
    rows = np.bincount(numbers[0])
    if len(wrong := np.flatnonzero(rows != math.prod(shape[1:]))):
        raise DataError(
            f"{path}: model {wrong[0]} has {rows[wrong[0]]} rows: one for each of {shape[1]} samples"
            f"{f' and {shape[2]} views' if shape[2] > 1 else ''} is needed"
        )
    index = np.ravel_multi_index(numbers, shape)
    if (times := np.bincount(index, minlength=len(frame))).max() > 1:
        model, sample, view = np.unravel_index(times.argmax(), shape)
        raise DataError(f"{path}: model {model} has sample {sample}, view {view}, more than once")
    return index, shape


def read_index(frame: "pd.DataFrame", name: str, path: Path) -> Int[np.ndarray, " row"]:
    """Returns a column of :data:`INDEX`, zeros if there is none; raises DataError unless it numbers from 0."""
    if name not in frame:
        return np.zeros(len(frame), np.int64)
    values = frame[name].to_numpy(np.float64)
    if len(wrong := np.flatnonzero(~((values >= 0) & (values < len(values)) & (values == np.floor(values))))):
        said = f"line {wrong[0] + 2} has {name} {values[wrong[0]]:g}"
        raise DataError(f"{path}: {said}: {name}s are numbered from 0, without gaps")
    if values.min() > 0:
        raise DataError(f"{path}: {name}s are numbered from {values.min():g}: they are numbered from 0, without gaps")
    return values.astype(np.int64)


def _constant(values: np.ndarray, axes: tuple[int, ...], place: str, of: str) -> np.ndarray:
    """Returns values without the axes along which they must not change."""
    first = values[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(values.ndim))]
    if len(wrong := np.argwhere(values != first)):
        model, sample, _ = wrong[0]
        raise DataError(f"{place} of sample {sample} differs from row to row (model {model}): it is one per {of}")
    return first[..., 0]


def read_matrix(path: Path) -> Shaped[np.ndarray, "row column"]:
    """Reads a CSV file of numbers, with or without a line of names; a first column of row numbers is left out.

    Raises:
        DataError: A value is no number, lines are of different lengths, or rows are numbered in another order.
    """
    start: list[str] = []
    if path.is_file():
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            start = [cell.strip() for cell in next(csv.reader(file, delimiter=delimiter_of(path)), [])]
    named = _are_names(start)
    frame = _frame(path, header=0 if named else None)
    check_numbers(frame, path, first=1 + named)
    values = frame.to_numpy()
    if values.shape[1] < 2:
        return values
    counted = numbering(frame.iloc[:, 0].to_numpy(), start[0] if named else None)
    if counted == "shuffled":
        raise DataError(f"{path}: its first column numbers the rows in another order: sort them by it and leave it out")
    if named and not start[0] and not counted:
        raise DataError(f"{path}: its first column has no name and is not of row numbers: name it or leave it out")
    return values[:, 1:] if counted else values


def _are_names(cells: list[str]) -> bool:
    """Whether the first line of a matrix names its columns: as an index does, by none of its values, or counting them.

    Pandas writes the name of an index, which may be empty, before those of its columns.
    """
    if not any(values := [*map(_is_value, cells)]):
        return any(cells)
    if not cells[0]:  # else a value is missing there
        return all(map(str.isdecimal, cells[1:])) or any(cell and not _is_value(cell) for cell in cells)
    if values[0]:
        return len(cells) > 2 and cells == [*map(str, range(len(cells)))]
    return cells[1:] in ([*map(str, range(start, start + len(cells) - 1))] for start in (0, 1))


def _is_value(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lower() in TRUTH
    return True


def _frame(path: Path, header: int | None) -> "pd.DataFrame":
    if not path.is_file():
        raise DataError(f"{path} does not exist: a CSV file is needed")
    frame = read_lines(path, "CSV", header=header)
    if frame.empty:
        raise DataError(f"{path} has no rows: numbers are needed")
    return frame


def read_lines(path: Path, needed: str, **options: Any) -> "pd.DataFrame":
    """Reads a CSV file by pandas, which takes ``options``; raises DataError if it is not the form that is needed."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, sep=delimiter_of(path), skipinitialspace=True, index_col=False, **options)
    except pd.errors.ParserWarning as error:  # of values beyond the names, which would be left out
        raise DataError(f"{path}: its lines have more values than the first has names: name each column") from error
    except (ValueError, OSError) as error:  # pandas' errors are ValueErrors
        raise unreadable(path, error, needed) from error


def unreadable(path: Path, error: Exception, needed: str) -> DataError:
    """Returns the error of a file that pandas could not read as the form that is needed."""
    form = ENCODED if isinstance(error, UnicodeDecodeError) and form_of(path) == TEXT else form_of(path)
    said = "its lines are of different lengths" if form == TEXT else f"it is {form}"
    remedy = {ENCODED: ": save it in UTF-8", TEXT: ""}.get(form, ": make or copy it again")
    return DataError(f"{path} cannot be read as {needed}: {said}{remedy}")


def check_numbers(frame: "pd.DataFrame", path: Path, first: int) -> None:
    """Raises DataError, with line and column, if a value is no number; ``first`` is the line of the first row."""
    import pandas as pd

    for name, column in frame.items():
        if column.dtype.kind not in "biuf":
            wrong = pd.to_numeric(column, errors="coerce").isna()
            row = int(wrong.to_numpy().argmax())
            raise DataError(f"{path}: line {row + first}, column {name}, has {column.iloc[row]!r:.60}: {NUMBERS}")
