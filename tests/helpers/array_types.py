"""Shapes and kinds of arrays, as jaxtyping's annotations state them, are checked by beartype while the tests run.

Other annotations are left to mypy. What a function checks by itself is an ``ArrayLike`` in its annotations, so that the
tests of its errors meet these.
"""

from typing import get_args

from beartype import beartype
from jaxtyping import AbstractArray


def check(function):
    """Decorates a function of lira; jaxtyping's import hook calls it."""
    stated = function.__annotations__
    function.__annotations__ = {name: hint for name, hint in stated.items() if _has_array(hint)}
    return beartype(function)


def _has_array(hint):
    if isinstance(hint, type):
        return issubclass(hint, AbstractArray)
    return any(map(_has_array, get_args(hint)))
