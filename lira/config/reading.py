"""From a study file to a :class:`~lira.config.study.StudySettings`, and from the models to the documentation."""

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
"""What reading YAML may raise: PyYAML's own values, as of dates, tagged numbers and truth values, are not checked."""


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of the last one winning."""


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
        ConfigError: the file is missing, not YAML, not a mapping, or names a key twice.
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
        given: The study file, or settings as such a file has them. Text where a list, a mapping or a truth value is
            expected is read as YAML, since that is how nested values arrive from ``snakemake --config``.

    Raises:
        ConfigError: one line: the file if it cannot be read, or the key, the value, what is allowed.
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
    """JSON schema of a study file; regimes, runs and pretraining take the keys of ``Recipe``."""
    whole = StudySettings.model_json_schema()
    whole["$defs"]["Recipe"] = Recipe.model_json_schema()
    return json.dumps(whole, indent=2)


def commented_defaults() -> Iterator[str]:
    """Lines of a YAML text with every key, its default and what it means, section by section."""
    for section in (StudySettings, Dataset, Architecture, Recipe, Margins):
        yield f"# {section.__name__}: {section.__doc__}"
        for name, field in section.model_fields.items():
            value = "(required)" if field.is_required() else json.dumps(_plain(field.default))
            yield f"{name}: {value}  # {field.description}"
        yield ""


def _plain(default: Any) -> Any:
    """A default as YAML has it; that of a whole section is empty."""
    return {} if isinstance(default, Settings) else default
