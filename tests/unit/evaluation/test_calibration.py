import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import rates as plain

from lira.attacks.lira import ATTACKS
from lira.core.errors import ConfigError, DataError, StoreError
from lira.evaluation.calibration import (
    calibrate,
    calibrate_file,
    confusion,
    positive_predictive_value,
    resolution,
    shadow_thresholds,
    with_intervals,
)
from lira.evaluation.roc import threshold_at_fpr
from lira.storage import hdf5
from lira.storage.csv_files import RATES, read_csv

FPRS, PRIORS = (0.01, 0.1), (0.01, 0.5)


def world(models=6, samples=80, seed=0):
    rng = np.random.default_rng(seed)
    member = rng.random((models, samples)) < 0.5
    return {"online": rng.normal(size=(models, samples)) + member, "global": rng.normal(size=(models, samples))}, member


def test_rows():
    scores, member = world()
    rates = calibrate(scores, member, FPRS, PRIORS)
    assert list(rates) == RATES
    assert len(rates) == 3 * len(FPRS) * 6 * len(PRIORS)
    assert rates[["attack", "mode"]].drop_duplicates().to_numpy().tolist() == [
        ["online", "target"],
        ["online", "shadow"],
        ["global", "target"],
    ]
    for row in rates.itertuples():
        values, held = scores[row.attack][row.target], member[row.target]
        above = values >= row.threshold
        assert (row.tp, row.fp) == ((above & held).sum(), (above & ~held).sum())
        assert (row.tn, row.fn) == ((~above & ~held).sum(), (~above & held).sum())
        assert row.tpr == row.tp / held.sum()
        assert row.fpr_achieved == row.fp / (~held).sum()
        if row.mode == "target":
            assert row.threshold == threshold_at_fpr(values, held, row.fpr).threshold


def test_float32_scores_are_those_numbers():
    scores, member = world()
    narrow = {attack: values.astype(np.float32) for attack, values in scores.items()}
    wide = {attack: values.astype(np.float64) for attack, values in narrow.items()}
    pd.testing.assert_frame_equal(calibrate(narrow, member, FPRS, PRIORS), calibrate(wide, member, FPRS, PRIORS))


@given(st.lists(st.floats(-1e60, 1e60) | st.just(np.inf), min_size=1, max_size=8))
def test_shadow_thresholds_are_medians_of_the_others(thresholds):
    assert shadow_thresholds(np.array(thresholds)).tolist() == plain.shadow_thresholds(thresholds)


def test_without_a_threshold_nothing_is_flagged():
    scores = np.array([[3.0, 2, 1], [3.0, 2, 1]])
    member = np.array([[False, True, True], [False, True, True]])
    rates = calibrate({"online": scores}, member, [0.1], [0.5])
    assert np.isinf(rates["threshold"]).all()
    assert (rates[["tp", "fp"]] == 0).all(axis=None)
    assert rates["ppv"].isna().all()


def test_one_target_has_no_shadow_thresholds():
    scores, member = world()
    alone = {attack: values[:1] for attack, values in scores.items()}
    with pytest.raises(
        DataError, match=r"scores are of one target, .*: give the scores of all models, .*threshold_at_fpr"
    ):
        calibrate(alone, member[:1], FPRS, PRIORS)
    assert len(calibrate({"global": alone["global"]}, member[:1], FPRS, PRIORS)) == len(FPRS) * len(PRIORS)


def test_ppv():
    assert positive_predictive_value(0.2, 0.01, 0.1) == pytest.approx(0.02 / (0.02 + 0.009))
    assert np.isnan(positive_predictive_value(0.0, 0.0, 0.1))
    assert np.isnan(positive_predictive_value(np.array([0.0]), np.array([0.0]), 0.1)).all()
    assert positive_predictive_value(0.0, 0.5, 0.1) == 0


@pytest.mark.parametrize(
    ("fpr", "negatives", "expected", "label"),
    [
        (1e-5, 25_000, 0.25, "TPR at 0 FP"),
        (1e-3, 999, 0.999, "TPR at 0 FP"),
        (1e-3, 1000, 1.0, "few FP"),
        (1e-3, 4999, 4.999, "few FP"),
        (1e-3, 5000, 5.0, ""),
        (0.29, 100, 29.0, ""),
        (1e-3, 0, 0.0, "TPR at 0 FP"),
    ],
)
def test_resolution(fpr, negatives, expected, label):
    found = resolution(fpr, negatives)
    assert found.expected == pytest.approx(expected)
    assert found.label == label


def test_nan_scores_name_target_and_attack():
    scores, member = world()
    scores["global"][4, 3] = np.nan
    with pytest.raises(DataError, match="1 of 80 scores of target 4 under global are NaN"):
        calibrate(scores, member, FPRS, PRIORS)
    rates = calibrate(scores, member, FPRS, PRIORS, nonfinite="official")
    assert rates.loc[(rates["target"] == 4) & (rates["attack"] == "global"), "auc"].isna().all()
    assert not rates.loc[(rates["target"] != 4), "auc"].isna().any()


def test_a_target_of_one_class_is_named():
    scores, member = world()
    member[2] = True
    with pytest.raises(DataError, match="target 2 under online has no non-members"):
        calibrate(scores, member, FPRS, PRIORS)
    rates = calibrate(scores, member, FPRS, PRIORS, nonfinite="official")
    assert np.isinf(rates.loc[(rates["target"] == 2) & (rates["mode"] == "target"), "threshold"]).all()


