"""What is given by name: classes, and what a record is called."""

from collections.abc import Mapping, Sequence
from datetime import date
from numbers import Number
from typing import Any

import numpy as np
from jaxtyping import Shaped

from lira.core.errors import DataError
from lira.core.validation import check_array, check_unmasked, quoted


def numbered(labels: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str] | None]:
    """Numbers classes that are given by name, in order of their names.

    Args:
        labels: Labels of all parts of a dataset by their place, for messages.

    Returns:
        Labels from 0 by place, and the name of each class; labels as they are and ``None`` if they are no text.

    Raises:
        DataError: Some are text and others not, or empty.
    """
    texts = {place: _text(values, place) for place, values in labels.items()}
    if all(text is None for text in texts.values()):
        return labels, None
    for place, text in texts.items():
        if text is None:
            raise DataError(f"{place} has no text, as other labels are: give all as text, or all as numbers")
    found = {place: text for place, text in texts.items() if text is not None}
    names = in_order({name for text in found.values() for name in text.ravel().tolist()})
    if len(alike := {name.strip(): name for name in names}) < len(names):
        name = next(name for name in names if alike[name.strip()] != name)
        raise DataError(f"{next(iter(labels))}: {name!r} and {alike[name.strip()]!r} differ by blanks: write one name")
    numbers = {name: number for number, name in enumerate(names)}
    return {place: np.vectorize(numbers.get, otypes=[np.int64])(text) for place, text in found.items()}, names


def in_order(names: set[str]) -> list[str]:
    """Sorts names: by value if all are whole numbers, else as text."""
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


def check_names(values: Any, place: str, count: int) -> Shaped[np.ndarray, " name"]:
    """Returns so many names as text, also those that are numbers or dates; raises DataError if one is missing."""
    if (found := _text(values, place)) is None:
        given = check_array(values, place) if (given := _objects(values)) is None else given
        for row, value in enumerate(_listed(given)):
            if not isinstance(value, Number | date) or value != value:
                remedy = "text, a number or a date is needed, so give a missing name as text, or leave it out"
                raise DataError(f"{place}[{row}] is {quoted(value)}: {remedy}")
        found = as_text(given)
    if found.shape != (count,):
        raise DataError(f"{place} is {list(found.shape)}: {count} names are needed")
    return found


def as_text(values: np.ndarray) -> Shaped[np.ndarray, "..."]:
    """Returns values as text, as the names of a dataset's records and classes are."""
    found = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in _listed(values)]
    return np.array(found, dtype=str).reshape(values.shape)


def _listed(values: np.ndarray) -> list[Any]:
    """Returns values as Python has them; of times those to the microsecond, which numpy gives as such."""
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] == "ns":
        values = values.astype("datetime64[us]")
    return values.ravel().tolist()


def _objects(values: Any) -> Shaped[np.ndarray, "..."] | None:
    """Returns dates, and numbers that numpy has no type for, as an array; nothing if it is another."""
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # who takes them for numbers says what they are
        return None
    return found if found.ndim and found.dtype.kind in "OM" else None


def _text(values: Any, place: str) -> Shaped[np.ndarray, "..."] | None:
    """Returns values as text if they are that; raises DataError if some are no text, or masked."""
    try:
        # of a list, numpy would make text of all its values, NaN too
        given = np.asarray(values, dtype=None if hasattr(values, "dtype") else object)
    except (ValueError, TypeError, RuntimeError):
        return None
    if given.dtype.kind == "O":
        given = np.asarray(_plain(given), dtype=object)
    if given.dtype.kind not in "OSUT" or not any(isinstance(value, str | bytes) for value in given.flat):
        return None
    check_unmasked(values, place)
    found = list(given.flat)
    for row, value in enumerate(found):
        if isinstance(value, bytes):
            try:
                value = found[row] = value.decode()
            except UnicodeDecodeError as error:
                raise DataError(f"{place}[{row}] is {quoted(value)}: text is needed, or bytes in UTF-8") from error
        if not isinstance(value, str) or not value:
            raise DataError(f"{place}[{row}] is {quoted(value)}: text is needed, as the others are")
    return np.array(found, dtype=str).reshape(given.shape)


_plain = np.frompyfunc(lambda value: value.item() if isinstance(value, np.ndarray) and not value.ndim else value, 1, 1)
"""Returns an array of objects with what arrays without axes hold in their place."""


def shown(names: Sequence[str] | None, index: int) -> str:
    """Returns a name of a list as messages show it, or its index if there is no list."""
    return repr(str(names[index])) if names is not None and 0 <= index < len(names) else str(index)
