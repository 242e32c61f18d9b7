"""What a study file says wrong is answered in sentences of ours: the place, the value, what is allowed."""

from typing import get_args

import pytest
import yaml
from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from lira.config import load_study
from lira.config.dataset import Dataset
from lira.config.margins import Margins
from lira.config.messages import PATTERNS, REASONS, check_section
from lira.config.sections import Architecture, Recipe, RunSettings, Settings
from lira.config.study import StudySettings
from lira.core.errors import ConfigError

STUDY = """study: s
shadow_models: 4
shard_size: 4
seeds: [0]
datasets: {d: {source: digits, test: 100}}
architectures: {a: {family: fcn, hidden: [8], flatten: true}}
regimes: {r: {epochs: 1, batch_size: 16}}
runs: {d/a/r: {}}
"""

CAUSED = {
    "any": (),
    "bool": ("bool_type", "bool_parsing"),
    "default": (),
    "dict": ("dict_type",),
    "float": ("float_type", "float_parsing", "finite_number"),
    "function-after": (),
    "function-before": (),
    "function-wrap": (),
    "int": ("int_type", "int_parsing", "int_parsing_size", "int_from_float", "finite_number"),
    "list": ("list_type",),
    "literal": ("literal_error",),
    "model": ("model_type",),
    "model-field": (),
    "model-fields": ("model_type",),
    "nullable": (),
    "str": ("string_type", "string_unicode"),
    "union": (),
    "ge": ("greater_than_equal",),
    "gt": ("greater_than",),
    "le": ("less_than_equal",),
    "lt": ("less_than",),
    "min_length": ("too_short",),
    "max_length": ("too_long",),
    "multiple_of": ("multiple_of",),
}
"""Types of errors by what a schema has in it; those of keys (missing, unknown, no text) are told by other code."""

LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of")


def sections(base=Settings):
    return {base}.union(*(sections(one) for one in base.__subclasses__()))


def caused(schema):
    if isinstance(schema, list | tuple):
        return set().union(*map(caused, schema))
    if not isinstance(schema, dict):
        return set()
    kind, found = schema.get("type"), set()
    if isinstance(kind, str) and kind not in ("no-info", "with-info"):
        found = {error for part in (kind, *(limit for limit in LIMITS if limit in schema)) for error in CAUSED[part]}
        if kind == "str":
            found = {"string_too_long" if error == "too_long" else error for error in found}
            assert schema.get("pattern") in (None, *PATTERNS)
    return found.union(*(caused(part) for key, part in schema.items() if key not in ("metadata", "serialization")))


def test_every_type_of_error_has_a_sentence():
    assert set().union(*(caused(section.__pydantic_core_schema__) for section in sections())) == set(REASONS)


TOLD = {"extra_forbidden", "invalid_key", "missing", "string_pattern_mismatch", "value_error"}
ODD = [
    None,
    True,
    7,
    -1,
    10**30,
    1.5,
    float("nan"),
    "",
    "x y",
    "1%",
    b"\xff",
    [],
    ["x"],
    [None],
    [-1],
    {},
    {1: 2},
    {"a": 1},
]


@pytest.mark.parametrize("section", [StudySettings, Dataset, Architecture, Recipe, Margins, RunSettings])
def test_no_text_of_pydantic_is_the_reason(section):
    for name in section.model_fields:
        for value in ODD:
            try:
                section.model_validate({name: value})
            except ValidationError as error:
                assert error.errors()[0]["type"] not in {*get_args(ErrorType)} - {*REASONS} - TOLD
                with pytest.raises(ConfigError) as said:
                    check_section("here", section, {name: value})
                assert str(said.value).startswith("here.") and "constrained" not in str(said.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds: [0]", "seeds: 0", r"seeds is 0: input should be a list: write \[0\]$"),
        ("epochs: 1", "augment: flip", r"augment is 'flip': input should be a list: write \[flip\]$"),
        ("hidden: [8]", "hidden: 8", r"hidden is 8: input should be a list: write \[8\]$"),
        ("{r:", "{no:", "line 7: no is read as False, and a name is text: write it in quotes, 'no'$"),
        ("{r:", "{1:", "line 7: 1 is read as 1, and a name is text: write it in quotes, '1'$"),
        ("{r:", "{2024-01-01:", "line 7: 2024-01-01 is read as .*: write it in quotes, '2024-01-01'$"),
        ("study: s", "study: 7", "study is 7: input should be text: write it in quotes, '7'$"),
        ("study: s", "study: no", "study is False: input should be text: write it in quotes, YAML reads yes, no"),
        ("digits,", "file, path: x.csv, kind: tabular, label: 1,", "label is 1: .* write it in quotes, '1'$"),
        ("study: s", "study: a/b", r"study is 'a/b': allowed are up to 40 letters, digits and _ \. \+ -, of which"),
        (
            "digits,",
            "digits, seed: x,",
            "datasets.d.seed is 'x': allowed are whole numbers from 0 to 4294967295 and 'run'$",
        ),
        (
            "digits,",
            "file, kind: image, path: 'a{seed}.npz',",
            "path is 'a{seed}.npz': .* except for {seed} in scores$",
        ),
        (
            "fcn,",
            "'narrow.py:build',",
            "a.family is 'narrow.py:build': allowed is 'narrow:build', a module without .py$",
        ),
        ("digits,", "'own.py:load', kind: image,", "d.source is 'own.py:load': allowed is 'own:load'"),
        ("study: s", "study: s\nattacks: {m: 'x.py:f'}", "attacks.m is 'x.py:f': allowed is 'x:f'"),
        ("study: s", "study: s\nattacks: {m: x}", "attacks.m is 'x': allowed is 'package.module:function'$"),
        ("epochs: 1", "epochs: !x 1", "line 7: !x is an unknown tag: leave it out, and write text in quotes$"),
        ("epochs: 1", "epochs: [1", "it is no YAML: .* see that indentation .*, quotes, brackets and names are right"),
        ("runs: {d/a/r: {}}", "runs: {}", "runs is {}: input should have 1 or more in it$"),
        ("study: s", "study: é", "s.yaml is not UTF-8 text: save it as UTF-8$"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(tmp_path, old, new, said):
    file = tmp_path / "s.yaml"
    assert old in STUDY
    file.write_bytes(STUDY.replace(old, new).encode("latin-1"))
    with pytest.raises(ConfigError, match=said):
        load_study(file)


def test_what_is_no_study_file_is_told(tmp_path):
    for given, said in (
        (tmp_path / "no.yaml", "does not exist"),
        (tmp_path, "cannot be read"),
        (None, "study is None"),
    ):
        with pytest.raises(ConfigError, match=said):
            load_study(given)


def test_names_that_snakemake_has_read_are_told_too():
    with pytest.raises(ConfigError, match="^regimes has the name False: a name is text, write it in quotes$"):
        load_study(yaml.safe_load(STUDY.replace("{r:", "{no:")))
    with pytest.raises(ConfigError, match="^runs.d/a/r has the name 1: a name is text"):
        load_study(yaml.safe_load(STUDY.replace("d/a/r: {}", "d/a/r: {1: 2}")))


@pytest.mark.parametrize(
    "given", ["runs: {d/a/r: }", "regimes: {r: }\nruns: {d/a/r: }", "margins:\npretraining:\nagreement:"]
)
def test_what_is_left_empty_is_nothing(given):
    settings = yaml.safe_load(STUDY)
    study = load_study(settings | yaml.safe_load(given))
    assert study.run_spec("d/a/r") == load_study(settings | {"regimes": study.regimes}).run_spec("d/a/r")
