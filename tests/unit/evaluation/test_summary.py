import numpy as np
import pandas as pd
import pytest
from worlds import gaussian_world

from lira.attacks.lira import score_file
from lira.evaluation.bootstrap import Draws, resample_auc, two_way_variance
from lira.evaluation.calibration import calibrate, calibrate_file, positive_predictive_value
from lira.evaluation.controls import control_file
from lira.evaluation.robust import trimmed_mean
from lira.evaluation.roc import summarise_roc
from lira.evaluation.summary import KEYS, summarise, summarise_file
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, read_csv
from lira.storage.run import RUN_KEYS

FPRS, PRIORS = (0.01, 0.1), (0.01, 0.5)
RUN = {"study": "test", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 3}


def world(models=12, samples=300):
    phi, member = gaussian_world(models, samples, 1.5, seed=1)
    return {"online": phi[..., 0], "global": phi[..., 0]}, member


def at(frame, **keys):
    for name, value in keys.items():
        frame = frame[frame[name].isna() if value is None else frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_rows():
    scores, member = world()
    rates = calibrate(scores, member, FPRS, PRIORS)
    found = summarise(scores, member, rates, draws=50)
    assert list(found) == [*COLUMNS["summary"], "chosen"]
    assert not found.duplicated(KEYS).any()
    assert len(found) == 3 * 2 * (2 + 2 * 2) + 2 * 2 + 1  # the last: the best attack by AUC
    rows = rates.query("attack == 'online' and mode == 'shadow' and fpr == 0.1 and prior == 0.5")
    tpr = at(found, attack="online", mode="shadow", fpr=0.1, metric="tpr")
    assert tpr["mean"] == pytest.approx(rows["tpr"].mean())
    assert tpr["std"] == pytest.approx(rows["tpr"].std())
    assert tpr["median"] == pytest.approx(rows["tpr"].median())
    assert tpr["trimmed_mean"] == pytest.approx(trimmed_mean(rows["tpr"].to_numpy()))
    assert tpr["low"] < tpr["mean"] < tpr["high"]
    assert (tpr["high"] - tpr["low"]) / tpr["standard_error"] == pytest.approx(2 * 1.96, rel=0.25)
    assert tpr["resolution"] == ""
    assert tpr["expected_fp"] == pytest.approx(0.1 * (rows["fp"] + rows["tn"]).mean())
    ppv = at(found, attack="online", mode="shadow", fpr=0.1, prior=0.5, metric="ppv")
    assert ppv["mean"] == pytest.approx(rows["ppv"].mean())
    pooled = at(found, attack="online", mode="shadow", fpr=0.1, prior=0.5, metric="ppv_pooled")
    total = rows[["tp", "fp", "tn", "fn"]].sum()
    expected = positive_predictive_value(
        total["tp"] / (total["tp"] + total["fn"]), total["fp"] / (total["fp"] + total["tn"]), 0.5
    )
    assert pooled["mean"] == pytest.approx(expected)
    assert pooled["low"] < pooled["mean"] < pooled["high"]
    auc = at(found, attack="global", mode="target", fpr=None, metric="auc")
    assert auc["low"] < auc["mean"] < auc["high"]
    assert auc["mean"] == pytest.approx(rates.query("attack == 'global'").drop_duplicates("target")["auc"].mean())


def test_same_seed_same_numbers():
    scores, member = world()
    rates = calibrate(scores, member, FPRS, PRIORS)
    one, two, other = (summarise(scores, member, rates, draws=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert (one["low"] != other["low"]).any()


def test_a_broken_target_is_named():
    """One target that flags 30 % of all samples carries the mean FPR alone, and the row says which one."""
    scores, member = world(models=32, samples=2000)
    scores["online"][7] += 2.0
    rates = calibrate(scores, member, [0.01], PRIORS)
    found = summarise(scores, member, rates, draws=20)
    fpr = at(found, attack="online", mode="shadow", metric="fpr_achieved")
    assert fpr["influential"] == "7"
    assert fpr["influence_target"] == 7
    assert fpr["mean"] > 1.5 * fpr["median"]
    assert abs(fpr["trimmed_mean"] - fpr["median"]) < abs(fpr["mean"] - fpr["median"]) / 3
    pooled = at(found, attack="online", mode="shadow", prior=0.01, metric="ppv_pooled")
    assert pooled["influence_target"] == 7
    assert at(found, attack="global", mode="target", fpr=0.01, metric="tpr")["influential"] == ""


def test_undefined_ppv_is_counted():
    scores, member = world()
    scores["online"][0, :] = np.where(member[0], 0.0, 1.0)
    rates = calibrate({"online": scores["online"]}, member, [0.001], PRIORS)
    found = summarise({"online": scores["online"]}, member, rates, draws=20)
    row = at(found, mode="target", prior=0.5, metric="ppv")
    ppv = rates.query("mode == 'target' and prior == 0.5")["ppv"]
    assert row["undefined"] == ppv.isna().sum() >= 1
    assert row["targets"] == ppv.notna().sum()
    assert row["mean"] == pytest.approx(ppv.mean())


def test_file_with_null_line(tmp_path):
    phi, member = gaussian_world(8, 200, 2.0, views=2)
    with hdf5.create(tmp_path / "shadows.h5", "shadows", RUN) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(tmp_path / "shadows.h5", tmp_path / "scores.h5")
    calibrate_file(tmp_path / "scores.h5", FPRS, PRIORS, tmp_path / "metrics.csv", tmp_path / "samples.csv")
    control_file(
        tmp_path / "shadows.h5",
        FPRS,
        PRIORS,
        tmp_path / "controls.csv",
        tmp_path / "null_samples.csv",
        tmp_path / "null_gaps.csv",
    )
    arguments = [tmp_path / name for name in ("scores.h5", "metrics.csv", "summary.csv")]
    summarise_file(*arguments, draws=30)
    plain = read_csv(tmp_path / "summary.csv")
    assert list(plain) == [*RUN_KEYS, *COLUMNS["summary"], "chosen"]
    summarise_file(*arguments, tmp_path / "controls.csv", draws=30)
    found = read_csv(tmp_path / "summary.csv")
    assert list(found) == list(plain) and len(found) == len(plain)
    assert plain["null"].isna().all() and found["null"].notna().any()
    controls = read_csv(tmp_path / "controls.csv")
    rows = controls.query("attack == 'online' and mode == 'shadow' and fpr == 0.1 and prior == 0.5")
    assert at(found, attack="online", mode="shadow", fpr=0.1, metric="tpr")["null"] == pytest.approx(rows["tpr"].mean())
    assert at(found, attack="online", mode="target", fpr=None, metric="auc")["null"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("generator", ["nested", "default_rng"])
def test_the_error_is_over_pairs_of_targets_that_hold_complementary_halves(generator):
    rng, member = np.random.default_rng(6), balanced_membership(200, 8, 0.5, 6, generator=generator)
    scores = rng.normal(size=member.shape) + rng.normal(size=200) + rng.normal(size=(8, 1)) * member
    rows = summarise({"online": scores}, member, calibrate({"online": scores}, member, [0.1], [0.5]), draws=100)
    found = rows.query("metric == 'auc'")["standard_error"].item()
    drawn = Draws.of(200, 8, 100)
    auc = np.array([summarise_roc(*of)[0] for of in zip(scores, member, strict=True)])
    again = resample_auc(scores, member, drawn)
    in_pairs, one_by_one = drawn._replace(in_pairs=True).variance(auc, again), two_way_variance(auc, again)
    assert found == np.sqrt(in_pairs if generator == "nested" else one_by_one)
    assert in_pairs != one_by_one
