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

    def scores(
        self, phi: Any, member: np.ndarray, targets: np.ndarray | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Calls each function; yields its name and scores.

        Args:
            phi: ``[model, sample, view]``, an array or an HDF5 dataset.
            member: ``[model, sample]``.
            targets: Models that are held out: for each, a function sees that model and those that are no targets.

        Raises:
            DataError: What it returns are no scores of all models and samples.
        """
        for name, function in self._loaded.items():
            if targets is None:
                given = phi.copy() if isinstance(phi, np.ndarray) else phi[:]  # functions may work in place
                yield name, _checked(self._functions[name], function(given, member.copy()), member)
                continue
            rows, others = [], np.setdiff1d(np.arange(len(member)), targets)
            for target in targets:
                seen = np.sort(np.append(others, target))
                found = _checked(self._functions[name], function(phi[:][seen], member[seen]), member[seen])
                rows.append(found[seen == target])
            yield name, np.concatenate(rows)


def _checked(function: str, given: Any, member: np.ndarray) -> np.ndarray:
    needed = f"{function} must return a score, not NaN, of each of {member.shape} models and samples"
    try:
        scores = check_array(given, "what it returned")
    except DataError as error:
        raise DataError(f"{needed}: {error}") from error
    if scores.shape != member.shape or np.isnan(scores).any():
        raise DataError(needed)
    return scores.astype(np.float64)
