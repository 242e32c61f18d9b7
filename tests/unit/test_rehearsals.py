"""What a study's rules, its cost and its table make of rehearsals."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lira.cli import app
from lira.config import load_study
from lira.core.errors import ConfigError
from lira.cost import Rehearsals, costs, describe_rehearsals, not_rehearsed
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
    found = [rehearsals.current(KEY), not_rehearsed("digits/fcn/tl")]
    head, one, other, total = describe_rehearsals(found, [16, 8]).splitlines()
    assert head.split() == ["Run", "Seconds", "a", "model", "Memory", "GPU", "memory", "Hours", "Disk"]
    assert one.split() == [KEY, "90", "3", "GB", "–", "0.4", "16", "MB", "ok"]
    assert other.split()[0] == "digits/fcn/tl" and "not rehearsed" in other
    assert total.split() == ["total", "0.4", "16", "MB"]
    written(rehearsals, seconds=287.0)
    assert describe_rehearsals([rehearsals.current(KEY)], [1]).splitlines()[1].split()[1] == "287"
    monkeypatch.setattr("lira.cost.disk_usage", lambda _: SimpleNamespace(free=1e6))
    assert describe_rehearsals(found, [16, 8]).endswith("The disk has only 1 MB free.")


def shown(*words):
    return CliRunner().invoke(app, ["show-rehearsals", *map(str, words)])


@pytest.mark.parametrize("other", ["study.yaml", "folder", "damaged.json"])
def test_what_no_rehearsal_wrote_is_refused_before_anything_is_forgotten(rehearsals, tmp_path, other):
    written(rehearsals, failed="it fails")
    fails, given = Path(rehearsals.folder, f"{KEY}.json"), tmp_path / other
    given.mkdir() if other == "folder" else given.write_text("{}" if other == "damaged.json" else "study: mine")
    done = shown(fails, given, "--models", 8, "--models", 8)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith(f"{given} is not what a rehearsal wrote: give ")
    assert given.exists() and fails.is_file() and not done.output


def test_what_fails_is_forgotten_and_what_is_missing_said(rehearsals):
    written(rehearsals, failed="it fails")
    fails, missing = (Path(rehearsals.folder, f"{name}.json") for name in (KEY, "digits/fcn/tl"))
    done = shown(fails, missing, "--models", 8, "--models", 8)
    assert str(done.exception) == "2 of 2 would fail: the table says why" and not fails.exists()
    assert "it fails" in done.output and "digits/fcn/tl" in done.output


def test_each_file_has_its_number_of_models(rehearsals):
    written(rehearsals)
    done = shown(Path(rehearsals.folder, f"{KEY}.json"), "--models", 8, "--models", 8)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == "--models is given 2 times for 1 files: give it once for each file"


@pytest.mark.parametrize("changes", [{"spec": "baseline.0.json"}, {"device": "cuda"}])
def test_what_was_not_made_again_is_not_ok(rehearse, rehearsals, changes):
    written(rehearsals, **changes)
    done, called = rehearse(rehearsals, status=1)
    assert str(done.exception) == "1 of 1 would fail: the table says why"
    assert "not rehearsed, as what it needs was not made" in done.output
    assert called["command"][:3] == [sys.executable, "-m", "snakemake"]
    assert called["env"]["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert Path(rehearsals.folder, f"{KEY}.json").exists()  # by which the jobs of these settings may go


def test_that_snakemake_failed_is_no_success(rehearse, rehearsals):
    written(rehearsals)
    done, _ = rehearse(rehearsals, status=0)
    assert done.exit_code == 0 and " ok\n" in done.output
    done, _ = rehearse(rehearsals, status=3)
    assert str(done.exception).startswith("snakemake ended with exit code 3: ") and " ok\n" in done.output


@pytest.fixture
def rehearse(tmp_path, monkeypatch):
    """Rehearses one run by a Snakemake that does nothing, and returns how that was called."""

    def run(rehearsals, status):
        called = {}

        def stand_in(command, **options):
            called.update(command=command, **options)
            return SimpleNamespace(returncode=status)

        rehearsals.names = [KEY]
        monkeypatch.setattr("lira.cost.Rehearsals", lambda plan: rehearsals)
        monkeypatch.setattr("lira.cli.studies._plan", lambda *_: rehearsals.plan)
        monkeypatch.setattr("lira.cli.studies.subprocess.run", stand_in)
        (tmp_path / "Snakefile").touch()
        monkeypatch.chdir(tmp_path)
        return CliRunner().invoke(app, ["rehearse", "study.yaml"]), called

    return run


def test_of_imported_scores_there_is_nothing_to_rehearse(tmp_path):
    study = load_study({"study": "s", "shadow_models": 8, "runs": {"d/a/r": {"scores": "scores.npz"}}})
    none = Rehearsals(Plan(study, results=tmp_path))
    with pytest.raises(ConfigError, match=r"^runs: all import scores, no run of this study is trained here: nothing"):
        none.files(None)
