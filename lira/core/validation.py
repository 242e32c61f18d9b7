"""Checks arguments. Each ``check_*`` raises one sentence: what is wrong, its value, what is allowed.

Checking an array takes one pass over it at most, and copies it only if it cannot be used as it is.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lira.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike as ArrayLike
else:
    ArrayLike = Any
    """What a function takes that checks it itself; numpy's is a union that would fill a screen of ``help()``."""

Nonfinite = Literal["error", "official"]
"""How public functions treat NaN and infinite scores: as an error, or as the published code does."""

NONFINITE = get_args(Nonfinite)
OR_OFFICIAL = ", or pass nonfinite='official'"
"""The way out that messages name where the caller has the option."""

LONGEST = 200  # characters of a value that a message quotes
MOST_TARGETS = 16
FEWEST_SHADOWS = 4  # two that hold a sample and two that do not, which have a spread
LARGEST_BLOCK = 20  # shadow models; with that many, all shares in steps of 5 % have blocks


def check_array(values: Any, name: str, *axes: str) -> np.ndarray:
    """Returns ``values`` as an array of numbers or booleans, in its own precision.

    Args:
        values: An array or what numpy can convert to one.
        name: Name for messages.
        axes: Names of the expected axes; any number of axes if none is given.

    Raises:
        DataError: The array is ragged or masked, has other values than numbers, or other axes.
    """
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name} is not an array of numbers: its rows are of different lengths") from error
    except (TypeError, RuntimeError) as error:  # an array of another library
        remedy = "of a tensor, give tensor.detach().cpu().float().numpy()"
        raise DataError(f"{name} is not an array of numbers that numpy reads: {remedy}") from error
    if found.dtype.kind == "O" and not found.ndim:
        raise DataError(f"{name} is {_kind(values)}")
    if found.dtype.kind not in "biuf":
        raise DataError(f"{name} is an array of {found.dtype}: numbers are needed")
    for part in (values, *(values if isinstance(values, list | tuple) else ())):
        check_unmasked(part, name)
    if axes and found.ndim != len(axes):
        raise DataError(f"{name} {found.shape} must be [{', '.join(axes)}]")
    return found


def check_unmasked(values: Any, name: str) -> None:
    """Raises DataError if values are masked, which an array that is made of several such forgets."""
    if np.ma.is_masked(values):
        raise DataError(f"{name} has masked values: fill them or leave them out")


def _kind(value: Any) -> str:
    """Says what a value is that is no array, and how to make one of it."""
    what = "None" if value is None else f"of type {type(value).__name__}"
    remedy = ""
    if hasattr(value, "toarray"):
        remedy = ", as its toarray() returns"
    elif isinstance(value, Iterable):
        remedy = ", as numpy.array(list(...)) makes it"
    return f"{what}: an array of numbers is needed{remedy}"


def check_booleans(values: Any, name: str, *axes: str) -> np.ndarray:
    """Checks an array like :func:`check_array`, and that its values are 0 or 1; returns it as booleans."""
    found = check_array(values, name, *axes)
    if found.dtype != bool and not ((found == 0) | (found == 1)).all():
        raise DataError(f"{name} has values other than 0 and 1, false and true")
    return found.astype(bool, copy=False)


