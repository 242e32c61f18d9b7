import shutil

import h5py
import numpy as np
import pytest
from synthetic_study import run_folder
from table_files import rows_of

from lira.storage import hdf5


def test_utility(make, study):
    data, path = make("utility")
    with hdf5.read(run_folder(study, "resnet", "aof") / "shadows.h5", "shadows") as file:
        train, test = file["utility/train_loss"][:], file["utility/test_loss"][:]
        accuracy = file["utility/test_accuracy"][:]
    row = data.query("architecture == 'resnet' and regime == 'aof'").iloc[0]
    assert row["loss_ratio_mean"] == pytest.approx(np.mean(test / train))
    assert row["loss_ratio_std"] == pytest.approx(np.std(test / train, ddof=1))
    assert row["test_accuracy_mean"] == pytest.approx(100 * accuracy.mean())
    expected = f"{100 * accuracy.mean():.2f} ± {100 * accuracy.std(ddof=1):.2f}"
    assert ["Digits", "ResNet", "AOF"] in [cells[:3] for cells in rows_of(path) if expected in cells]


def test_the_accuracy_gap_and_the_best_epoch_are_those_of_each_model(make, study, tmp_path):
    folder = shutil.copytree(run_folder(study, "fcn", "aof"), tmp_path / "runs/digits/fcn/aof/seed0")
    _, path = make("utility", [folder])
    assert rows_of(path)[1][-1] == "–"
    with h5py.File(folder / "shadows.h5", "r+") as file:
        train, test = file["utility/train_accuracy"][:], file["utility/test_accuracy"][:]
        file["utility/best_epoch"] = np.where(np.arange(len(train)) == 0, 4.0, 10.0)
    data, path = make("utility", [folder])
    row, gaps = data.iloc[0], 100 * (train - test)
    assert (row["accuracy_gap_mean"], row["accuracy_gap_std"]) == pytest.approx((gaps.mean(), gaps.std(ddof=1)))
    assert row["best_epoch_mean"] == pytest.approx(10 - 6 / len(train)) and row["best_epoch_median"] == 10
    shown = dict(zip(*rows_of(path), strict=True))
    assert shown["Accuracy gap (points)"] == f"{gaps.mean():.2f} ± {gaps.std(ddof=1):.2f}"
    assert shown["Best epoch"].startswith(f"{row['best_epoch_mean']:.1f} ± ")


def test_seeds_are_shown_where_a_run_has_several(make, study):
    _, path = make("utility", [run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2)])
    shown = rows_of(path)
    assert [cells[shown[0].index("Seed")] for cells in shown[1:]] == ["0", "1", "2"]
    _, path = make("utility")
    assert "Seed" not in rows_of(path)[0]
