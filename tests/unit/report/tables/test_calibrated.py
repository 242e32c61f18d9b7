"""Rates at shadow thresholds, against numbers computed another way."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean
from synthetic_study import PRIORS, finish_run, run_folder
from table_files import rows_of

from lira.evaluation.calibration import calibrate_file
from lira.evaluation.summary import summarise_file
from lira.storage import hdf5


def test_unresolved_shadow_thresholds_are_not_called_zero_false_positives(make):
    _, path = make("calibrated", fpr=0.001)
    shown = rows_of(path)
    mode, rates = shown[0].index("Threshold"), shown[0].index("FPR′ (%)")
    for cells in shown[1:]:
        assert (
            cells[rates]
            .split(" ‡")[0]
            .endswith({"target": "0.000 ± 0.000 at 0 FP", "shadow": " τ at 0 FP"}[cells[mode]])
        )


def test_calibrated(make, study):
    data, path = make("calibrated", fpr=0.01)
    metrics = pd.read_csv(run_folder(study, "resnet", "tl") / "metrics.csv")
    chosen = metrics.query("attack == 'online' and mode == 'shadow' and fpr == 0.01")
    row = data.query("architecture == 'resnet' and regime == 'tl' and attack == 'online' and mode == 'shadow'").iloc[0]
    once = chosen[chosen["prior"] == 0.1]
    assert row["fpr_mean"] == pytest.approx(100 * once["fpr_achieved"].mean())
    assert row["fpr_median"] == pytest.approx(100 * once["fpr_achieved"].median())
    assert row["fpr_trimmed_mean"] == pytest.approx(100 * trim_mean(once["fpr_achieved"], 0.1))
    counts = once[["tp", "fn", "fp", "tn"]].sum()
    tpr, fpr = counts["tp"] / (counts["tp"] + counts["fn"]), counts["fp"] / (counts["fp"] + counts["tn"])
    for prior in PRIORS:
        ppv = chosen[chosen["prior"] == prior]["ppv"]
        name = f"ppv_{100 * prior:g}pct"
        assert row[f"{name}_mean"] == pytest.approx(100 * np.nanmean(ppv))
        assert row[f"{name}_targets"] == ppv.notna().sum()
        assert row[f"{name}_undefined"] == ppv.isna().sum()
        assert row[f"{name}_pooled"] == pytest.approx(100 * prior * tpr / (prior * tpr + (1 - prior) * fpr))
    assert "global" not in set(data.query("mode == 'shadow'")["attack"])
    assert "Thresholds are set for an FPR of 1 %." in path.with_suffix(".md").read_text()


def test_a_broken_target_is_named_where_it_carries_a_mean(make, study, tmp_path):
    """Target 5 flags a third of its non-members: it makes the mean FPR′, and the tables say so."""
    broken = tmp_path / "seed0"
    broken.mkdir()
    for name in ("shadows.h5", "scores.h5"):
        (broken / name).write_bytes((run_folder(study, "fcn", "aof") / name).read_bytes())
    with h5py.File(broken / "scores.h5", "r+") as file:
        scores, outside = file["online"][5], np.flatnonzero(~file["member"][5])
        scores[outside[::3]] = 1000
        file["online"][5] = scores
    finish_run(broken)
    data, path = make("calibrated", [broken], fpr=0.01)
    row = data.query("attack == 'online' and mode == 'shadow'").iloc[0]
    assert str(row["fpr_influential"]) in ("5", "5.0") and row["fpr_influence_target"] == 5
    assert row["fpr_mean"] > 2 * row["fpr_trimmed_mean"]
    shown = rows_of(path)
    fpr = shown[0].index("FPR′ (%)")
    cells = {(cells[3], cells[4]): cells[fpr] for cells in shown[1:]}
    assert cells["LiRA (online)", "shadow"].endswith("‡5")
    assert not cells["LiRA (offline)", "target"].endswith("‡5")
    assert "\n\n‡: the mean rests on the target named here" in path.with_suffix(".md").read_text()
    assert r"\textsuperscript{\ddag}\num{5} &" in path.with_suffix(".tex").read_text()
    _, path = make("robustness", [broken], fpr=0.01)
    shown = rows_of(path)
    (cells,) = [cells for cells in shown if cells[3] == "FPR′ (%)"]
    assert cells[4].endswith("‡5") and cells[shown[0].index("Moved most by")].startswith("5 (+")


def test_calibrated_defaults_to_the_largest_fpr(make):
    assert set(make("calibrated")[0]["fpr"]) == {0.01}


def run_of_hits(folder, alarms):
    """A run of 20 targets with 100 members and as many non-members: one hit each, and so many targets a false positive.

    At an FPR below 1 in 100 every target that has no false positive takes the score of its hit as its threshold.
    """
    member = (np.arange(20)[:, None] + np.arange(200)) % 2 == 0
    scores = np.linspace(0, 1, 200) * np.where(member, 0.5, 1)
    scores[np.arange(20), member.argmax(axis=1)] = 10
    scores[np.arange(alarms), (~member[:alarms]).argmax(axis=1)] = 11
    folder.mkdir()
    key = {"study": "s", "dataset": "d", "architecture": "a", "regime": "r", "seed": 0, "recipe": {}}
    with hdf5.create(folder / "shadows.h5", "shadows", key) as file:
        file["phi"], file["member"] = scores[..., None], member
    with hdf5.create(folder / "scores.h5", "scores", key | {"definition": {"cut": False}}) as file:
        file["online"], file["member"] = scores, member
    arguments = [folder / name for name in ("scores.h5", "metrics.csv", "samples.csv")]
    calibrate_file(arguments[0], [0.005], [0.01], *arguments[1:])
    summarise_file(*arguments[:2], folder / "summary.csv", draws=50)
    return folder


@pytest.mark.parametrize(("alarms", "mean", "pooled"), [(11, 45.55, 1.8), (9, 55.45, 2.2), (0, 100, 100)])
def test_a_mean_of_targets_with_one_hit_and_no_false_positive_is_marked(make, tmp_path, alarms, mean, pooled):
    data, path = make("calibrated", [run_of_hits(tmp_path / "seed0", alarms)], fpr=0.005)
    row = data.query("mode == 'shadow'").iloc[0]
    assert row["ppv_1pct_mean"] == pytest.approx(mean)
    alarm = alarms / 20
    assert row["ppv_1pct_pooled"] == pytest.approx(100 * 0.01 / (0.01 + 0.99 * alarm))
    assert row["ppv_1pct_pooled"] == pytest.approx(pooled, abs=0.05)
    assert row["ppv_1pct_hollow"]
    heading, *_, cells = rows_of(path)
    cell = dict(zip(heading, cells, strict=True))
    assert "§" in cell["PPV at π = 1 % (%)"]
    assert cell["Pooled PPV at π = 1 % (%)"].startswith(f"{row['ppv_1pct_pooled']:.2f} {'[' if alarms else '–'}")
    assert "§: fewer than half of the targets" in path.with_suffix(".md").read_text()


def test_a_mean_that_the_counts_carry_is_not_marked(make, study):
    data, _ = make("calibrated", [run_folder(study, "resnet", "tl")], fpr=0.01)
    row = data.query("attack == 'global'").iloc[0]
    assert row["fpr_median"] > 0 and row["ppv_50pct_mean"] <= row["ppv_50pct_pooled_high"]
    assert not row["ppv_50pct_hollow"]
