"""Loads a dataset with the user's own function, ``package.module:function``."""

import inspect
from collections.abc import Callable, Mapping

from lira.config import Dataset
from lira.core.errors import DataError
from lira.core.plugins import load_function
from lira.datasets._arrays import Arrays, check_arrays, from_user


def load(settings: Dataset, seed: int) -> Arrays:
    """Calls the function, with the dataset's settings if it takes an argument.

    The function returns :class:`Arrays`, or a dictionary as :func:`lira.datasets._arrays.from_user` takes it.

    Raises:
        ConfigError: There is no such function, or it fails.
        DataError: It returns something else.
    """
    function = load_function(settings.source)
    given = function(settings) if _takes_settings(function) else function()
    if isinstance(given, Arrays):
        return check_arrays(given, settings.source, settings.holds)
    if not isinstance(given, Mapping):
        raise DataError(f"{settings.source} returned {type(given).__name__}: a dictionary with x and y is needed")
    return from_user(given, settings.source, settings.holds)


def _takes_settings(function: Callable) -> bool:
    try:
        return bool(inspect.signature(function).parameters)
    except ValueError:  # a function written in C may have no signature
        return False
