"""`lira rehearse`: every run goes through everything once, and one table says what fails or what it takes."""

import json
import os
import subprocess
import sys

import pytest
import yaml

NETWORKS = """
from torch import nn


class Picky(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(64, classes)

    def forward(self, x):
        if not self.training and len(x) == 100:
            raise RuntimeError("a hundred at once")
        return self.layer(x.flatten(1))


def picky(shape, classes, dropout):
    return Picky(classes)


def plain(shape, classes, dropout):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, classes))
"""
STUDY = {
    "study": "own",
    "shadow_models": 8,
    "seeds": [0, 1],
    "fprs": [0.1],
    "priors": [0.5],
    "datasets": {"digits": {"source": "digits", "test": 100, "public": 1497}},
    "architectures": {
        "picky": {"family": "networks:picky"},
        "plain": {"family": "networks:plain"},
        "fcn": {"family": "fcn", "hidden": [16], "activation": "relu", "flatten": True},
    },
    "regimes": {"r": {"epochs": 2, "batch_size": 16}, "tl": {"epochs": 2, "batch_size": 16, "start": "public"}},
    "pretraining": {"epochs": 2, "batch_size": 64},
    "runs": {
        "digits/picky/r": {},
        "digits/plain/r": {"batch_size": 199},
        "digits/plain/tl": {},
        "digits/fcn/r": {"cohort": 4, "seeds": [3]},
    },
}


@pytest.fixture
def rehearsed(request, tmp_path):
    """A folder with the study, and what rehearses it there."""
    for name in ("Snakefile", "rules"):
        (tmp_path / name).symlink_to(request.config.rootpath / name)
    (tmp_path / "networks.py").write_text(NETWORKS)

    def rehearse(**changes):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY | changes))
        command = ["lira", "rehearse", "study.yaml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
        table = done.stdout[done.stdout.index("Run  ") :].splitlines()
        return done, {line.split()[0]: line for line in table}

    rehearse.folder = tmp_path
    return rehearse


def test_what_fails_is_said_of_every_run_and_the_rest_is_measured(rehearsed):
    done, rows = rehearsed()
    assert done.returncode == 1 and done.stderr.endswith("error: 2 of 5 would fail: the table says why\n")
    assert rows["digits/picky/r"].endswith(
        "runs.digits/picky/r: networks:picky cannot take samples of shape (1, 8, 8), 100 at a time in evaluation mode "
        "(RuntimeError('a hundred at once')): it must take them, and nothing else, as float32 in batches of any size, "
        "in both modes"
    )
    assert "runs.digits/plain/r: batch_size is 199: allowed are at most the " in rows["digits/plain/r"]
    for name in ("digits/plain", "digits/plain/tl", "digits/fcn/r"):
        assert rows[name].endswith("ok")
    there = sorted(str(file.relative_to(rehearsed.folder)) for file in rehearsed.folder.rglob("rehearsals/**/*.json"))
    at = "results/own/rehearsals/digits"
    assert there == [f"{at}/fcn/r.json", f"{at}/plain.json", f"{at}/plain/tl.json"]  # what failed is repeated

    found = json.loads((rehearsed.folder / at / "fcn" / "r.json").read_text())
    assert 0 < found["seconds"] < 60 and 100 < found["memory"] < 4000 and found["gpu_memory"] == 0
    assert found["disk"] == 200 * (2 * 5 + 41)


def test_what_was_rehearsed_is_the_cost_until_the_code_changes(rehearsed):
    runs = {"digits/plain/r": {}}
    done, rows = rehearsed(runs=runs)
    assert done.returncode == 0 and rows["digits/plain/r"].endswith("ok")

    def source():
        command = ["lira", "cost", "study.yaml"]
        said = subprocess.run(command, cwd=rehearsed.folder, capture_output=True, text=True, check=True).stdout
        return said.splitlines()[1].split()[6]

    assert source() == "rehearsed"
    (rehearsed.folder / "networks.py").write_text(NETWORKS.replace("16", "17"))
    assert source() != "rehearsed"
    done, _ = rehearsed(runs=runs)
    assert "rehearse_models        1" in done.stderr and source() == "rehearsed"


def test_a_run_whose_data_cannot_be_made_has_a_row_too(rehearsed):
    broken = {"broken": {"source": "networks:nothing", "kind": "tabular"}}
    (rehearsed.folder / "networks.py").write_text(NETWORKS + "\n\ndef nothing():\n    raise RuntimeError('no data')\n")
    runs = {"digits/fcn/r": {}, "broken/plain/r": {}}
    done, rows = rehearsed(datasets=STUDY["datasets"] | broken, runs=runs)
    assert done.returncode == 1 and "networks:nothing failed: RuntimeError('no data')" in done.stderr
    assert rows["broken/plain/r"].endswith("not rehearsed, as what it needs was not made: the errors above say why")
    assert rows["digits/fcn/r"].endswith("ok")


def test_a_study_of_imported_scores_is_not_begun(rehearsed):
    scores = rehearsed.folder / "scores.npz"
    scores.touch()
    study = {"study": "own", "shadow_models": 8, "runs": {"d/a/r": {"scores": str(scores)}}}
    (rehearsed.folder / "study.yaml").write_text(yaml.safe_dump(study))
    said = "runs: all import scores, no run of this study is trained here: nothing to rehearse"
    rule = [sys.executable, "-m", "snakemake", "rehearse", "--configfile", "study.yaml", "--cores", "1"]
    for command in (["lira", "rehearse", "study.yaml"], rule):
        done = subprocess.run(command, cwd=rehearsed.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and said in done.stderr
        assert "rule all" not in done.stderr and not [*rehearsed.folder.rglob("*.h5")]


def test_a_folder_of_programs_that_is_not_on_the_path_is_found(rehearsed):
    (rehearsed.folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"runs": {"digits/fcn/r": {}}}))
    command = [sys.executable, "-c", "from lira.cli import main; main()", "rehearse", "study.yaml"]
    elsewhere = os.environ | {"PATH": os.defpath}
    done = subprocess.run(command, cwd=rehearsed.folder, capture_output=True, text=True, check=False, env=elsewhere)
    assert done.returncode == 0 and " ok\n" in done.stdout, done.stderr
