"""Reads a study file as :class:`~lira.config.study.StudySettings`, and documents its settings."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from lira.config.checks import check_study
from lira.config.dataset import Dataset
from lira.config.margins import Margins
from lira.config.messages import check_section
from lira.config.sections import Architecture, Recipe, Settings, TargetSettings
from lira.config.study import StudySettings
from lira.core.errors import ConfigError
from lira.core.validation import quoted

MERGE = "tag:yaml.org,2002:merge"
UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError)
"""Exceptions that reading YAML can raise; PyYAML does not check dates, and numbers or booleans with tags."""

MISLED, QUOTE = "a value is not what its form or tag says", "write text in quotes, and no tag"

MISREAD = re.compile(r"[-+]?0[0-7_]+|[-+]?[\d_]+(:[0-5]?\d)+(\.[\d_]*)?")
"""Numbers that YAML 1.1 reads to base 8 or 60."""

TAKEN_FOR_TEXT = re.compile(r"([-+]?)(?=\.?\d)(\d*)\.?(\d*)([eE])([-+]?)(\d+)")
"""Numbers; YAML 1.1 reads as numbers those that have digits, a point, and a sign of the exponent."""


class _UniqueKeys(yaml.SafeLoader):
    """Reads YAML, and raises an error for a key that is given twice, where PyYAML would use the last.

    So it does for a number that is read as another than it looks. Keys from ``<<`` may be given again.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Returns the document, checked."""
        whole = super().get_single_node()
        waiting, seen = [whole], set()
        while waiting:
            node = waiting.pop()
            if id(node) not in seen:
                seen.add(id(node))
                waiting += self._checked(node)
        return whole

    def _checked(self, node: yaml.Node | None) -> list[yaml.Node]:
        """Checks a node without those in it, and returns these."""
        if node and node.tag not in self.yaml_constructors:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise yaml.YAMLError(f"{_line(node)}: {tag} is an unknown tag: leave it out, and write text in quotes")
        if isinstance(node, yaml.ScalarNode):
            value = self._read_scalar(node)
            number = node.tag.endswith((":int", ":float")) and not node.style
            if number and MISREAD.fullmatch(node.value):
                meant = f"write the number in digits, or {node.value!r} for text"
                raise yaml.YAMLError(f"{_line(node)}: {node.value} is read as {value}: {meant}")
        if not isinstance(node, yaml.MappingNode):
            return node.value if isinstance(node, yaml.SequenceNode) else []
        keys: list[Any] = []
        for key, value in node.value:
            if key.value == "params":  # of any type: nothing makes a number of text there
                _check_numbers(value)
            if key.tag == MERGE:
                continue
            scalar = isinstance(key, yaml.ScalarNode)
            keys.append(self._read_scalar(key) if scalar else self.construct_object(key, deep=True))
            if keys.count(keys[-1]) > 1:
                raise yaml.YAMLError(f"{_line(key)}: {keys[-1]!r} is given more than once")
            if scalar and not isinstance(keys[-1], str):
                said = f"{key.value} is read as {keys[-1]!r}, and a name is text"
                raise yaml.YAMLError(f"{_line(key)}: {said}: write it in quotes, {key.value!r}")
        return [one for pair in node.value for one in pair if one.tag != MERGE or one is pair[1]]

    def _read_scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            return self.construct_object(node)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise yaml.YAMLError(f"{MISLED}: {node.value} in {_line(node)}: {QUOTE}") from None


def _check_numbers(node: yaml.Node) -> None:
    """Raises an error for a number below a node that is read as text, though it has no quotes."""
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, yaml.ScalarNode):
            number = one.tag.endswith(":str") and not one.style and TAKEN_FOR_TEXT.fullmatch(one.value)
            if number:
                sign, whole, part, e, of_exponent, exponent = number.groups()
                meant = f"{sign}{whole or 0}.{part or 0}{e}{of_exponent or '+'}{exponent}"
                said = f"{one.value} is read as text: write {meant}, or {one.value!r} for text"
                raise yaml.YAMLError(f"{_line(one)}: {said}")
        elif id(one) not in seen:
            seen.add(id(one))
            mapping = isinstance(one, yaml.MappingNode)
            waiting += [value for _, value in one.value] if mapping else one.value


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict:
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _RepeatedKeyError(Exception):
    """An object of JSON has a key twice."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise _RepeatedKeyError
    return found


