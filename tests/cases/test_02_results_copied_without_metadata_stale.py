"""PyPSA/pypsa-eur#953, aidotse/LeakPro#415: results know their recipe, whatever Snakemake remembers of them."""

import json
import shutil

import h5py
import pytest
from project import OWN, Project, make_project

CHANGED = {"regimes": {"r": {"epochs": 3, "batch_size": 16, "dropout": 0.5}}}


@pytest.fixture(scope="module")
def original(request, tmp_path_factory):
    return make_project(request.config.rootpath, tmp_path_factory.mktemp("own"))


def assert_noticed(project, *triggers):
    planned, said = project.planned(*triggers)
    assert planned["train_shadows"] == 4 and planned["gather_shadows"] == 2
    assert "training.recipe.epochs was 2, is 3" in said
    assert project.planned(*triggers, files=["report"])[0]["train_shadows"] == 4


def test_copied_with_their_times_and_without_metadata(original, tmp_path):
    shutil.copytree(original.folder, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns(".snakemake"))
    copy = Project(original.root, tmp_path / "copy")
    assert copy.planned()[0] == {}
    copy.study(**CHANGED)
    assert_noticed(copy)
    copy.make()
    with h5py.File(copy.folder / OWN / "shadows.h5") as file:
        assert json.loads(file.attrs["recipe"])["epochs"] == 3


def test_with_times_as_the_only_trigger(original):
    original.study(**CHANGED)
    assert_noticed(original, "--rerun-triggers", "mtime")
