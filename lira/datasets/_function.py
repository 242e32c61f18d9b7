"""Loads a dataset with the user's own function, ``package.module:function``."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lira.config import Dataset
from lira.core.errors import ConfigError, DataError
from lira.core.plugins import load_function
from lira.datasets._arrays import Arrays, check_arrays, from_user


def load(settings: Dataset, seed: int) -> Arrays:
    """Calls the function, with the dataset's settings if it asks for them.

    It does so by a parameter that has no default, or one that is called ``settings``. It returns :class:`Arrays`,
    or a dictionary as :func:`lira.datasets._arrays.from_user` takes it.

    Raises:
        ConfigError: There is no such function, or it fails.
        DataError: It returns something else.
    """
    given = _call(load_function(settings.source), settings)
    if isinstance(given, Arrays):
        return check_arrays(given, settings.source, settings)
    if not isinstance(given, Mapping):
        raise DataError(f"{settings.source} returned {type(given).__name__}: a dictionary with x and y is needed")
    return from_user(given, settings.source, settings)


def _call(function: Callable, settings: Dataset) -> Any:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # a function written in C may have no signature
        return function()
    single = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    needed = [one for one in single if one.default is one.empty]
    asks = [one for one in single if one.name == "settings"] or needed[:1]
    if others := [repr(one.name) for one in needed if one not in asks]:
        raise ConfigError(
            f"{settings.source} must be called with {', '.join(others)}, but gets the dataset's settings at most: "
            "give the others defaults"
        )
    if asks and asks[0].kind is not inspect.Parameter.POSITIONAL_ONLY:
        return function(**{asks[0].name: settings})
    return function(settings) if asks else function()
