"""A training job killed at any moment goes on where it was, and its models are the same bit for bit."""

import json
import random
import signal
import subprocess

import h5py
import numpy as np
import pytest

from lira.config import Dataset, load_study, read_yaml
from lira.datasets import prepare_data

RUN = {"study": "smoke", "dataset": "digits", "architecture": "fcn", "regime": "baseline", "seed": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.h5"
    prepare_data(Dataset(test=100, public=1497), None, 0, path)
    return path


@pytest.fixture(scope="module")
def settings(request):
    study = load_study(read_yaml(request.config.rootpath / "studies" / "smoke.yaml"))
    found = study.training_settings("digits/fcn/baseline")
    return found | {"recipe": found["recipe"] | {"epochs": 40, "patience": 40, "augment": ["crop"], "dropout": 0.1}}


def job(settings, data, output, first=0, last=7):
    arguments = {"settings": json.dumps(settings), "run": json.dumps(RUN), "data": data, "output": output}
    command = ["lira", "train-shadows", "--first", str(first), "--last", str(last)]
    return command + [str(word) for name, value in arguments.items() for word in (f"--{name}", value)]


def arrays(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
    return found


def test_a_shard_killed_again_and_again_equals_an_undisturbed_one(tmp_path, settings, data):
    rng = random.Random(4)
    undisturbed, killed = tmp_path / "a.h5", tmp_path / "b.h5"
    subprocess.run(job(settings, data, undisturbed), check=True, capture_output=True)
    kills = 0
    for seconds in (rng.uniform(3.0, 4.5) for _ in range(4)):
        process = subprocess.Popen(job(settings, data, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            assert not killed.exists()
    assert kills
    subprocess.run(job(settings, data, killed), check=True, capture_output=True)
    one, two = arrays(undisturbed), arrays(killed)
    assert one.keys() == two.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name], err_msg=name)
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", "b.h5"}


def test_work_kept_from_another_recipe_is_not_taken_up(tmp_path, settings, data):
    quick = settings | {"recipe": settings["recipe"] | {"epochs": 2}}
    other = settings | {"recipe": quick["recipe"] | {"learning_rate": 0.01}}
    output, fresh = tmp_path / "a.h5", tmp_path / "b.h5"
    subprocess.run(job(quick, data, output, last=3), check=True, capture_output=True)
    kept = tmp_path / "c.h5.parts"
    kept.mkdir()
    with h5py.File(output) as file, h5py.File(kept / "0.h5", "w") as part:
        for name in file:
            file.copy(name, part)
        part.attrs.update({"encoding-type": "cohort", "encoding-version": "1.0", "fingerprint": "of another recipe"})
    subprocess.run(job(other, data, tmp_path / "c.h5", last=3), check=True, capture_output=True)
    subprocess.run(job(other, data, fresh, last=3), check=True, capture_output=True)
    assert not np.array_equal(arrays(output)["phi"], arrays(fresh)["phi"])
    np.testing.assert_array_equal(arrays(tmp_path / "c.h5")["phi"], arrays(fresh)["phi"])
