"""What is left of a study: what `lira cost` and `lira status` say, the dry run of Snakemake, and what is trained."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import chdir

import pytest
from project import FCN, NARROW, OWN, WARDS, Project
from workspace import Workspace

from lira.config import load_study
from lira.remaining import Remaining
from lira.workflow import Plan

SHARED = ("download_data", "prepare_data", "pretrain_model")
OF_RUNS = (
    "train_shadows",
    "gather_shadows",
    "import_scores",
    "score_attacks",
    "calibrate_thresholds",
    "run_controls",
    "summarise_rates",
    "measure_groups",
    "measure_overlap",
    "calibrate_records",
    "bound_privacy",
)


def remaining(folder, study="study.yaml"):
    with chdir(folder):
        left = Remaining(Plan(load_study(study)))
        return left, sum(map(left.to_train, left.left))


def outputs(left):
    return [file for job in left.jobs if job.rule in OF_RUNS[1:] for file in job.outputs]


def steps(jobs):
    return {rule: number for rule, number in jobs.items() if rule in (*SHARED, *OF_RUNS)}


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The study with every file of its runs."""
    folder = tmp_path_factory.mktemp("whole") / "own"
    shutil.copytree(made.folder, folder, symlinks=True)
    project = Project(made.root, folder)
    project.make(files=outputs(remaining(project.folder)[0]))
    return project


@pytest.fixture
def project(whole, tmp_path):
    shutil.copytree(whole.folder, tmp_path / "copy", symlinks=True)
    return Project(whole.root, tmp_path / "copy")


def nothing(project):
    pass


def more_epochs(project):
    project.study(regimes={"r": {"epochs": 3, "batch_size": 16}})


def epochs_taken_back(project):
    more_epochs(project)
    project.make("--until", "train_shadows")
    project.study()


def more_models(project):
    project.study(shadow_models=8)


def edited_network(project):
    project.write("narrow.py", NARROW.replace("16", "32"))


def edited_dataset(project):
    project.write("wards.py", WARDS.replace("default_rng(0)", "default_rng(7)"))


def other_shards(project):
    project.study(shard_size=4)


def another_seed(project):
    project.study(seeds=[0, 1])


def a_run_less(project):
    project.study(runs={"wards/fcn/r": {}})


def other_fprs(project):
    project.study(fprs=[0.1, 0.2])


def another_delta(project):
    project.study(delta=1e-3)


def no_shadows(project):
    (project.folder / OWN / "shadows.h5").unlink()


def no_receipt(project):
    (project.folder / OWN / "shards/2-3.json").unlink()


def no_models(project):
    next((project.folder / OWN / "shards").glob("2-3.*.h5")).unlink()


def no_models_and_a_reason_to_look(project):
    no_models(project)
    no_receipt(project)
    no_shadows(project)


CHANGES = {
    nothing: (0, 0),
    more_epochs: (8, 22),
    epochs_taken_back: (0, 22),
    more_models: (16, 26),
    edited_network: (4, 11),
    edited_dataset: (8, 22),
    other_shards: (0, 20),
    another_seed: (8, 14),
    a_run_less: (0, 0),
    other_fprs: (0, 14),
    another_delta: (0, 2),
    no_shadows: (0, 9),
    no_receipt: (0, 0),
    no_models: (0, 0),
    no_models_and_a_reason_to_look: (2, 10),
}
"""What changes, the models to train, and the jobs of runs that are left."""

TRAINED = (edited_network, epochs_taken_back, no_models_and_a_reason_to_look)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_left_is_what_the_dry_run_says_and_what_is_trained(project, change):
    change(project)
    left, to_train = remaining(project.folder)
    jobs = Counter(job.rule for job in left.left)
    assert jobs == steps(project.planned(files=outputs(left))[0])
    assert (to_train, sum(jobs[rule] for rule in OF_RUNS)) == CHANGES[change]
    if change in TRAINED:
        assert trained(project, outputs(left)) == to_train
        assert not remaining(project.folder)[0].left


def test_another_delta_is_seen_whatever_snakemake_looks_at_or_has_forgotten(project):
    files = outputs(remaining(project.folder)[0])
    another_delta(project)
    assert steps(project.planned("--rerun-triggers", "mtime", files=files)[0]) == {"bound_privacy": 2}
    shutil.rmtree(project.folder / ".snakemake")
    planned, said = project.planned(files=files)
    assert steps(planned) == {"bound_privacy": 2} and "privacy: delta was 1e-05, is 0.001" in said


def trained(project, files):
    """Number of models that a run of the study trains."""
    before = project.trained()
    project.make(files=files)
    return project.trained() - before


