"""Reads a study file as :class:`~lira.config.study.StudySettings`, and documents its settings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lira.config.checks import check_study
from lira.config.messages import check_section
from lira.config.sections import Architecture, Dataset, Margins, Recipe, Settings
from lira.config.study import StudySettings
from lira.core.errors import ConfigError
from lira.core.validation import quoted

UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError)
"""Exceptions that reading YAML can raise; PyYAML does not check dates, and numbers or booleans with tags."""


class _UniqueKeys(yaml.SafeLoader):
    """Reads YAML, and raises an error if a key is given twice, where PyYAML would use the last."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {key!r} is given more than once")
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Reads a study file.

    Raises:
        ConfigError: The file is missing, not YAML, not a mapping, or has a key twice.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.load(file, Loader=_UniqueKeys)
    except OSError as error:
        raise ConfigError(f"{path}: {error}") from None
    except UNREADABLE as error:
        raise ConfigError(f"{path}: {_said(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a mapping of study settings")
    return content


def load_study(given: Path | str | Mapping[str, Any]) -> StudySettings:
    """Reads a study, checks it and fills in the defaults.

    Args:
        given: The study file, or its settings. A setting given as text is read as YAML, as ``snakemake --config``
            passes nested values as text.

    Raises:
        ConfigError: The file cannot be read, or a key or value is not allowed.
    """
    settings = given if isinstance(given, Mapping) else read_yaml(given)
    parsed = {key: value if key == "study" else _parsed(key, value) for key, value in settings.items()}
    study = check_section("", StudySettings, parsed)
    check_study(study)
    return study


def _parsed(key: str, value: Any) -> Any:
    try:
        return yaml.load(value, Loader=_UniqueKeys) if isinstance(value, str) else value
    except UNREADABLE as error:
        raise ConfigError(f"{key}: {quoted(value)} is not YAML ({_said(error)})") from None


def _said(error: Exception) -> str:
    own = isinstance(error, (yaml.YAMLError, RecursionError, UnicodeDecodeError))
    return str(error) if own else f"a value is not what its form or tag says: {error!r}"


def schema() -> str:
    """Returns the JSON schema of a study file; regimes, runs and pretraining take the keys of ``Recipe``."""
    whole = StudySettings.model_json_schema()
    whole["$defs"]["Recipe"] = Recipe.model_json_schema()
    return json.dumps(whole, indent=2)


def commented_defaults() -> Iterator[str]:
    """Yields lines of YAML with every key, its default and its meaning, section by section."""
    for section in (StudySettings, Dataset, Architecture, Recipe, Margins):
        yield f"# {section.__name__}: {section.__doc__}"
        for name, field in section.model_fields.items():
            default = {} if isinstance(field.default, Settings) else field.default
            value = "(required)" if field.is_required() else json.dumps(default)
            yield f"{name}: {value}  # {field.description}"
        yield ""
