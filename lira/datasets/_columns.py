"""Columns of numbers, rows and images, which become one array."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from lira.core.errors import DataError
from lira.core.validation import check_unmasked

EXACT = 2**53  # float64 holds all whole numbers up to it

UNNAMED = "Unnamed: "
"""What pandas calls a column without a name, with its place: mostly its own index."""

MANY = 20  # numbers that are hardly all the row numbers by chance
INDICES = {"index", "indices", "idx", "row", "rowid", "id", "ids", "no", "nr", "number", "record", "sample", "samples"}
"""Words in the name of a column that says which record each row is of, in small letters."""

COLOURS = {"RGB", "YCbCr", "HSV", "LAB"}
"""Pillow's modes of three channels of uint8; others differ in type or channels."""


def values_of(x: Any, place: str) -> Any:
    """Returns the columns of a DataFrame as one array, and what is none as it is.

    Raises:
        DataError: A column has other values than numbers and booleans, or lacks one; or a row has masked ones.
    """
    for index, row in enumerate(x if isinstance(x, list | tuple) else ()):
        check_unmasked(row, f"{place}[{index}]")
    if not (isinstance(getattr(x, "columns", None), Iterable) and hasattr(x, "items")):
        return x
    columns = [_column(values, f"{place}: column {name!r}") for name, values in x.items()]
    return beside(columns) if columns else np.empty((len(x), 0))


def check_kinds(images: Sequence[Any], place: str) -> None:
    """Raises DataError for an image whose values would be taken for others in an array with the rest."""
    for index, image in enumerate(images):
        where = f"{place}[{index}]" if len(images) > 1 else place
        mode = getattr(image, "mode", None)  # of Pillow's
        if mode == "P":
            remedy = "give image.convert('L') or image.convert('RGB')"
            raise DataError(f"{where} holds places in a palette, as GIF files do, and not their colours: {remedy}")
        if mode == "1" or str(getattr(image, "dtype", "")).endswith("bool"):
            raise DataError(f"{where} is bool: images are uint8, from 0 to 255")
        if mode != (first := getattr(images[0], "mode", None)) and {mode, first} <= COLOURS:
            raise DataError(f"{where} is of Pillow's mode {mode}, {place}[0] of {first}: convert all to one")
        check_unmasked(image, where)


def beside(columns: Sequence[Shaped[np.ndarray, " sample"]]) -> Shaped[np.ndarray, "sample feature"]:
    """Returns columns of numbers and booleans side by side, in a type that holds all their values."""
    found = [one.view(np.uint8) if one.dtype == bool else one for one in columns]
    kind, whole = np.result_type(*found), [one for one in found if one.dtype.kind in "iu"]
    if kind.kind == "f" and any(np.abs(one.astype(float)).max(initial=0) > EXACT for one in whole):
        kind = np.dtype(np.longdouble)
    return np.column_stack([one.astype(kind, copy=False) for one in found])


def _column(values: Any, place: str) -> Shaped[np.ndarray, " sample"]:
    """Returns a column of a DataFrame, which has numbers or booleans."""
    if values.dtype.kind not in "biuf":
        remedy = "astype(float) makes them of text and objects, pandas.get_dummies of categories"
        raise DataError(f"{place} is {values.dtype}: features are numbers: {remedy}")
    if (missing := values.isna()).any():
        raise DataError(f"{place} has no value in row {missing.argmax()}: fill it in, or leave the row or column out")
    return np.asarray(values)


def names_rows(name: str) -> bool:
    """Whether a column seems, by its name or because it has none, to say which record each row is of."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return is_unnamed(name) or any(word.lower() in INDICES for word in words)


def is_unnamed(name: str) -> bool:
    """Whether a column has no name, as an index of pandas has none."""
    return not name or name.startswith(UNNAMED)


def numbering(values: Shaped[np.ndarray, " row"], name: str | None) -> Literal["", "ordered", "shuffled"]:
    """Says whether a column of numbers counts the rows, from 0 or 1, and whether in their order; ``""`` if it does not.

    So does that of two rows if it has no name, ``""``. Few rows may be counted in another order by chance, unless the
    name, if there is one, says which records they are.
    """
    if values.dtype.kind not in "iuf" or not (rows := len(values)) or (rows < 3 and name != ""):
        return ""
    if (least := values.min()) not in (0, 1) or values.max() != least + rows - 1:
        return ""
    if (np.diff(values) == 1).all():
        return "ordered"
    counted = np.array_equal(np.sort(values), np.arange(least, least + rows))
    return "shuffled" if counted and (rows > MANY or (name is not None and names_rows(name))) else ""
