import numpy as np
import pytest
from worlds import gaussian_tpr, gaussian_world

from lira.evaluation.calibration import calibrate
from lira.evaluation.controls import coin, control_file, oracle, permuted_membership
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, read_csv
from lira.storage.run import RUN_KEYS


def test_oracle_is_at_one_end_and_coin_in_the_middle():
    member = balanced_membership(4000, 8, 0.5, 0)
    rates = calibrate({"oracle": oracle(member), "coin": coin(member, 1)}, member, [1e-5, 0.01, 0.2], [0.1])
    perfect = rates[rates["attack"] == "oracle"]
    assert (perfect[["tpr", "ppv", "auc"]] == 1).all(axis=None)
    assert (perfect["fpr_achieved"] == 0).all()
    chance = rates[(rates["attack"] == "coin") & (rates["fpr"] == 0.2)]
    assert chance["auc"].mean() == pytest.approx(0.5, abs=0.01)
    assert chance["tpr"].mean() == pytest.approx(0.2, abs=0.01)
    assert chance["ppv"].mean() == pytest.approx(0.1, abs=0.01)


def test_permuted_membership_keeps_every_sample_as_often():
    member = balanced_membership(200, 8, 0.25, 0)
    moved = permuted_membership(member, 1)
    assert (moved.sum(axis=0) == member.sum(axis=0)).all()
    assert (moved != member).any()
    np.testing.assert_array_equal(moved, permuted_membership(member, 1))


def test_gaussian_world():
    phi, member = gaussian_world(10, 500, 2.0, seed=0, views=3)
    assert phi.shape == (10, 500, 3)
    assert (member.sum(axis=0) == 5).all()
    assert phi[member].mean() - phi[~member].mean() == pytest.approx(2, abs=0.05)
    assert gaussian_tpr(0.5, 0.0) == pytest.approx(0.5)
    assert gaussian_tpr(0.01, 1.0, views=4) == pytest.approx(gaussian_tpr(0.01, 2.0))


def test_file(tmp_path):
    phi, member = gaussian_world(8, 400, 3.0)
    run = {"study": "test", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 3}
    with hdf5.create(tmp_path / "shadows.h5", "shadows", run) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    control_file(
        tmp_path / "shadows.h5",
        [0.01],
        [0.5],
        tmp_path / "controls.csv",
        tmp_path / "null_samples.csv",
        tmp_path / "null_gaps.csv",
    )
    written = {"controls.csv", "null_gaps.csv", "null_samples.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {"shadows.h5", *written, *(f"{n}.sha256" for n in written)}
    gaps = read_csv(tmp_path / "null_gaps.csv")
    assert list(gaps) == [*RUN_KEYS, *COLUMNS["null_gaps"]] and len(gaps) == 400
    assert abs(gaps["mean"].mean()) < 3 * gaps["mean"].sem()
    controls, samples = (
        read_csv(tmp_path / "controls.csv"),
        read_csv(tmp_path / "null_samples.csv"),
    )
    means = controls.groupby("attack")["auc"].mean()
    assert list(controls["attack"].unique()) == [
        "online", "online_fixed", "offline", "offline_fixed", "global", "coin", "oracle",
    ]  # fmt: skip
    assert means["oracle"] == 1
    assert (means.drop("oracle") - 0.5).abs().max() < 0.05
    assert len(samples) == 400
