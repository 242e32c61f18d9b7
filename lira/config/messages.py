"""What is wrong, as one line: the key, the value, what is allowed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from lira.config.catalogue import RECIPE_VERSION
from lira.config.sections import Architecture, Dataset, Margins, Recipe, Settings
from lira.core.errors import ConfigError

Section = TypeVar("Section", bound=Settings)
LONGEST = 200
"""Characters of a value that a message quotes."""


def checked(place: str, section: type[Section], values: Mapping[str, Any]) -> Section:
    """A section of a study, or a whole one at the place ``""``.

    Raises:
        ConfigError: one line: the key below ``place``, the value, what is allowed.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(sentence(error, section, f"{place}." if place else "")) from None


def planned(section: type[Section], settings: Mapping[str, Any]) -> Section:
    """The settings that a job is given, if the code of its environment is that of the study's.

    Raises:
        ConfigError: it is not, as an environment that holds a copy of lira outlives a change of the code; or as
            :func:`checked`.
    """
    version = settings.get("recipe_version", RECIPE_VERSION)
    if version != RECIPE_VERSION:
        raise ConfigError(
            f"recipe_version: the study was planned by lira of recipe version {version}, but this job's environment "
            f"has {RECIPE_VERSION}: install the same lira there"
        )
    return checked("settings", section, settings)


def known(place: str, name: str, allowed: Iterable[str]) -> None:
    """Refuses a name that is not among the allowed ones."""
    if name not in allowed:
        raise ConfigError(f"{place}: unknown {name!r}, allowed: {', '.join(allowed) or 'none'}")


def distinct(place: str, values: Sequence) -> None:
    """Refuses a value that is given more than once."""
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ConfigError(f"{place}: {repeated[0]} is given more than once")


def sentence(error: ValidationError, section: type[Settings], prefix: str) -> str:
    """The first thing wrong with a section."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    place = prefix + ".".join(str(part) for part in first["loc"] if part != "[key]")
    if isinstance(cause, ConfigError):
        return f"{place}.{cause}" if first["loc"] else str(cause)
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key, allowed: {', '.join(_siblings(first['loc'], section))}"
    if first["type"] == "missing":
        return f"{place}: missing"
    return f"{place}: {short(first['input'])} is not allowed: {first['msg'][0].lower()}{first['msg'][1:]}"


def short(value: Any) -> str:
    """A value as it is quoted in a message."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _siblings(location: tuple, section: type[Settings]) -> list[str]:
    parts = {"datasets": Dataset, "architectures": Architecture, "margins": Margins}
    parts |= {"architecture": Architecture, "recipe": Recipe}
    model = parts.get(location[0], section) if len(location) > 1 else section
    return list(model.model_fields)
