"""aidotse/LeakPro#415, snakemake/snakemake#3213: work is known by what the user's code holds, not by its name."""

import h5py
import numpy as np
import pytest
from project import ATTACK, NARROW, OWN, WARDS, make_project

SEED_1 = OWN.replace("seed0", "seed1")


@pytest.fixture(scope="module")
def project(request, tmp_path_factory):
    return make_project(request.config.rootpath, tmp_path_factory.mktemp("own"))


def made_from(project, run):
    with h5py.File(project.folder / run / "shadows.h5") as file:
        return {name: value for name, value in file.attrs.items() if name in ("data_sha256", "code")}


def test_an_edited_attack_is_scored_anew(project):
    before = project.files(OWN)["scores.h5"]["mine"]
    project.write("attack.py", ATTACK.replace("phi.mean", "-phi.mean"))
    project.make(files=[f"{OWN}/scores.h5"])
    np.testing.assert_array_equal(project.files(OWN)["scores.h5"]["mine"], -before)


def test_every_seed_is_of_the_edited_dataset_and_network(project):
    before = project.files(OWN)["shadows.h5"]["phi"]
    project.write("wards.py", WARDS.replace("default_rng(0)", "default_rng(7)"))
    project.write("narrow.py", NARROW.replace("16", "64"))
    planned, said = project.planned()
    assert planned["prepare_data"] == 1 and planned["train_shadows"] == 4
    assert "the code of wards:load has changed" in said and "the code of narrow:build has changed" in said
    project.study(seeds=[0, 1])
    project.make(files=[f"{OWN}/metrics.csv", f"{SEED_1}/metrics.csv"])
    assert not np.array_equal(before, project.files(OWN)["shadows.h5"]["phi"])
    assert made_from(project, OWN) == made_from(project, SEED_1) != {}


def test_a_shard_that_was_begun_with_another_network_has_none_of_its_models(project):
    """Two of four models are of ReLU when the network becomes one of Tanh, whose layers have the same shapes."""
    project.study(seeds=[2, 3])
    begun, whole = (OWN.replace("seed0", seed) for seed in ("seed2", "seed3"))
    project.make(files=[f"{begun}/shards/0-1.json"])
    project.write("narrow.py", NARROW.replace("ReLU", "Tanh"))
    project.study(seeds=[2, 3], shard_size=4)
    before = project.trained()
    project.make(files=[f"{begun}/shadows.h5", f"{whole}/shadows.h5"])
    assert project.trained() - before == 8
    assert made_from(project, begun) == made_from(project, whole)
