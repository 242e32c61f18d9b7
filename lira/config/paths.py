"""Paths in a study file."""

import os
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from lira.config.catalogue import ACTIVE


def _plain_path(path: str) -> str:
    _seed_path(path.replace("{seed}", "{}"))
    return os.path.expanduser(path)


def _seed_path(path: str) -> str:
    path = os.path.expanduser(path)
    name = path.replace("{seed}", "")
    if not name or name.startswith("-") or not name.isprintable() or set(name) & set(ACTIVE):
        said = "a path is printable, does not start with - and has none of {characters}, except for {seed} in scores"
        raise PydanticCustomError("path", said, {"characters": " ".join(ACTIVE)})
    return path


PlainPath = Annotated[str, AfterValidator(_plain_path)]
"""A path with ``~`` replaced, which no shell, page or rule can take for something else."""

SeedPath = Annotated[str, AfterValidator(_seed_path)]
"""The same, in which ``{seed}`` stands for the run's seed."""
