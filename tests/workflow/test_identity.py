"""What must be made anew when something changes, and what must not: the real pipeline, files compared bit for bit."""

import shutil
import subprocess

import numpy as np
import pytest
from project import ATTACK, FCN, NARROW, OWN, WARDS


def same(one, two):
    return all(np.array_equal(one[file][name], two[file][name]) for file in one for name in one[file])


TRIGGERS = [(), ("--rerun-triggers", "mtime")]


@pytest.mark.parametrize("triggers", TRIGGERS, ids=["default", "mtime"])
def test_an_edited_network_retrains_its_runs_alone(project, triggers, found):
    own, before = project.files(OWN), project.files(FCN)
    project.write("narrow.py", NARROW.replace("16", "32"))
    planned, said = project.planned(*triggers)
    assert planned["train_shadows"] == 2 and planned["gather_shadows"] == 1 and "prepare_data" not in planned
    assert "the code of narrow:build has changed" in said
    project.make(*triggers)
    assert same(before, project.files(FCN))
    project.write("narrow.py", NARROW)
    project.make(*triggers)
    assert project.planned(*triggers)[0] == {} and same(own, project.files(OWN))
    found("The user's network is edited", "its runs alone are trained anew, the plan says why", [0.0])


@pytest.mark.parametrize("file", ["wards.py", "scaling.py"])
def test_an_edited_dataset_or_what_it_imports_makes_all_anew(project, file, found):
    before = project.files(FCN)
    text = {"wards.py": WARDS.replace("default_rng(0)", "default_rng(7)"), "scaling.py": "SCALE = 2\n"}[file]
    project.write(file, text)
    planned, said = project.planned()
    assert planned["prepare_data"] == 1 and planned["train_shadows"] == 4
    assert "the code of wards:load has changed" in said
    project.make()
    assert not np.array_equal(before["shadows.h5"]["phi"], project.files(FCN)["shadows.h5"]["phi"])
    found("The user's loader, or a module beside it, is edited", "all is made anew, the plan says why", [0.0])


def test_an_edit_of_a_dataset_that_changes_no_sample_trains_nothing(project, found):
    before = project.files(OWN), project.files(FCN)
    project.write("wards.py", WARDS + "# the same\n")
    project.make()
    assert project.trained() == 8
    assert same(before[0], project.files(OWN)) and same(before[1], project.files(FCN))
    found("The user's loader is edited, and gives the same samples", "prepared anew, nothing trained", [0.0])


def test_an_edited_attack_scores_anew_and_trains_nothing(project, found):
    project.write("attack.py", ATTACK.replace("phi.mean", "-phi.mean"))
    planned, said = project.planned()
    assert planned["score_attacks"] == 2 and "train_shadows" not in planned
    assert "the code of attack:scores has changed" in said
    before = project.files(OWN)["scores.h5"]
    project.make()
    after = project.files(OWN)["scores.h5"]
    np.testing.assert_array_equal(after["mine"], -before["mine"])
    np.testing.assert_array_equal(after["online"], before["online"])
    found("The user's attack is edited", "scored anew, nothing trained", [0.0])


def test_results_copied_without_metadata_are_made_anew_when_the_recipe_changes(project, found):
    shutil.rmtree(project.folder / ".snakemake")
    assert project.planned()[0] == {}
    project.study(regimes={"r": {"epochs": 3, "batch_size": 16}})
    planned, said = project.planned()
    assert planned["train_shadows"] == 4
    assert "training.recipe.epochs was 2, is 3" in said
    found("Results copied without .snakemake, another recipe", "made anew, the plan says what changed", [0.0])


def test_a_recipe_that_is_taken_back_is_seen_too(project, found):
    before = project.files(OWN)
    project.study(regimes={"r": {"epochs": 3, "batch_size": 16}})
    project.make("--rerun-triggers", "mtime")
    project.study()
    project.make("--rerun-triggers", "mtime")
    assert project.trained() == 16  # the models of the first recipe are still there
    assert same(before, project.files(OWN))
    found("Another recipe and back, with --rerun-triggers mtime", "both seen, the first models are taken over", [0.0])


@pytest.mark.parametrize(
    "change", [{"shard_size": 4}, {"shard_size": 1}, {"jobs_per_gpu": 2}], ids=lambda change: str(*change.items())
)
def test_what_only_schedules_trains_nothing(project, change, found):
    before = project.files(OWN)
    project.study(**change)
    project.make()
    assert project.trained() == 8 and same(before, project.files(OWN))
    if "shard_size" in change:
        receipts = list((project.folder / OWN / "shards").glob("*.json"))
        assert {f"{a}-{a + change['shard_size'] - 1}.json" for a in range(0, 4, change["shard_size"])} <= {
            receipt.name for receipt in receipts
        }
    found("Another shard size, jobs per GPU", "nothing trained", [0.0])


def test_a_forced_job_takes_finished_models_over(project, found):
    before = project.files(OWN)
    project.make("--forcerun", "train_shadows")
    assert project.trained() == 8
    assert same(before, project.files(OWN))
    for file in (project.folder / OWN / "shards").glob("*.h5"):
        file.unlink()
    project.make("--forcerun", "train_shadows")
    assert project.trained() == 12
    assert same(before, project.files(OWN))
    found("A training job is forced", "models taken over; trained once their files are removed", [0.0])


def test_a_shard_is_of_one_network(project, found):
    """A job that is planned with one network and starts with another refuses."""
    spec = next((project.folder / "results/own/specs/runs/wards/narrow").glob("*.json"))
    project.write("narrow.py", NARROW.replace("ReLU", "Tanh"))
    data = next((project.folder / "results/own/data").glob("*.h5"))
    words = [
        "lira",
        "train-shadows",
        spec,
        "--seed=0",
        "--data",
        data,
        "--first=0",
        "--last=1",
        "--output=again/0-1.json",
    ]
    done = subprocess.run(list(map(str, words)), cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "has changed since this job was planned" in done.stderr
    assert not (project.folder / "again").exists()
    found("The network is edited after a job was planned", "the job refuses", [0.0])
