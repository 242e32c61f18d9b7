"""Validates sections of a study; errors become one line: the key, the value, what is allowed."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from pydantic import ValidationError

from lira.config.catalogue import ESTIMATOR, FORM, FUNCTION, NAME, NAMED
from lira.config.dataset import Dataset
from lira.config.margins import Margins
from lira.config.sections import Architecture, Recipe, Settings, TargetSettings
from lira.core.errors import ConfigError
from lira.core.validation import allowed, quoted

WHOLE, NUMBER = "input should be a valid integer", "input should be a valid number"
MAPPING = "input should be a mapping, {{name: value, ...}}, or {{}} for nothing"
TEXT = "input should be text"
REASONS = {
    "bool_parsing": "input should be true or false",
    "bool_type": "input should be true or false",
    "dict_type": MAPPING,
    "finite_number": "input should be a finite number",
    "float_parsing": f"{NUMBER}, such as 0.01",
    "float_type": NUMBER,
    "greater_than": "input should be greater than {gt:g}",
    "greater_than_equal": "input should be greater than or equal to {ge}",
    "int_from_float": f"{WHOLE}, without a fraction",
    "int_parsing": f"{WHOLE}, in digits alone",
    "int_parsing_size": f"{WHOLE}, of fewer digits",
    "int_type": WHOLE,
    "less_than": "input should be less than {lt:.12g}",
    "less_than_equal": "input should be less than or equal to {le}",
    "list_type": "input should be a list",
    "literal_error": "input should be {expected}",
    "model_type": MAPPING,
    "multiple_of": "input should be a multiple of {multiple_of}",
    "string_too_long": f"allowed are {NAMED}",
    "string_type": TEXT,
    "string_unicode": f"{TEXT} in UTF-8",
    "too_long": "input should have {max_length} or fewer in it",
    "too_short": "input should have {min_length} or more in it",
}
"""What is allowed, for each type of error of pydantic that a section can cause."""

PATTERNS = {NAME: f"are {NAMED}", FUNCTION: f"is {FORM}", ESTIMATOR: "is the path of a class, package.module.Class"}
"""What the patterns in sections allow."""

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
    where, kind = ".".join(filter(None, parts)), first["type"]
    if isinstance(cause, ConfigError):
        return f"{where}.{cause}" if where else str(cause)
    if kind == "extra_forbidden":
        return f"{where} is an unknown key: {allowed(_siblings(first['loc'], section))}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "invalid_key" or (kind == "string_type" and first["loc"][-1] == "[key]"):
        above = ".".join(filter(None, [place, *map(str, first["loc"][: -1 if kind == "invalid_key" else -2])]))
        return f"{above or 'the study'} has the name {quoted(first['input'])}: a name is text, write it in quotes"
    return f"{where} is {quoted(first['input'])}: {_reason(kind, first)}"


def _reason(kind: str, error: Mapping[str, Any]) -> str:
    """Says what is allowed: in our words for all types of pydantic, and as the error says for our own."""
    value, limits = error["input"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return f"allowed {PATTERNS[limits['pattern']]}"
    if kind == "list_type" and isinstance(value, str | int | float):
        return f"{REASONS[kind]}: write [{value}]"
    if kind == "string_type" and isinstance(value, bool | int | float | date):
        said = "YAML reads yes, no, on and off as true and false" if isinstance(value, bool) else f"'{value}'"
        return f"{REASONS[kind]}: write it in quotes, {said}"
    return REASONS[kind].format(**limits) if kind in REASONS else error["msg"]


def _siblings(location: tuple, section: type[Settings]) -> list[str]:
    parts: dict[str, type[Settings]] = {"datasets": Dataset, "architectures": Architecture, "margins": Margins}
    parts |= {"targets": TargetSettings}
    parts |= {"architecture": Architecture, "recipe": Recipe}
    model = parts.get(location[0], section) if len(location) > 1 else section
    return list(model.model_fields)
