"""The user's own code, named in the study file as ``package.module:function``."""

import sys
from collections.abc import Callable
from importlib import import_module

from lira.errors import ConfigError


def load_function(name: str) -> Callable:
    """Imports a function; modules in the working directory are found too.

    Args:
        name: ``package.module:function``.

    Raises:
        ConfigError: the module cannot be imported or has no such function.
    """
    module, function = name.split(":")
    if "" not in sys.path:
        sys.path.append("")
    try:
        found = getattr(import_module(module), function, None)
    except Exception as error:  # the module may do anything
        raise ConfigError(
            f"{name} cannot be imported from the working directory or the environment: {error!r}"
        ) from error
    if not callable(found):
        raise ConfigError(f"{name}: module {module} has no function {function}")
    return found
