"""Checks of what a caller gives. Each ``check_*`` raises one sentence: what, its value, what is allowed.

A check of an array takes one pass over it at most, and does not copy an array that can be used as it is.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np

from lira.core.errors import ConfigError, DataError

Nonfinite = Literal["error", "official"]
"""What public functions do with NaN and infinite scores: refuse them, or treat them as the published code does."""

NONFINITE = get_args(Nonfinite)
LONGEST = 200
"""Characters of a value that a message quotes."""


def check_array(values: Any, name: str, *axes: str) -> np.ndarray:
    """An array of numbers or truth values, in the precision it has.

    Args:
        values: an array or what becomes one.
        name: for messages.
        axes: what its axes must be; any if none is given.

    Raises:
        DataError: ragged, masked, of other values or other axes.
    """
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged, or an array of another library
        raise DataError(f"{name} is not an array of numbers ({error})") from error
    if found.dtype.kind not in "biuf":
        raise DataError(f"{name} is an array of {found.dtype}: numbers are needed")
    if np.ma.is_masked(values):
        raise DataError(f"{name} has masked values: fill them or leave them out")
    if axes and found.ndim != len(axes):
        raise DataError(f"{name} {found.shape} must be [{', '.join(axes)}]")
    return found


def check_booleans(values: Any, name: str, *axes: str) -> np.ndarray:
    """As :func:`check_array`, where all values are 0 or 1, false or true."""
    found = check_array(values, name, *axes)
    if found.dtype != bool and not ((found == 0) | (found == 1)).all():
        raise DataError(f"{name} has values other than 0 and 1, false and true")
    return found.astype(bool, copy=False)


def check_scores(scores: Any, member: Any, *axes: str, of: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Scores and membership of one shape, [models, samples] unless ``axes`` says otherwise.

    Raises:
        DataError: of different shapes, or as :func:`check_array` and :func:`check_booleans`.
    """
    axes = axes or ("models", "samples")
    scores, member = check_array(scores, f"scores{of}"), check_booleans(member, f"member{of}")
    if scores.ndim != len(axes) or scores.shape != member.shape:
        raise DataError(f"scores{of} {scores.shape} and member {member.shape} must both be [{', '.join(axes)}]")
    return scores, member


def check_scores_by_attack(scores: Any, member: Any) -> np.ndarray:
    """Membership, [models, samples]; ``scores`` has each attack's by its name, which may be on disk and stay there.

    Raises:
        DataError: scores without names, or as :func:`check_booleans`.
    """
    if not isinstance(scores, Mapping):
        raise DataError(f"scores are a {type(scores).__name__}: a dictionary of each attack's scores is needed")
    return check_booleans(member, "member", "models", "samples")


def check_not_nan(scores: np.ndarray, otherwise: str = "") -> None:
    """Checks that no score [targets, samples] is NaN; ``otherwise`` is what else the caller may do.

    Raises:
        DataError: names the first target with one.
    """
    if (missing := np.isnan(scores).any(axis=1)).any():
        raise DataError(f"scores of target {missing.argmax()} are NaN: retrain or remove that model{otherwise}")


def check_choice(value: Any, name: str, choices: Iterable[Any]) -> None:
    """Checks that a word or a number is one of the choices.

    Raises:
        ConfigError: it is none of them.
    """
    choices = list(choices)
    if not isinstance(value, str | Real) or value not in choices:
        raise ConfigError(f"{name} is {quoted(value)}: {allowed(choices)}")


def check_new(value: str, name: str, taken: Sequence[str]) -> None:
    """Checks that a name is not taken.

    Raises:
        ConfigError: it is.
    """
    if value in taken:
        raise ConfigError(f"{name} is {quoted(value)}: allowed is a name other than {_listed(taken)}")


def check_distinct(values: Sequence[Any], name: str) -> None:
    """Checks that each value is given once.

    Raises:
        ConfigError: names a value that is given more than once.
    """
    if repeated := [value for value, times in Counter(values).items() if times > 1]:
        raise ConfigError(f"{name}: {repeated[0]} is given more than once")


def check_whole(value: Any, name: str, least: int, most: int | None = None) -> None:
    """Checks that a value is a whole number in a range, both ends included.

    Raises:
        ConfigError: it is not.
    """
    inside = isinstance(value, Integral) and not isinstance(value, bool) and least <= value
    if not inside or (most is not None and value > most):
        raise ConfigError(f"{name} is {quoted(value)}: allowed are whole numbers {_range(least, most)}")


def check_number(value: Any, name: str, what: str, least: float = 0, most: float | None = None) -> None:
    """Checks that a value is a finite number in a range, both ends included; ``what`` says what it means.

    Raises:
        ConfigError: it is not.
    """
    inside = isinstance(value, Real) and least <= value < math.inf
    if not inside or (most is not None and value > most):
        raise ConfigError(f"{name} is {quoted(value)}: allowed is {what} {_range(least, most)}")


def check_fraction(value: Any, name: str, what: str = "a fraction") -> None:
    """As :func:`check_number`, from 0 to 1."""
    check_number(value, name, what, 0, 1)


def check_fractions(values: Iterable[float], name: str, what: str) -> None:
    """Checks that a list has one fraction or more, each once.

    Raises:
        ConfigError: it has not.
    """
    listed = np.asarray(values, dtype=object)
    if listed.ndim != 1 or not listed.size or not all(isinstance(value, Real) for value in listed):
        raise ConfigError(f"{name}s are {quoted(values)}: allowed is a list of one number or more")
    for value in listed:
        check_fraction(value, name, what)
    check_distinct(listed.tolist(), f"{name}s")


def quoted(value: Any) -> str:
    """A value as messages quote it."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def allowed(choices: Iterable[Any]) -> str:
    """The end of a message that names all choices."""
    choices = list(choices)
    return f"allowed {'is' if len(choices) == 1 else 'are'} {_listed(choices)}" if choices else "none is allowed"


def _listed(values: Sequence[Any]) -> str:
    *others, last = map(quoted, values)
    return f"{', '.join(others)} and {last}" if others else last


def _range(least: float, most: float | None) -> str:
    return f"from {least}" if most is None else f"from {least} to {most}"
