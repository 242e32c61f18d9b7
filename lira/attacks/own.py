"""The user's own attacks: functions that are given all that the models say."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lira.core.errors import DataError
from lira.core.plugins import code_digest, load_function
from lira.core.validation import check_array


class OwnAttacks:
    """Functions by name of the attack, loaded.

    Args:
        functions: ``package.module:function`` of each.

    Attributes:
        codes: Digest of each one's code.
    """

    def __init__(self, functions: Mapping[str, str]):
        self._functions = functions
        self.codes = {name: code_digest(function) for name, function in functions.items()}
        self._loaded = {name: load_function(function, self.codes[name]) for name, function in functions.items()}

    def scores(self, phi: Any, member: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Calls each function; yields its name and scores.

        Raises:
            DataError: What it returns are no scores of all models and samples.
        """
        for name, function in self._loaded.items():
            yield name, _checked(self._functions[name], function(phi[:], member.copy()), member)


def _checked(function: str, given: Any, member: np.ndarray) -> np.ndarray:
    needed = f"{function} must return a score, not NaN, of each of {member.shape} models and samples"
    try:
        scores = check_array(given, "what it returned")
    except DataError as error:
        raise DataError(f"{needed}: {error}") from error
    if scores.shape != member.shape or np.isnan(scores).any():
        raise DataError(needed)
    return scores.astype(np.float64)