def test_nested_draws_keep_the_models_that_are_there(project):
    project.study(membership_draws="nested")
    files = outputs(remaining(project.folder)[0])
    project.make(files=files)
    project.study(membership_draws="nested", shadow_models=8)
    left, to_train = remaining(project.folder)
    assert Counter(job.rule for job in left.left) == steps(project.planned(files=files)[0])
    assert to_train == 8
    assert trained(project, files) == 8


def test_with_every_table_there_only_what_is_stale_counts(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "smoke", symlinks=True)
    copy = Workspace(finished.root, tmp_path / "smoke")

    def left():
        return Counter(job.rule for job in remaining(copy.folder, copy.study)[0].left)

    def planned():
        lines = [line.split() for line in copy.run("-n").partition("Job stats:")[2].splitlines()]
        return steps({line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()})

    assert left() == planned() == {}
    run = copy.path("runs", "digits", "fcn", "baseline", "seed0")
    (run / "shadows.h5").unlink()
    (run / "summary.csv").unlink()
    assert left() == planned() == {}
    copy.path("paper", "tables", "utility.html").unlink()
    assert left() == planned() != {}
    copy.change(fprs=[0.01, 0.2])
    assert left() == planned()


def status(project):
    done = subprocess.run(
        ["lira", "status", "study.yaml"], cwd=project.folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_status_says_of_each_run_what_is_done_stale_running_and_left(project):
    there = sorted(project.folder.rglob("*"))
    assert re.search(r"^wards/narrow/r +4 of 4 +0 +0 +done$", status(project), re.MULTILINE)
    assert re.search(r"^total +8 of 8 +0 +0$", status(project), re.MULTILINE)
    project.write("narrow.py", NARROW.replace("16", "32"))
    said = status(project)
    assert re.search(
        r"^wards/narrow/r +0 of 4 +11 +\S+ +stale: the code of narrow:build has changed$", said, re.MULTILINE
    )
    assert re.search(r"^wards/fcn/r +4 of 4 +0 +0 +done$", said, re.MULTILINE)
    more_epochs(project)
    assert "stale: training.recipe.epochs was 2, is 3" in status(project)
    assert sorted(project.folder.rglob("*")) == there


def test_status_says_what_is_running_and_what_a_killed_job_has_finished(project):
    project.study(regimes={"r": {"epochs": 2000, "patience": 2000, "batch_size": 16}})
    shards = project.folder / FCN / "shards"
    words = ["snakemake", f"{FCN}/shards/0-1.json", "--cores", "1", "--snakefile", project.root / "Snakefile"]
    words = list(map(str, [*words, "--configfile", "study.yaml"]))
    with subprocess.Popen(words, cwd=project.folder) as job:
        try:
            while not list(shards.glob("0-0.*.h5")):
                assert job.poll() is None
                time.sleep(0.1)
            running = status(project)
        finally:
            for receipt in shards.glob(".0-1.json.*"):
                os.kill(int(receipt.stem.rpartition("-")[2]), signal.SIGKILL)
            job.wait()
    assert re.search(r"^wards/fcn/r +1 of 4 +11 +1 +\S+ +stale: its settings or code", running, re.MULTILINE)
    assert "whose process lives on this node" in running
    assert list(shards.glob(".0-1.json.*"))
    assert re.search(r"^wards/fcn/r +1 of 4 +11 +\S+ +stale", status(project), re.MULTILINE)


def test_status_takes_hours_from_jobs_at_work_and_has_none_before(project):
    shutil.rmtree(project.folder / "results")
    shards = project.folder / FCN / "shards"
    shards.mkdir(parents=True)
    receipt = shards / f".0-1.json.{platform.node()}-{os.getpid()}.json"
    receipt.touch()
    assert re.search(r"^wards/fcn/r +0 of 4 +11 +1 +\? +running$", status(project), re.MULTILINE)
    receipt.write_text(json.dumps({"said": "epoch 1 of 2", "done": 0.25, "left": 5400, "model": 3600, "begun": 0.5}))
    assert re.search(r"^wards/fcn/r +0 of 4 +11 +1 +3\.5 +running$", status(project), re.MULTILINE)


def test_status_of_a_study_that_was_not_started(project):
    shutil.rmtree(project.folder / "results")
    said = status(project)
    assert re.search(r"^wards/narrow/r +0 of 4 +11 +\? +not started$", said, re.MULTILINE)
    assert "1 more jobs prepare data" in said and "lira cost counts the network" in said
    assert not (project.folder / "results").exists()
