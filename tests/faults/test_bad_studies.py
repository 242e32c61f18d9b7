"""Study files with every kind of mistake: each is a study whose jobs can be described, or one sentence."""

import copy
import datetime
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from outcomes import campaign, outcome

from lira.config import StudySettings, load_study, read_yaml
from lira.core.errors import LiraError
from lira.work import shards

MANY = pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=pytest.mark.campaign)])
WRONG = [None, True, "", "x", " ", "; rm -rf x", "../x", "-x", -1, 0, 0.5, 10**12, math.nan, math.inf, [], [[]], {}]
WRONG += [
    {"x": 1},
    {1: 2},
    [1, 1],
    ["crop", "crop"],
    datetime.date(2026, 1, 1),
    b"x",
    "x" * 300,
    "a\nb",
    "\x1b[2J",
    "é",
]


@pytest.fixture(scope="module")
def smoke(request):
    """A study that uses every section, one imported run included."""
    study = read_yaml(request.config.rootpath / "studies" / "smoke.yaml")
    study["runs"]["digits/elsewhere/aof"] = {"scores": "scores-{seed}.npz", "seeds": [3, 4], "epochs": 40}
    study["datasets"]["own"] = {"source": "file", "path": "own.npz", "kind": "tabular", "pool": "train"}
    study["architectures"]["r18"] = {"family": "timm", "name": "resnet18", "weights": "w.safetensors"}
    return study | {"protocol": "artifact", "member_fraction": 0.5, "device": "cpu", "jobs_per_gpu": 1}


def described(study: StudySettings) -> None:
    """Everything that rules ask of a study, as they pass it on."""
    study.views(), study.model_dump_json()
    for key, run in study.runs.items():
        shards(study, key)
        if run.scores:
            study.imported_recipe(key).model_dump_json()
            continue
        study.training_settings(key).model_dump_json(), study.dataset_of(key).model_dump_json()
        study.pretraining_settings(key.split("/")[1]).model_dump_json()
        for seed in study.seeds_of(key):
            study.view_of(key, seed)


def places(node, path=()):
    """Paths of all keys and items."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(study, path):
    for key in path:
        study = study[key]
    return study


def check(study) -> str:
    """How a study ends: what is wrong in it is named by its section."""
    sections = tuple(str(LiraError(form(key))) for key in [*StudySettings.model_fields, *study] for form in (str, repr))
    said = outcome(lambda: described(load_study(study)), places=sections)
    assert said or study["study"], study
    return said


def test_every_key_dropped_and_of_every_wrong_value(smoke):
    assert not check(smoke)
    refused = tried = 0
    for path in list(places(smoke)):
        for value in [KeyError, *WRONG]:
            study = copy.deepcopy(smoke)
            *parents, last = path
            if value is KeyError:
                del at(study, parents)[last]
            else:
                at(study, parents)[last] = value
            refused, tried = refused + bool(check(study)), tried + 1
    assert tried > 2500 and refused > 0.7 * tried


def test_every_section_refuses_keys_it_does_not_know(smoke):
    for path in [(), *places(smoke)]:
        if isinstance(at(smoke, path), dict) and path[-1:] not in [("datasets",), ("architectures",)]:
            for key in ("unknown", 3, None, "; rm -rf x"):
                study = copy.deepcopy(smoke)
                at(study, path)[key] = 1
                assert check(study), (path, key)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates()
VALUES = st.recursive(
    SCALARS | st.sampled_from(WRONG).map(copy.deepcopy),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def broken(draw, study):
    """The study with one to four changes: keys dropped, renamed or added, values replaced, repeated or swapped."""
    study = copy.deepcopy(study)
    for _ in range(draw(st.integers(1, 4))):
        *parents, last = draw(st.sampled_from(list(places(study))))
        section = at(study, parents)
        change = draw(st.sampled_from(["drop", "replace", "rename", "add", "repeat", "swap"]))
        if change == "drop":
            del section[last]
        elif change == "replace":
            section[last] = draw(VALUES)
        elif change == "swap":
            *others, other = draw(st.sampled_from(list(places(study))))
            section[last] = copy.deepcopy(at(study, [*others, other]))
        elif isinstance(section, list):
            section.append(section[last] if change == "repeat" else draw(VALUES))
        elif change == "rename":
            section[draw(SCALARS)] = section.pop(last)
        else:
            section[draw(SCALARS)] = draw(VALUES)
        if not list(places(study)):
            break
    return study


@MANY
def test_broken_studies(smoke, examples):
    @campaign(examples)
    @given(broken(smoke))
    def run(study):
        check(study)

    run()


TOKENS = [b"&a [*a]", b"<<: *aof", b"!!python/object/apply:os.system ['ls']", b"[" * 3000, b"? [a]: b", b"- ", b"\t"]


@MANY
def test_broken_text(request, tmp_path, examples):
    """Bytes of a study file replaced, removed or inserted."""
    text = (request.config.rootpath / "studies" / "smoke.yaml").read_bytes()
    file = tmp_path / "study.yaml"

    @campaign(examples)
    @given(st.integers(0, len(text)), st.integers(0, 40), st.binary(max_size=6) | st.sampled_from(TOKENS))
    def run(start, removed, inserted):
        file.write_bytes(text[:start] + inserted + text[start + removed :])
        outcome(lambda: described(load_study(file)))

    run()


@MANY
def test_broken_values_on_the_command_line(smoke, examples):
    """As ``--config KEY=TEXT`` hands them over: text that is read as YAML."""

    @campaign(examples)
    @given(st.sampled_from(list(StudySettings.model_fields)), st.text(max_size=30) | VALUES.map(str))
    def run(key, text):
        outcome(lambda: described(load_study(smoke | {key: text})), places=(key, *StudySettings.model_fields))

    run()


def test_a_study_file_runs_no_code(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(f"study: !!python/object/apply:os.mkdir ['{tmp_path / 'pwned'}']\n")
    assert "os.mkdir is an unknown tag: leave it out" in outcome(lambda: read_yaml(file))
    assert outcome(lambda: load_study({"study": "s", "runs": f"!!python/object/apply:os.mkdir ['{tmp_path}/pwned']"}))
    assert not (tmp_path / "pwned").exists() and yaml.safe_load("a: 1")
