"""What a study's rules, its cost and its table make of rehearsals."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lira.config import load_study
from lira.cost import Rehearsals, costs, describe_rehearsals
from lira.storage.rehearsals import Rehearsal
from lira.workflow import Plan

KEY = "digits/fcn/baseline"


@pytest.fixture
def rehearsals(request, tmp_path):
    study = load_study(request.config.rootpath / "studies" / "smoke.yaml")
    return Rehearsals(Plan(study, results=tmp_path))


def written(rehearsals, **changes):
    spec = Path(rehearsals.spec(SimpleNamespace(name=KEY))).name
    found = replace(Rehearsal(KEY, spec, "cpu", seconds=90.0, memory=3000.0, disk=1e6), **changes)
    path = Path(rehearsals.folder, f"{KEY}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    found.write(path)
    return found


def job(first=0, last=3):
    dataset, architecture, regime = KEY.split("/")
    return SimpleNamespace(dataset=dataset, architecture=architecture, regime=regime, first=str(first), last=str(last))


def asked(rehearsals, wildcards):
    memory = rehearsals.memory(wildcards, SimpleNamespace(size_mb=100.0), attempt=2)
    return memory, rehearsals.minutes(240)(wildcards, attempt=2)


def test_runs_and_what_they_are_fine_tuned_from_are_rehearsed(rehearsals):
    assert rehearsals.names == [KEY, "digits/fcn", "digits/fcn/tl", "digits/resnet/aof"]
    assert rehearsals.models == [16, 1, 8, 8]
    start, run = (rehearsals.spec(SimpleNamespace(name=name)) for name in ("digits/fcn", "digits/fcn/tl"))
    assert "/specs/pretrained/digits/fcn." in start and "/specs/runs/digits/fcn/tl." in run
    assert not rehearsals.asked
    (public,) = rehearsals.data(SimpleNamespace(name="digits/fcn"))
    (data,) = rehearsals.data(SimpleNamespace(name=KEY))
    assert Path(public).parent == Path(data).parent and rehearsals.asked


def test_jobs_ask_for_what_was_rehearsed(rehearsals):
    assert asked(rehearsals, job()) == (2 * 4200, 2 * 240)
    found = written(rehearsals)
    assert asked(rehearsals, job()) == (2 * found.job_memory(), 2 * found.job_minutes(4))
    start = SimpleNamespace(dataset="digits", architecture="fcn")
    assert asked(rehearsals, start) == (2 * 4200, 2 * 240)


@pytest.mark.parametrize("changes", [{"spec": "baseline.0.json"}, {"device": "cuda"}, {"failed": "it fails"}])
def test_a_rehearsal_of_something_else_does_not_count(rehearsals, changes):
    written(rehearsals, **changes)
    assert rehearsals.found(KEY) is None and asked(rehearsals, job()) == (2 * 4200, 2 * 240)


def test_costs_are_as_rehearsed(rehearsals):
    written(rehearsals)
    row = costs(rehearsals.plan).set_index("run").loc[KEY]
    assert (row["source"], row["seconds"]) == ("rehearsed", 90.0)


def test_the_table_has_a_row_for_each_and_a_total(rehearsals, tmp_path, monkeypatch):
    written(rehearsals)
    files = [Path(rehearsals.folder, f"{name}.json") for name in (KEY, "digits/fcn/tl")]
    head, one, other, total = describe_rehearsals(files, [16, 8]).splitlines()
    assert head.split() == ["Run", "Seconds", "a", "model", "Memory", "GPU", "memory", "Hours", "Disk"]
    assert one.split() == [KEY, "90", "3", "GB", "–", "0.4", "16", "MB", "ok"]
    assert other.split()[0] == "digits/fcn/tl" and "not rehearsed" in other
    assert total.split() == ["total", "0.4", "16", "MB"]
    written(rehearsals, seconds=287.0)
    assert describe_rehearsals(files[:1], [1]).splitlines()[1].split()[1] == "287"
    monkeypatch.setattr("lira.cost.disk_usage", lambda _: SimpleNamespace(free=1e6))
    assert describe_rehearsals(files, [16, 8]).endswith("The disk has only 1 MB free.")
