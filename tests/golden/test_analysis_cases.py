import numpy as np
import pandas as pd
import pytest
from reference import ATTACK_NAMES, CASES, FPRS, PRIORS, SCORE, inputs, loo_scores, nonfinite, table

from lira.evaluation.calibration import calibrate
from lira.evaluation.detections import count_detections, highly_vulnerable

TAGS = {1e-5: "0p001pct", 1e-3: "0p1pct", 1e-2: "1p0pct"}
ROWS = ["attack", "fpr", "mode", "target", "prior"]


def calibrated(case):
    return calibrate(loo_scores(case), inputs(case)[1], FPRS, PRIORS, nonfinite=nonfinite(case))


def detections(case, attack, fpr, rates):
    rows = rates[(rates["attack"] == attack) & (rates["mode"] == "shadow") & (rates["fpr"] == fpr)]
    thresholds = rows.drop_duplicates("target")["threshold"].to_numpy()
    return count_detections(loo_scores(case)[attack], inputs(case)[1], thresholds, nonfinite=nonfinite(case))


@pytest.mark.parametrize("case", CASES)
def test_metrics_per_model(case):
    ours = calibrated(case)
    names = {"model_idx": "target", "target_fpr": "fpr", "achieved_fpr": "fpr_achieved", "precision": "ppv"}
    stored = table(f"analysis/{case}/per_model_metrics_two_modes.csv").rename(columns=names)
    stored = stored.replace({"attack": ATTACK_NAMES})
    assert ours[ROWS].to_numpy().tolist() == stored[ROWS].to_numpy().tolist()
    for column in ("tp", "fp", "tn", "fn"):
        np.testing.assert_array_equal(ours[column], stored[column], err_msg=column)
    np.testing.assert_allclose(ours["threshold"], stored["threshold"], **SCORE)
    for column in ("tpr", "fpr_achieved", "ppv"):
        np.testing.assert_allclose(ours[column], stored[column], rtol=1e-12, atol=0, err_msg=column)
    np.testing.assert_allclose(ours["auc"], stored["auc"], rtol=0, atol=0.5e-6 * (1 + 1e-6))


@pytest.mark.parametrize("case", CASES)
def test_summary(case):
    stored = table(f"analysis/{case}/summary_statistics_two_modes.csv").replace({"attack": ATTACK_NAMES})
    stored["fpr"] = stored["Target FPR (%)"].map({round(100 * fpr, 4): fpr for fpr in FPRS})
    groups = calibrated(case).groupby(["mode", "attack", "fpr", "prior"])
    for column, name in {"tpr": "TPR", "fpr_achieved": "FPR_Achieved", "ppv": "Precision", "auc": "AUC"}.items():
        for statistic in ("mean", "std"):
            rows = pd.MultiIndex.from_frame(stored[groups.keys])
            ours = 100 * groups[column].agg(statistic).loc[rows]
            expected = stored[f"{name}_{statistic.capitalize()}"]
            np.testing.assert_allclose(ours, expected, rtol=0, atol=0.5e-3 * (1 + 1e-6), err_msg=f"{name} {statistic}")


@pytest.mark.parametrize("fpr", FPRS)
@pytest.mark.parametrize("case", CASES)
def test_online_detections(case, fpr):
    ours = detections(case, "online", fpr, calibrated(case))
    counts = ["sample", "tp", "fp", "tn", "fn"]
    ranked = table(f"analysis/{case}/samples_vulnerability_ranked_online_shadow_{TAGS[fpr]}.csv")
    np.testing.assert_array_equal(ours.sort_values("rank")[counts], ranked)
    highly = table(f"analysis/{case}/samples_highly_vulnerable_online_shadow_{TAGS[fpr]}.csv")
    np.testing.assert_array_equal(ours.loc[highly_vulnerable(ours), counts], highly)


@pytest.mark.parametrize("case", CASES)
def test_other_attacks_detections(case):
    rates = calibrated(case)
    stored = table(f"analysis/{case}/sample_vulnerability_other_attacks.csv")
    for (attack, fpr), expected in stored.groupby(["attack", "target_fpr"]):
        ours = detections(case, attack, fpr, rates)
        columns = ["tp", "fp", "tn", "fn", "rank"]
        np.testing.assert_array_equal(ours[["sample", *columns]], expected[["sample_id", *columns]])
        np.testing.assert_array_equal(highly_vulnerable(ours), expected["highly"] == 1)
