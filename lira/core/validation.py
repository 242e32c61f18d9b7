"""Checks of what the public functions are given; each costs one pass at most, and none copies an array it can use."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Shaped

from lira.core.errors import ConfigError, DataError

Nonfinite = Literal["error", "official"]
"""What public functions do with NaN and infinite scores: refuse them, or treat them as the published code does."""

NONFINITE = get_args(Nonfinite)


def numbers(values: Any, name: str, *axes: str) -> Shaped[np.ndarray, "..."]:
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
        raise DataError(f"{name} is no array of numbers ({error})") from error
    if found.dtype.kind not in "biuf":
        raise DataError(f"{name} is an array of {found.dtype}: numbers are needed")
    if np.ma.is_masked(values):
        raise DataError(f"{name} has masked values: fill them or leave them out")
    if axes and found.ndim != len(axes):
        raise DataError(f"{name} {found.shape} must be [{', '.join(axes)}]")
    return found


def booleans(values: Any, name: str, *axes: str) -> Bool[np.ndarray, "..."]:
    """As :func:`numbers`, where all are 0 or 1, true or false."""
    found = numbers(values, name, *axes)
    if found.dtype != bool and not ((found == 0) | (found == 1)).all():
        raise DataError(f"{name} has other values than 0 and 1, false and true")
    return found.astype(bool, copy=False)


def scored(
    scores: Any, member: Any, *axes: str, of: str = ""
) -> tuple[Shaped[np.ndarray, "..."], Bool[np.ndarray, "..."]]:
    """Scores and membership of one shape, [models, samples] unless ``axes`` says otherwise.

    Raises:
        DataError: of different shapes, or as :func:`numbers` and :func:`booleans`.
    """
    axes = axes or ("models", "samples")
    scores, member = numbers(scores, f"scores{of}"), booleans(member, f"member{of}")
    if scores.ndim != len(axes) or scores.shape != member.shape:
        raise DataError(f"scores{of} {scores.shape} and member {member.shape} must both be [{', '.join(axes)}]")
    return scores, member


def scored_by_attack(scores: Any, member: Any) -> Bool[np.ndarray, "model sample"]:
    """Membership, where ``scores`` has each attack's scores by its name; these may be on disk and stay there.

    Raises:
        DataError: scores without names, or as :func:`booleans`.
    """
    if not isinstance(scores, Mapping):
        raise DataError(f"scores are a {type(scores).__name__}: a dictionary of each attack's scores is needed")
    return booleans(member, "member", "models", "samples")


def choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuses what is not among the words allowed with a ConfigError."""
    if not isinstance(value, str) or value not in allowed:
        *others, last = map(repr, allowed)
        raise ConfigError(f"{name} is {_shown(value)}: allowed are {', '.join(others)} and {last}")


def whole(name: str, value: Any, least: int, most: int | None = None, unit: str = "") -> None:
    """Refuses what is no whole number of this range with a ConfigError."""
    inside = isinstance(value, Integral) and not isinstance(value, bool) and least <= value
    if not inside or (most is not None and value > most):
        limits = f"at least {least}{unit}" if most is None else f"from {least} to {most}"
        raise ConfigError(f"{name} is {_shown(value)}: a whole number is needed, {limits}")


def fraction(name: str, value: Any, what: str) -> None:
    """Refuses what is no number from 0 to 1 with a ConfigError."""
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ConfigError(f"{name} is {_shown(value)}: {what} is a fraction from 0 to 1")


def fractions(name: str, given: Iterable[float], what: str) -> None:
    """Refuses what is no list of fractions, each once, with a ConfigError."""
    listed = np.asarray(given, dtype=object)
    if listed.ndim != 1 or not listed.size or not all(isinstance(value, Real) for value in listed):
        raise ConfigError(f"{name}s are {given!r}: a list of one number or more is needed")
    for value, times in Counter(listed).items():
        fraction(name, value, what)
        if times > 1:
            raise ConfigError(f"{name} {value} is given more than once")


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)[:60]