def _parse(text: str) -> Any:
    """Reads JSON, or else YAML, as Snakemake does."""
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError:
        pass
    except _RepeatedKeyError:  # the YAML reader says in which line; outside of text, which has none, JSON allows tabs
        text = text.replace("\t", " ")
    return yaml.load(StringIO(text), Loader=_UniqueKeys)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Reads a study file.

    Raises:
        ConfigError: The file is missing, neither JSON nor YAML, not a mapping, or has a key twice.
    """
    try:
        content = _parse(
            Path(os.path.expanduser(path)).read_text(encoding="utf-8-sig")
        )  # json refuses a byte order mark
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: give the path of a study file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read as a study file ({error.strerror}): give a file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except UNREADABLE as error:
        raise ConfigError(f"{path}: {_said(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a mapping of study settings, a line of name: value for each")
    return content


def load_study(given: Path | str | Mapping[str, Any]) -> StudySettings:
    """Reads a study, checks it and fills in the defaults.

    Args:
        given: The study file, or its settings. A setting given as text is read as YAML, as ``snakemake --config``
            passes nested values as text.

    Raises:
        ConfigError: The file cannot be read, or a key or value is not allowed.
    """
    if not isinstance(given, Mapping | str | Path):
        raise ConfigError(f"the study is {quoted(given)}: allowed are the path of a study file and its settings")
    settings = given if isinstance(given, Mapping) else read_yaml(given)
    parsed = {key: value if key == "study" else _parsed(key, value) for key, value in settings.items()}
    study = check_section("", StudySettings, parsed)
    check_study(study)
    return study


def read_params(settings: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings whose ``params`` of estimators, if the command line gives some, are read as YAML.

    Snakemake takes nested values there for text, and ``params`` may be of any type: ``"false"`` would be true.
    """
    found = deepcopy(dict(settings))
    given = typed.get("architectures")
    for name, architecture in given.items() if isinstance(given, Mapping) else ():
        params = architecture.get("params") if isinstance(architecture, Mapping) else None
        for key, value in params.items() if isinstance(params, Mapping) else ():
            found["architectures"][name]["params"][key] = _reread(value)
    return found


def _reread(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _reread(one) for key, one in value.items()}
    return [*map(_reread, value)] if isinstance(value, list) else _parsed("params", value)


def _parsed(key: str, value: Any) -> Any:
    try:
        return _parse(value) if isinstance(value, str) else value
    except UNREADABLE as error:
        raise ConfigError(f"{key}: {quoted(value)} is not YAML ({_said(error)})") from None


def _said(error: Exception) -> str:
    if type(error) is yaml.YAMLError:
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply: a study has five levels at most"
    if not isinstance(error, yaml.YAMLError):
        return f"{MISLED}: {QUOTE}"
    place = str(error).replace('"<file>", ', "").replace('"<unicode string>", ', "")
    return f"it is no YAML: {place}: see that indentation (by spaces), quotes, brackets and names are right there"


def schema() -> str:
    """Returns the JSON schema of a study file; regimes, runs and pretraining take the keys of ``Recipe``."""
    whole = StudySettings.model_json_schema()
    whole["$defs"]["Recipe"] = Recipe.model_json_schema()
    return json.dumps(whole, indent=2)


def commented_defaults() -> Iterator[str]:
    """Yields lines of YAML with every key, its default and its meaning, section by section."""
    for section in (StudySettings, Dataset, Architecture, Recipe, TargetSettings, Margins):
        yield f"# {section.__name__}: {section.__doc__}"
        for name, field in section.model_fields.items():
            default = {} if isinstance(field.default, Settings) else field.default
            value = "(required)" if field.is_required() else json.dumps(default)
            yield f"{name}: {value}  # {field.description}"
        yield ""
