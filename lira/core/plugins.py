"""Loads the user's own functions, which a study file names as ``package.module:function``."""

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from lira.core.errors import ConfigError, LiraError


def load_function(name: str) -> Callable:
    """Imports a function ``package.module:function`` from the environment or the working directory.

    Raises:
        ConfigError: The module cannot be imported or has no such function. The returned function raises it if a call
            fails.
    """
    module, function = name.split(":")
    if "" not in sys.path:
        sys.path.append("")
    try:
        found = getattr(import_module(module), function, None)
    except Exception as error:  # the module may do anything
        raise ConfigError(
            f"{name} cannot be imported from the working directory or the environment: {_said(error)}"
        ) from error
    if not callable(found):
        raise ConfigError(f"{name}: module {module} has no function {function}")

    @wraps(found, updated=())
    def call(*arguments: Any) -> Any:
        try:
            return found(*arguments)
        except (LiraError, MemoryError):
            raise
        except Exception as error:  # so may the function
            raise ConfigError(f"{name} failed: {_said(error)}") from error

    return call


def _said(error: Exception) -> str:
    try:
        return repr(error)
    except Exception:  # its text is the user's code too
        return type(error).__name__
