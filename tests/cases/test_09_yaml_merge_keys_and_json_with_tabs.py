"""basetenlabs/truss#2653, VOLTTRON/volttron#1713, certtools/intelmq#1999: studies are read as Snakemake reads them."""

import json

import pytest
import yaml

from lira.config import load_study, read_yaml
from lira.core.errors import ConfigError
from lira.workflow import read_plan

MERGED = """
regimes:
  baseline: &b {epochs: 4, batch_size: 16}
  longer:
    <<: *b
    epochs: 8
  both: {<<: [*b, {momentum: 0.5}], epochs: 9}
  inline: {<<: {epochs: 2}}
  longest:
    <<: *b
    epochs: 90
"""


@pytest.fixture
def read(tmp_path):
    def written(text):
        (tmp_path / "s.yaml").write_text(text)
        return read_yaml(tmp_path / "s.yaml")

    return written


def test_merge_keys_are_honoured(read):
    assert read(MERGED) == yaml.safe_load(MERGED)
    assert read(MERGED)["regimes"]["longer"] == {"epochs": 8, "batch_size": 16}


def test_json_is_read_as_json(request, tmp_path):
    study = read_yaml(request.config.rootpath / "studies" / "smoke.yaml") | {"fprs": [0.1, 1e-2]}
    for indent in ("\t", 4, None):
        (tmp_path / "s.json").write_text(json.dumps(study, indent=indent).replace("/", r"\/"))
        assert read_yaml(tmp_path / "s.json") == study
        (tmp_path / "marked.json").write_text((tmp_path / "s.json").read_text(), encoding="utf-8-sig")
        assert read_yaml(tmp_path / "marked.json") == study
        assert read_plan([tmp_path / "s.json"], study).study == load_study(study)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("regimes:\n  a: 1\n  b: 1\n  c: 1\n  a: 1\n", "line 5: 'a' is given more than once"),
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' is given more than once"),
        ("a: 1\nb: {c: 1,\n  c: 2}\n", "line 3: 'c' is given more than once"),
        ("x: {<<: &b {a: 1,\n  a: 2}}\n", "line 2: 'a' is given more than once"),
        ("b: &b {a: 1}\nc:\n  <<: *b\n  a: 1\n  a: 2\n", "line 5: 'a' is given more than once"),
        ('{\n\t"a": 1,\n\t"b": {\n\t\t"c": 1,\n\t\t"c": 2\n\t}\n}', "line 5: 'c' is given more than once"),
        ("seeds: [1,\n  010]\n", "line 2: 010 is read as 8: write the number in digits, or '010' for text"),
        ("010: 1\n", "line 1: 010 is read as 8"),
        ("sample: -017\n", "line 1: -017 is read as -15"),
        ("sample: 1:30\n", "line 1: 1:30 is read as 90"),
        ("a: 1:30.5\n", "line 1: 1:30.5 is read as 90.5"),
        ("m:\n  params: {a: 1,\n    b: 1e-3}\n", "line 3: 1e-3 is read as text: write 1.0e-3, or '1e-3' for text"),
        ("params:\n- [{a: -2.5E6}]\n", r"line 2: -2.5E6 is read as text: write -2.5E\+6, or '-2.5E6' for text"),
        ("params: {a: 1.e5}\n", r"line 1: 1.e5 is read as text: write 1.0e\+5, or"),
        ("params: {a: -.5e-5}\n", r"line 1: -.5e-5 is read as text: write -0.5e-5, or"),
        ("b: &b {a: 1e4}\nparams: *b\n", r"line 1: 1e4 is read as text: write 1.0e\+4, or '1e4' for text"),
        ("b: &b {a: 1e+4}\nparams: {<<: *b}\n", r"line 1: 1e\+4 is read as text: write 1.0e\+4, or"),
        ("a:\n\tb: 1\n", "character '.t' that cannot start any token in line 2"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused_with_its_line(read, text, said):
    with pytest.raises(ConfigError, match=said) as error:
        read(text)
    assert "s.yaml: " in str(error.value) and "\n" not in str(error.value)


def test_numbers_that_are_what_they_look_like_are_taken(read):
    found = read("a: [0, 10, 0.5, 0x10, 1_000, '010', \"1:30\", 08, 1e-3]\n")
    assert found == {"a": [0, 10, 0.5, 16, 1000, "010", "1:30", "08", "1e-3"]}
    found = read("params: {a: 1.0e-3, b: '1e-3', c: [\"1e4\", 1.e+5, -0.5e-1, .5e+1, e3, 1e-3x, 1e, 3], 1e5: 0}\n")
    assert found["params"] == {"a": 0.001, "b": "1e-3", "c": ["1e4", 1e5, -0.05, 5.0, "e3", "1e-3x", "1e", 3], "1e5": 0}


def test_a_parameter_that_names_itself_ends():
    study = "study: s\nruns: {}\narchitectures: {a: {family: sklearn, params: &p {again: [*p]}}}\n"
    with pytest.raises(ConfigError, match="params"):
        load_study({"study": "s"} | {"architectures": study.rpartition("architectures: ")[2], "runs": {}})