def check_scores(scores: Any, member: Any, *axes: str, of: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Returns scores and membership as arrays of one shape, by default [models, samples].

    Raises:
        DataError: The shapes differ, or as :func:`check_array` and :func:`check_booleans`.
    """
    axes = axes or ("models", "samples")
    scores, member = check_array(scores, f"scores{of}"), check_booleans(member, f"member{of}")
    if scores.ndim != len(axes) or scores.shape != member.shape:
        raise DataError(f"scores{of} {scores.shape} and member {member.shape} must both be [{', '.join(axes)}]")
    return scores, member


def check_scores_by_attack(scores: Any, member: Any) -> np.ndarray:
    """Returns membership [models, samples]; raises DataError unless ``scores`` is a dictionary by name of attack."""
    if not isinstance(scores, Mapping):
        raise DataError(f"scores are a {type(scores).__name__}: a dictionary of each attack's scores is needed")
    if unnamed := [name for name in scores if not isinstance(name, str) or not name]:
        raise DataError(f"scores have an attack {quoted(unnamed[0])}: its name, as text, is needed")
    return check_booleans(member, "member", "models", "samples")


def check_six_digits(values: Iterable[float], name: str, named: str) -> None:
    """Raises ConfigError, with the first such value, if one has more than the six digits that names are given."""
    for value in values:
        if float(f"{value:g}") != value:
            raise ConfigError(f"{name} has {quoted(value)}: allowed are six digits, as {named} are named by it")


def check_path(value: Any, name: str) -> Path:
    """Returns a path with the home for ``~``; raises ConfigError for what is none. Nothing need be there."""
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{name} is {quoted(value)}: allowed is a path")
    return Path(os.path.expanduser(value))  # of a user who is not there, the path stays as it is


def check_not_nan(scores: np.ndarray, otherwise: str = "") -> None:
    """Raises DataError if a score [targets, samples] is NaN, with the first such target and the way out."""
    if (missing := np.isnan(scores).any(axis=1)).any():
        raise DataError(f"scores of target {missing.argmax()} are NaN: retrain or remove that model{otherwise}")


def check_choice(value: Any, name: str, choices: Iterable[Any]) -> None:
    """Raises ConfigError unless a word or a number is one of the choices."""
    choices = list(choices)
    if not isinstance(value, str | Real) or value not in choices:
        raise ConfigError(f"{name} is {quoted(value)}: {allowed(choices)}")


def check_new(value: str, name: str, taken: Sequence[str]) -> None:
    """Raises ConfigError if a name is already taken."""
    if value in taken:
        raise ConfigError(f"{name} is {quoted(value)}: allowed is a name other than {_listed(taken)}")


def check_distinct(values: Sequence[Any], name: str) -> None:
    """Raises ConfigError, with the first such value, if a value is given more than once."""
    if repeated := [value for value, times in Counter(values).items() if times > 1]:
        raise ConfigError(f"{name}: {repeated[0]} is given more than once")


def check_whole(value: Any, name: str, least: int, most: int | None = None) -> None:
    """Raises ConfigError unless a value is a whole number from ``least`` to ``most`` (both included)."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        raise ConfigError(f"{name} is {quoted(value)}: allowed are whole numbers {_range(least, most)}")


def check_number(value: Any, name: str, what: str, least: float = 0, most: float | None = None) -> None:
    """Raises ConfigError unless a value, described by ``what``, is finite and from ``least`` to ``most`` (included)."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not least <= value < math.inf or (most is not None and value > most):
        raise ConfigError(f"{name} is {quoted(value)}: allowed is {what} {_range(least, most)}")


def check_fraction(value: Any, name: str, what: str = "a fraction") -> None:
    """Raises ConfigError unless a value is a number from 0 to 1."""
    check_number(value, name, what, 0, 1)


def check_fractions(values: Iterable[float], name: str, what: str) -> None:
    """Raises ConfigError unless a list has at least one fraction, and none more than once."""
    listed = np.asarray(values, dtype=object)
    if listed.ndim != 1 or not listed.size or not all(isinstance(value, Real) for value in listed):
        raise ConfigError(f"{name}s are {quoted(values)}: allowed is a list of one number or more")
    for value in listed:
        check_fraction(value, name, what)
    check_distinct(listed.tolist(), f"{name}s")


def check_blocks(models: int, fraction: float) -> tuple[int, int]:
    """Returns p and q of nested draws, in which each sample is a member of p of every q shadow models.

    Raises:
        ConfigError: The fraction of members is no p/q with a small q, or the models are not whole blocks of q.
    """
    share = Fraction(float(fraction)).limit_denominator(LARGEST_BLOCK)
    if not math.isclose(share, fraction, rel_tol=1e-9):
        raise ConfigError(
            f"member_fraction is {quoted(fraction)}: allowed with nested draws are p/q with q up to {LARGEST_BLOCK}, "
            "such as 0.5, 0.25 or 0.3, as each sample is a member of p models in every block of q"
        )
    if models % share.denominator:
        raise ConfigError(
            f"shadow_models is {models}: allowed with nested draws are multiples of {share.denominator}, as each "
            f"sample is a member of {share.numerator} models in every block of {share.denominator}"
        )
    return share.numerator, share.denominator


def targets_apart(models: int) -> int:
    """Returns how many of so many models are attacked with fewer shadow models: an even number about a quarter."""
    return min(MOST_TARGETS, max(2, models // 8 * 2))


def check_budgets(budgets: Iterable[int], models: int) -> None:
    """Raises ConfigError unless each budget is an even number of models that the targets leave."""
    most = (models - targets_apart(models)) // 2 * 2
    may = f"even numbers from {FEWEST_SHADOWS} to {most}" if most >= FEWEST_SHADOWS else "none"
    for budget in budgets:
        check_whole(budget, "budgets", FEWEST_SHADOWS)
        if budget % 2 or budget > most:
            raise ConfigError(
                f"budgets has {budget}: allowed with {models} shadow models is {may}, as {targets_apart(models)} of "
                "them are kept apart as targets"
            )


def quoted(value: Any) -> str:
    """Returns a value as messages quote it."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def allowed(choices: Iterable[Any]) -> str:
    """Returns the end of a message, which names all choices."""
    choices = list(choices)
    return f"allowed {'is' if len(choices) == 1 else 'are'} {_listed(choices)}" if choices else "none is allowed"


def _listed(values: Sequence[Any]) -> str:
    *others, last = map(quoted, values)
    return f"{', '.join(others)} and {last}" if others else last


def _range(least: float, most: float | None) -> str:
    return f"from {least}" if most is None else f"from {least} to {most}"
