"""Memory of the steps against the bounds of docs/limits.md."""

import tracemalloc

import memory
import numpy as np
import pytest
from matplotlib.figure import Figure

from lira.evaluation.calibration import calibrate_file
from lira.evaluation.summary import summarise_file
from lira.report.figures._pictures import Pictures
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5

M, N, DRAWS = 32, 4000, 10
ATTACKS = ("online", "online_fixed", "offline", "offline_fixed", "global", "own", "another")


@pytest.mark.campaign
@pytest.mark.parametrize("size", [(32, 4000, 18), (128, 16_000, 18)])
def test_no_step_takes_more_than_its_bound(tmp_path, monkeypatch, size):
    monkeypatch.chdir(tmp_path)
    memory.make(tmp_path, *size)
    for name in memory.STEPS:
        used, bound = memory.measured(name, tmp_path, *size)
        assert used < bound, (name, used, bound)


def peak(call):
    """Largest sum of bytes that a call holds."""
    call()  # imports
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_scores_of_one_attack_are_held_at_a_time(tmp_path):
    """Seven attacks, of which each takes 8·M·N: all at once would be more than the bound."""
    run = {"dataset": "d", "architecture": "a", "regime": "r", "seed": 0}
    rng = np.random.default_rng(0)
    with hdf5.create(tmp_path / "scores.h5", "scores", run) as file:
        file["member"] = balanced_membership(N, M, 0.5, 0)
        for attack in ATTACKS:
            hdf5.dataset(file, attack, data=rng.normal(size=(M, N)), chunks=(M, 256))
    results = tmp_path / "metrics.csv", tmp_path / "samples.csv"
    assert peak(lambda: calibrate_file(tmp_path / "scores.h5", [0.01], [0.1], *results)) < 4.5 * 8 * M * N
    names = [tmp_path / name for name in ("scores.h5", "metrics.csv", "summary.csv")]
    assert peak(lambda: summarise_file(*names, draws=DRAWS)) < 4.5 * 8 * M * N


def test_figures_read_the_pictures_they_show(tmp_path):
    with hdf5.create(tmp_path / "data.h5", "data", {"scale": 255.0}) as file:
        hdf5.dataset(file, "pool/x", data=np.zeros((20_000, 3, 16, 16), np.uint8), chunks=(64, 3, 16, 16))
        file["pool/y"] = np.zeros(20_000, np.int64)
    axes = Figure().subplots()
    assert peak(lambda: Pictures(tmp_path / "data.h5").draw(axes, 7)) < 1e6