def test_infinite_scores():
    """The strongest members are flagged by default; the published code leaves them out of the ROC."""
    scores, member = world()
    scores["online"][0, np.flatnonzero(member[0])[:9]] = np.inf
    scores["online"][1, 5] = -np.inf
    ours = calibrate(scores, member, [0.0], [0.5])
    assert not ours["auc"].isna().any()
    assert ours.query("attack == 'online' and mode == 'target' and target == 0")["tp"].item() >= 9
    official = calibrate(scores, member, [0.0], [0.5], nonfinite="official")
    assert official.query("attack == 'online'").drop_duplicates("target")["auc"].isna().tolist() == [True, True] + 4 * [
        False
    ]


def test_confusion_counts_what_calibrate_counts():
    scores, member = world()
    scores["online"][0, :4] = np.inf
    scores["online"][1, :4] = -np.inf
    rates = calibrate({"online": scores["online"]}, member, [0.1, 1.0], [0.5])
    for (_, _), rows in rates.groupby(["mode", "fpr"]):
        counts = confusion(scores["online"], member, rows["threshold"].to_numpy())
        for column in ("tp", "fp", "tn", "fn"):
            assert counts[column].tolist() == rows[column].tolist()


def test_intervals_stand_at_shadow_thresholds_only():
    scores, member = world()
    rates = with_intervals(calibrate(scores, member, FPRS, PRIORS))
    shadow = rates["mode"] == "shadow"
    for name, rate in (("tpr", "tpr"), ("fpr", "fpr_achieved")):
        assert rates.loc[~shadow, [f"{name}_low", f"{name}_high"]].isna().all(axis=None)
        inside = rates.loc[shadow]
        assert ((inside[f"{name}_low"] <= inside[rate]) & (inside[rate] <= inside[f"{name}_high"])).all()


def test_wrong_shapes():
    scores, member = world()
    with pytest.raises(DataError, match=r"scores of online \(6, 80\) and member \(6, 79\)"):
        calibrate(scores, member[:, 1:], FPRS, PRIORS)


def test_nothing_to_calibrate():
    scores, member = world()
    with pytest.raises(DataError, match=r"scores of 0 attacks and member \(6, 80\): one or more of each are needed"):
        calibrate({}, member, FPRS, PRIORS)
    with pytest.raises(DataError, match=r"member \(0, 80\): one or more of each"):
        calibrate({"online": scores["online"][:0]}, member[:0], FPRS, PRIORS)


@pytest.mark.parametrize("given", [[], 0.1, ["a"], "0.1", None, [[0.1]], [[0.1], [0.1, 0.2]]])
def test_what_is_no_list_of_numbers(given):
    scores, member = world()
    for name, arguments in (("fprs", (given, PRIORS)), ("priors", (FPRS, given))):
        with pytest.raises(ConfigError, match=f"{name} are .*: allowed is a list of one number or more"):
            calibrate(scores, member, *arguments)


def test_a_rate_is_given_once():
    scores, member = world()
    with pytest.raises(ConfigError, match="fprs: 0.1 is given more than once"):
        calibrate(scores, member, [0.1, 0.2, 0.1], PRIORS)
    with pytest.raises(ConfigError, match="priors: 0.5 is given more than once"):
        calibrate(scores, member, FPRS, [0.5, 0.5])
    calibrate(scores, member, np.array([0.1, 0.2]), np.array([0.5]))


def test_wrong_rates():
    scores, member = world()
    with pytest.raises(ConfigError, match="prior is 10: "):
        calibrate(scores, member, FPRS, [10])
    with pytest.raises(ConfigError, match="fpr is 2: "):
        calibrate(scores, member, [2], PRIORS)
    with pytest.raises(ConfigError, match="centre is 'mode': allowed are 'median' and 'mean'"):
        shadow_thresholds(np.ones(3), "mode")


RUN = {"study": "test", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 3}


def test_file_to_files(tmp_path):
    scores, member = world()
    with hdf5.create(tmp_path / "scores.h5", "scores", RUN) as file:
        file["member"] = member
        for attack in reversed(ATTACKS):
            file[attack] = scores.get(attack, scores["online"])
    calibrate_file(tmp_path / "scores.h5", FPRS, PRIORS, tmp_path / "metrics.csv", tmp_path / "samples.csv")
    metrics, samples = read_csv(tmp_path / "metrics.csv"), read_csv(tmp_path / "samples.csv")
    assert metrics["attack"].unique().tolist() == list(ATTACKS)
    assert list(metrics)[:4] == list(samples)[:4] == ["dataset", "architecture", "regime", "seed"]
    assert list(metrics)[4 : 4 + len(RATES)] == RATES
    assert metrics["resolution"].isin(["TPR at 0 FP", "few FP"]).all()
    assert list(samples)[4:] == ["fpr", "sample", "tp", "fp", "tn", "fn", "rank"]
    assert len(samples) == 2 * 80
    expected = calibrate({"online": scores["online"]}, member, FPRS, PRIORS)
    online = metrics[metrics["attack"] == "online"].reset_index(drop=True)
    pd.testing.assert_frame_equal(online[RATES], expected, check_dtype=False, check_exact=True)
    for fpr, rows in samples.groupby("fpr"):
        at = expected[(expected["mode"] == "shadow") & (expected["fpr"] == fpr) & (expected["prior"] == 0.5)]
        assert rows["tp"].sum() == at["tp"].sum()
        assert rows["fp"].sum() == at["fp"].sum()


def test_counts_per_sample_need_the_online_attack(tmp_path):
    scores, member = world()
    with hdf5.create(tmp_path / "scores.h5", "scores", RUN) as file:
        file["member"], file["global"] = member, scores["global"]
    with pytest.raises(StoreError, match="no scores of the online attack"):
        calibrate_file(tmp_path / "scores.h5", FPRS, PRIORS, tmp_path / "metrics.csv", tmp_path / "samples.csv")
