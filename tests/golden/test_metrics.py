"""The reference's metric functions on small and awkward inputs."""

import json

import numpy as np
import pytest
from reference import DATA, arrays, official_curve, official_points, table

from lira.core.errors import DataError
from lira.evaluation.calibration import confusion, positive_predictive_value, shadow_thresholds
from lira.evaluation.robust import median_rmad
from lira.evaluation.roc import summarise_roc, threshold_at_fpr

ROC = json.loads((DATA / "metrics/roc_cases.json").read_text())
ONE_CLASS = ["all_nan", "one_class_true", "one_class_false", "one_class_after_filter", "empty"]
EXACT = {"rtol": 1e-12, "atol": 0}


def stored(name):
    return json.loads((DATA / f"metrics/{name}.json").read_text())


def case(name):
    found = arrays("metrics/roc_cases.npz")
    return {key.split("__")[1]: values for key, values in found.items() if key.startswith(f"{name}__")}


def option(name):
    return "official" if name in (*ONE_CLASS, "nonfinite300") else "error"


@pytest.mark.parametrize("name", ROC)
def test_curve(name):
    data = case(name)
    scores, member = data["scores"], data["labels"].astype(bool)
    for values, part in zip(official_curve(scores, member), ("fpr", "tpr", "thresholds"), strict=True):
        np.testing.assert_allclose(values, data[part], **EXACT, err_msg=part)
    found = summarise_roc(scores, member, nonfinite=option(name))
    assert found == pytest.approx((ROC[name]["auc"], ROC[name]["accuracy"]), rel=1e-12)


@pytest.mark.parametrize("name", ROC)
def test_operating_points(name):
    data = case(name)
    scores, member = data["scores"], data["labels"].astype(bool)
    for at in ROC[name]["at"]:
        ours = threshold_at_fpr(scores, member, at["target_fpr"], nonfinite=option(name))
        assert ours.threshold == pytest.approx(at["analysis_threshold"], rel=1e-12)
        assert ours.fpr == pytest.approx(at["analysis_fpr"] or 0, rel=1e-12)
        assert ours.tpr == pytest.approx(at["analysis_tpr"] or 0, rel=1e-12)
        row = official_points({"attack": scores[None]}, member[None], [at["target_fpr"]], 0.5).iloc[0]
        ours = (row["tpr"], row["fpr_achieved"], row["threshold"])
        assert ours == pytest.approx([at[f"metrics_{part}"] for part in ("tpr", "fpr", "threshold")], rel=1e-12)


@pytest.mark.parametrize("name", ROC)
def test_confusion(name):
    data = case(name)
    member = data["labels"].astype(bool)[None]
    for cm in ROC[name]["cm"]:
        ours = confusion(data["scores"][None], member, np.array([cm["threshold"]])).iloc[0]
        if np.isfinite(cm["threshold"]):
            assert [ours[count] for count in ("tp", "fp", "tn", "fn")] == cm["analysis"][:4]
        else:
            assert ours["tp"] == ours["fp"] == 0


@pytest.mark.parametrize("name", ROC)
def test_several_fprs(name):
    """The official precision here is NaN without a flagged sample, as ours is."""
    data, multi = case(name), ROC[name]["multi"]
    fprs = [fpr for fpr, _ in multi["fpr_values"]]
    for prior in (0.01, 0.5):
        rows = official_points({"attack": data["scores"][None]}, data["labels"].astype(bool)[None], fprs, prior)
        np.testing.assert_allclose(rows["fpr_achieved"], [achieved for _, achieved in multi["fpr_values"]], **EXACT)
        np.testing.assert_allclose(rows["tpr"], multi["tpr_values"], **EXACT)
        np.testing.assert_allclose(rows["threshold"], multi["thresholds"], **EXACT)
        expected = [multi["precisions"][f"precision_prior_{prior}_fpr_{fpr}"] for fpr in fprs]
        ours = positive_predictive_value(rows["tpr"], rows["fpr_achieved"], prior)
        np.testing.assert_allclose(ours, expected, **EXACT)
        np.testing.assert_allclose(rows["ppv"], np.nan_to_num(expected), **EXACT)


@pytest.mark.parametrize("name", ["nonfinite300", *ONE_CLASS])
def test_default_refuses_what_has_no_roc(name):
    data = case(name)
    with pytest.raises(DataError, match="NaN|has no"):
        summarise_roc(data["scores"], data["labels"].astype(bool))


def test_precision():
    grid = table("metrics/precision.csv")
    ours = positive_predictive_value(grid["tpr"], grid["fpr"], grid["prior"])
    np.testing.assert_allclose(ours, grid["precision"], **EXACT)
    np.testing.assert_allclose(ours, grid["precision_from_rates"], **EXACT)


@pytest.mark.parametrize("entry", stored("shadow_thresholds"), ids=str)
def test_shadow_thresholds(entry):
    np.testing.assert_allclose(
        shadow_thresholds(np.array(entry["target_thresholds"])), entry["shadow_thresholds"], **EXACT
    )


@pytest.mark.parametrize("entry", stored("median_rmad"), ids=str)
def test_median_and_rmad(entry):
    ours = median_rmad(np.array(entry["values"]))
    np.testing.assert_allclose(ours, (entry["median"], entry["rmad"]), **EXACT)
    np.testing.assert_allclose(ours, (entry["figure1_median"], entry["figure1_rmad"]), **EXACT)


def test_means_over_models():
    inputs, expected = arrays("metrics/aggregate_inputs.npz"), stored("aggregate")
    scores, member = {"attack": inputs["scores"]}, inputs["labels"].astype(bool)
    ours = {}
    for prior in (0.01, 0.5):
        rows = official_points(scores, member, (0.001, 0.05), prior)
        for fpr, at in rows.groupby("fpr"):
            ours |= {f"tpr_at_{fpr}": at["tpr"], f"precision_prior_{prior}_fpr_{fpr}": at["ppv"]}
            ours |= {"auc": at["auc"], "accuracy": at["balanced_accuracy"]}
    assert {name.rsplit("_", 1)[0] for name in expected} == set(ours)
    for name, values in ours.items():
        means = (expected[f"{name}_mean"], expected[f"{name}_std"])
        assert (values.mean(), values.std()) == pytest.approx(means, rel=1e-12)
