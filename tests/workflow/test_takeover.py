"""Finished models stay and are taken over: killed jobs, more models, imports, results that are looked at."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from project import FCN, NARROW, OWN, STUDY
from receipts import models_of, read_models

from lira.config import load_study
from lira.workflow import Plan

SLOW = NARROW.replace("    return", "    import time; time.sleep(3)\n    return")
RECEIPT = f"{OWN}/shards/0-1.json"
REGIME = STUDY["regimes"]["r"]


def kill_in_the_second_model(project):
    """Kills Snakemake and its job, which builds a network for three seconds for each of two models."""
    project.write("narrow.py", SLOW)
    shards = project.folder / OWN / "shards"
    before = set(shards.glob("*.h5"))
    process = project.start(RECEIPT)
    while not set(shards.glob("0-0.*.h5")) - before:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    project.snakemake("--unlock")


def test_a_killed_job_goes_on_with_its_log_and_its_time(project, found):
    kill_in_the_second_model(project)
    project.make(files=[RECEIPT])
    text = (project.folder / OWN / "shards" / "0-1.log").read_text()
    assert re.findall(r"models 0-1: (\d) to train", text)[-2:] == ["2", "1"]
    assert text == (project.folder / "results/own/logs/train_shadows/wards/narrow/r/seed0/0-1.log").read_text()
    runtime = project.folder / "results/own/runtime/train_shadows/wards/narrow/r/seed0/0-1.tsv"
    names, values = (line.split("\t") for line in runtime.read_text().splitlines())
    assert names[0] == "s" and float(values[0]) > 6  # both models, of which the last attempt trained one
    assert len(models_of(project.folder / RECEIPT)) == 1
    found("A killed job goes on", "and so do its log and its time", [0.0])


def test_a_network_that_is_edited_between_two_attempts_trains_all_models_of_the_shard(project, found):
    """Layers of the same shapes: nothing but the code tells the networks apart."""
    kill_in_the_second_model(project)
    project.write("narrow.py", NARROW.replace("ReLU", "Tanh"))
    project.make(files=[RECEIPT])
    text = (project.folder / OWN / "shards" / "0-1.log").read_text()
    assert re.findall(r"models 0-1: (\d) to train", text)[-2:] == ["2", "2"]
    mixed = read_models(project.folder / RECEIPT)
    for file in (project.folder / OWN / "shards").iterdir():
        file.unlink()
    project.make(files=[RECEIPT])
    for name, values in read_models(project.folder / RECEIPT).items():
        np.testing.assert_array_equal(values, mixed[name])
    found("The network is edited between two attempts of a job", "all models of the shard are of the new one", [0.0])


def copy_of(root, folder, *more):
    """A copy of the workflow, to be changed."""
    for name in ("rules", "envs", *more):
        shutil.copytree(root / name, folder / name)
    shutil.copy(root / "Snakefile", folder)
    return folder


NESTED = {"membership_draws": "nested"}


def test_more_models_leave_nested_ones_as_they_are(project, found):
    project.study(**NESTED)
    project.make()
    before, trained = project.files(OWN)["shadows.h5"], project.trained()
    project.study(**NESTED, shadow_models=8)
    planned, said = project.planned()
    assert "All shadow models are to be trained anew" not in said and planned["train_shadows"] == 8
    project.make()
    assert project.trained() == trained + 8  # four more of each of two runs
    after = project.files(OWN)["shadows.h5"]
    for name in ("phi", "member"):
        np.testing.assert_array_equal(after[name][:4], before[name])
    assert (after["member"][0::2] != after["member"][1::2]).all()
    project.study(**NESTED)
    project.make()
    assert project.trained() == trained + 8
    np.testing.assert_array_equal(project.files(OWN)["shadows.h5"]["phi"], before["phi"])
    found("More shadow models, nested draws", "those that are there stay, bit for bit", [0.0])


def test_more_models_with_published_draws_are_all_anew_and_the_plan_says_so_first(project, found):
    project.study(shadow_models=8)
    said = project.planned()[1]
    first = next(line for line in said.splitlines() if "shadow" in line)
    assert first.startswith("All shadow models are to be trained anew") and "membership_draws: nested" in first
    project.make()
    assert project.trained() == 8 + 16
    found("More shadow models, published draws", "all trained anew, which the plan says first", [0.0])


GIVEN = {"runs": {"elsewhere/net/given": {"scores": "given"}}}
IMPORTED = "results/own/runs/elsewhere/net/given/seed0"


@pytest.fixture
def imported(project):
    rng = np.random.default_rng(0)
    for model in range(4):
        folder = project.folder / "given" / f"model_{model}" / "scores"
        folder.mkdir(parents=True)
        np.save(folder / "scores.npy", rng.normal(size=(20, 1)))
    member = np.tile([[True], [False]], (2, 20)) ^ (np.arange(20) % 2 > 0)
    np.save(project.folder / "given" / "keep.npy", member)
    project.study(**GIVEN)
    project.make(files=[f"{IMPORTED}/metrics.csv"])
    return project


def test_an_unrelated_file_beside_imported_models_changes_nothing(imported, found):
    (imported.folder / "given" / "notes.txt").write_text("these models are mine\n")
    (imported.folder / "given" / "model_0" / "log").write_text("trained\n")
    assert imported.planned(files=[f"{IMPORTED}/metrics.csv"])[0] == {}
    found("An unrelated file beside imported models", "nothing to be done", [0.0])


@pytest.mark.parametrize("triggers", [(), ("--rerun-triggers", "mtime")], ids=["default", "mtime"])
@pytest.mark.parametrize("file", ["model_2/scores/scores.npy", "keep.npy"])
def test_imported_scores_that_are_overwritten_are_imported_anew(imported, file, triggers, found):
    before = imported.files(IMPORTED)["shadows.h5"]
    path = imported.folder / "given" / file
    np.save(path, np.load(path)[::-1].copy())
    assert imported.planned(*triggers, files=[f"{IMPORTED}/metrics.csv"])[0]["import_scores"] == 1
    imported.make(*triggers, files=[f"{IMPORTED}/metrics.csv"])
    after = imported.files(IMPORTED)["shadows.h5"]
    changed = "member" if file == "keep.npy" else "phi"
    assert not np.array_equal(before[changed], after[changed])
    found("An imported file is overwritten", "imported anew", [0.0])


@pytest.mark.parametrize(
    "options",
    [
        ("--set-resources", "train_shadows:mem_mb=9000", "train_shadows:runtime=99"),
        ("--retries", "3"),
        ("--config", "jobs_per_gpu=3"),
    ],
    ids=lambda words: words[-1],
)
def test_how_jobs_are_run_is_no_reason_to_run_them(project, options, found):
    assert project.planned(*options)[0] == {}
    found("Other memory, time, retries, jobs per GPU", "nothing to be done", [0.0])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Training {wildcards', '"Now training {wildcards'),
        ("exec lira train-shadows", "exec  lira train-shadows"),
        ("<logs>/train_shadows/", "<logs>/training/"),
        ("runtime=rehearsals.minutes(240)", "runtime=rehearsals.minutes(241)"),
    ],
    ids=["message", "command", "log", "time"],
)
def test_another_wording_of_a_rule_trains_nothing(project, tmp_path, old, new, found):
    other = copy_of(project.root, tmp_path / "other")
    rules = other / "rules" / "shadows.smk"
    assert old in rules.read_text()
    rules.write_text(rules.read_text().replace(old, new))
    project.root = other
    before, trained = project.files(OWN), project.trained()
    project.make()
    assert project.trained() == trained
    for file, arrays in project.files(OWN).items():
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, before[file][name])
    found("Another wording of a message, command, log place or time", "nothing trained", [0.0])


def test_raw_data_in_another_place_trains_nothing(project, found):
    rng = np.random.default_rng(0)
    y = np.arange(260) % 4
    np.savez(project.folder / "here.npz", x=rng.normal(size=(260, 12)) + y[:, None], y=y)
    wards = {"source": "file", "kind": "tabular", "test": 60}
    project.study(datasets={"wards": wards | {"path": "here.npz"}})
    project.make()
    before, trained = project.files(FCN), project.trained()
    (project.folder / "here.npz").rename(project.folder / "there.npz")
    project.study(datasets={"wards": wards | {"path": "there.npz"}})
    project.make()
    assert project.trained() == trained
    np.testing.assert_array_equal(project.files(FCN)["shadows.h5"]["phi"], before["shadows.h5"]["phi"])
    found("Raw data in another place", "prepared anew, nothing trained", [0.0])


def test_another_split_and_back_is_seen_whatever_snakemake_looks_at(project, found):
    """The data files of both lie side by side, and none becomes newer."""
    wards, before = STUDY["datasets"]["wards"], project.files(FCN)["shadows.h5"]["phi"]
    project.study(datasets={"wards": wards | {"test": 80}})
    project.make("--rerun-triggers", "mtime")
    assert project.files(FCN)["shadows.h5"]["phi"].shape[1] == 180 and project.trained() == 16
    project.study()
    assert project.planned("--rerun-triggers", "mtime")[0]["gather_shadows"] == 2
    project.make("--rerun-triggers", "mtime")
    assert project.trained() == 16
    np.testing.assert_array_equal(project.files(FCN)["shadows.h5"]["phi"], before)
    found("Another split and back, with --rerun-triggers mtime", "both seen, the first models are taken over", [0.0])


def test_a_removed_seed_is_no_longer_compared_whatever_snakemake_looks_at(project, found):
    target = "results/own/agreement/wards/fcn/r/agreement.csv"
    compared = {"agreement": {"wards/fcn/r": []}, "runs": {"wards/fcn/r": {}}}
    project.study(**compared, seeds=[0, 1, 2])
    project.make(files=[target])
    before = (project.folder / target).read_text()
    project.study(**compared, seeds=[0, 1])
    planned, said = project.planned("--rerun-triggers", "mtime", files=[target])
    assert planned["measure_agreement"] == 1 and "train_shadows" not in planned, said
    project.make("--rerun-triggers", "mtime", files=[target])
    assert (project.folder / target).read_text() != before
    found("A seed is removed, with --rerun-triggers mtime", "compared anew without it", [0.0])


def test_looking_at_a_study_leaves_it_as_it_is(project, found):
    def listed():
        return {path: path.stat().st_mtime_ns for path in (project.folder / "results").rglob("*") if path.is_file()}

    before = listed()
    project.study(regimes={"r": REGIME | {"epochs": 3}}, shadow_models=6)
    assert project.planned()[0]["train_shadows"] == 6
    assert listed() == before
    project.study()
    assert project.planned()[0] == {}
    assert listed() == before
    found("A changed study is only looked at (-n), and changed back", "nothing to be done", [0.0])


def test_tables_of_another_recipe_are_refused(project, found):
    """The recipe is changed, and only one of two runs made anew: the other is not shown as what the study now asks."""
    project.study(regimes={"r": REGIME | {"epochs": 3}})
    project.make(files=[f"{FCN}/shards/0-1.json"])
    for words in (
        ["tabulate", "utility", f"{OWN}/shadows.h5", "--output", "t.csv"],
        [
            "calibrate-thresholds",
            f"{FCN}/scores.h5",
            "--rates",
            project.spec("rates"),
            "--metrics=m.csv",
            "--samples=s",
        ],
    ):
        done = subprocess.run(["lira", *words], cwd=project.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "is of another recipe than" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not list(project.folder.glob("*.csv"))
    found("Results of another recipe are read by hand", "refused in one sentence", [0.0])


def test_a_new_setting_with_a_default_trains_nothing(project, tmp_path, monkeypatch, found):
    """As a later version of the suite may have one, of the same recipe version."""
    later = copy_of(project.root, tmp_path / "later", "lira")
    sections = later / "lira" / "config" / "sections.py"
    text = sections.read_text()
    sections.write_text(text.replace("    epochs: ", "    sharpness: int = 0\n    epochs: ", 1))
    assert sections.read_text() != text
    project.root = later
    monkeypatch.setenv("PYTHONPATH", str(later))
    assert "sharpness" in project.says("lira", "defaults")
    assert project.planned()[0] == {}
    before = project.files(OWN)
    project.make("--forcerun", "train_shadows")
    assert project.trained() == 8
    np.testing.assert_array_equal(project.files(OWN)["shadows.h5"]["phi"], before["shadows.h5"]["phi"])
    project.study(regimes={"r": REGIME | {"sharpness": 1}})
    assert project.planned()[0]["train_shadows"] == 4
    found("A later version with a new setting that has a default", "nothing to be done", [0.0])


def test_an_imported_file_that_is_replaced_by_an_older_one_is_imported_anew(imported, found):
    path = imported.folder / "given" / "model_1" / "scores" / "scores.npy"
    times = path.stat().st_mtime - 1000
    np.save(path, np.load(path)[::-1].copy())
    os.utime(path, (times, times))
    assert imported.planned(files=[f"{IMPORTED}/metrics.csv"])[0]["import_scores"] == 1
    found("An imported file is replaced by an older one", "imported anew", [0.0])


def test_a_dry_run_beside_a_run_takes_nothing_away(project, monkeypatch, found):
    """It was planned with the same settings before the run, and ends once the run has started."""
    monkeypatch.chdir(project.folder)
    settings = yaml.safe_load(Path("study.yaml").read_text())
    settings["regimes"]["r"]["epochs"] = 3
    monkeypatch.syspath_prepend(project.folder)
    plans = [Plan(load_study(settings), writes=True) for _ in ("looks", "runs")]
    for plan in plans:
        plan.ask()
    looks, runs = (plan.specs for plan in plans)
    looks._withdraw()
    runs.accept()
    spec = Path(project.spec("runs/wards/fcn/r"))
    assert json.loads(spec.read_text())["training"]["recipe"]["epochs"] == 3
    looks._withdraw()
    assert spec.is_file()
    found("A dry run beside a run", "takes nothing away", [0.0])
