"""Validates sections of a study; errors become one line: the key, the value, what is allowed."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from lira.config.dataset import Dataset
from lira.config.sections import Architecture, Margins, Recipe, Settings
from lira.core.errors import ConfigError
from lira.core.validation import allowed, quoted

Section = TypeVar("Section", bound=Settings)


def check_section(place: str, section: type[Section], values: Mapping[str, Any]) -> Section:
    """Validates a section of a study, or a whole study with the place ``""``.

    Raises:
        ConfigError: A key below ``place`` or its value is not allowed.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(sentence(error, section, place)) from None


def parse_section(place: str, section: type[Section], text: str) -> Section:
    """Validates a section that a step gets as JSON on the command line.

    Raises:
        ConfigError: It is not a JSON object, or as :func:`check_section`.
    """
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{place} is {quoted(text)}: allowed is a JSON object ({error})") from None
    return check_section(place, section, values)


def sentence(error: ValidationError, section: type[Settings], place: str) -> str:
    """Describes the first error of the section at a place."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    parts = [place, *(str(part) for part in first["loc"] if part != "[key]")]
    where = ".".join(filter(None, parts))
    if isinstance(cause, ConfigError):
        return f"{where}.{cause}" if where else str(cause)
    if first["type"] == "extra_forbidden":
        return f"{where} is an unknown key: {allowed(_siblings(first['loc'], section))}"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where} is {quoted(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _siblings(location: tuple, section: type[Settings]) -> list[str]:
    parts: dict[str, type[Settings]] = {"datasets": Dataset, "architectures": Architecture, "margins": Margins}
    parts |= {"architecture": Architecture, "recipe": Recipe}
    model = parts.get(location[0], section) if len(location) > 1 else section
    return list(model.model_fields)
