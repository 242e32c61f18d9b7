"""Rates at the targets' own thresholds, against numbers computed another way."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean
from sklearn.metrics import roc_curve
from synthetic_study import FPRS, run_folder
from table_files import rows_of

from lira.report.labels import percent
from lira.storage.run import Run


def test_optimistic(make, study):
    data, path = make("optimistic")
    metrics = pd.read_csv(run_folder(study, "fcn", "aof") / "metrics.csv")
    chosen = metrics.query("attack == 'offline' and mode == 'target' and fpr == 0.01 and prior == 0.5")
    row = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'offline' and fpr == 0.01").iloc[0]
    assert row["tpr_mean"] == pytest.approx(100 * chosen["tpr"].mean())
    assert row["tpr_std"] == pytest.approx(100 * chosen["tpr"].std(ddof=1))
    assert row["auc_mean"] == pytest.approx(100 * chosen["auc"].mean())
    baseline = data.query("architecture == 'fcn' and regime == 'baseline' and attack == 'offline' and fpr == 0.01")
    assert row["reduction"] == pytest.approx(baseline["tpr_mean"].iloc[0] / row["tpr_mean"])
    assert data.query("regime == 'baseline'")["reduction"].isna().all()
    assert list(dict.fromkeys(data["regime"])) == ["baseline", "aof", "tl"]
    assert f"{row['reduction']:.2f}×" in path.with_suffix(".md").read_text()


def test_every_seed_has_its_row(study, make):
    """The rows of each seed are those of a table of this seed alone."""
    folders = [run_folder(study, "fcn", "baseline"), *(run_folder(study, "fcn", "aof", seed) for seed in (0, 1, 2))]
    data, path = make("optimistic_seeds", folders)
    assert rows_of(path)[0][:5] == ["Dataset", "Architecture", "Regime", "Seed", "Attack"]
    assert list(data.loc[data["regime"] == "aof", "seed"].unique()) == [0, 1, 2]
    for seed in (0, 1, 2):
        found = data[(data["regime"] == "aof") & (data["seed"] == seed)].reset_index(drop=True)
        alone = make("optimistic", [folders[0], folders[1 + seed]])[0].query("regime == 'aof'")
        pd.testing.assert_frame_equal(found, alone.reset_index(drop=True))
    assert data.query("regime == 'aof'").groupby(["attack", "fpr"])["tpr_mean"].nunique().max() == 3


def test_reduction_falls_back_to_the_other_architecture(make, study):
    folders = [run_folder(study, "resnet", "tl"), run_folder(study, "fcn", "baseline")]
    data, _ = make("optimistic", folders)
    tl, baseline = (data.query("regime == @regime and attack == 'online'") for regime in ("tl", "baseline"))
    expected = baseline["tpr_mean"].to_numpy() / tl["tpr_mean"].to_numpy()
    np.testing.assert_allclose(tl["reduction"], expected)
    alone, _ = make("optimistic", folders[:1])
    assert alone["reduction"].isna().all()


def test_what_the_pool_cannot_resolve_says_so(make):
    data, path = make("optimistic")
    assert dict(zip(data["fpr"], data["resolution"], strict=True)) == {0.001: "TPR at 0 FP", 0.01: "few FP"}
    np.testing.assert_allclose(data["expected_false_positives"], 120 * data["fpr"], rtol=0.05)
    shown = rows_of(path)
    low, high = (shown[0].index(f"TPR (%) at {percent(fpr)} FPR") for fpr in FPRS)
    for cells in shown[1:]:
        assert cells[low].split(" ‡")[0].endswith(" at 0 FP") and cells[high].split(" ‡")[0].endswith("†")
    text = path.with_suffix(".md").read_text()
    assert "\n\n0 FP: " in text and "\n\n†: " in text
    assert r"\textsuperscript{\dag}: fewer than five" in path.with_suffix(".tex").read_text()


def test_what_a_mean_can_carry(make, study):
    """Against numbers computed here, from the rates of each target."""
    data, _ = make("optimistic")
    row = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'online' and fpr == 0.01").iloc[0]
    same = "attack == 'online' and mode == 'target' and fpr == 0.01 and prior == 0.5"
    tpr = 100 * pd.read_csv(run_folder(study, "fcn", "aof") / "metrics.csv").query(same)["tpr"].to_numpy()
    assert row["tpr_median"] == pytest.approx(np.median(tpr))
    assert row["tpr_trimmed_mean"] == pytest.approx(trim_mean(tpr, 0.1))
    shifts = [tpr.mean() - np.delete(tpr, target).mean() for target in range(len(tpr))]
    assert row["tpr_influence_target"] == np.argmax(np.abs(shifts))
    assert row["tpr_influence"] == pytest.approx(shifts[np.argmax(np.abs(shifts))])
    errors = [np.delete(tpr, target).std(ddof=1) / np.sqrt(len(tpr) - 1) for target in range(len(tpr))]
    flagged = " ".join(str(target) for target in np.flatnonzero(np.abs(shifts) > errors))
    assert ("" if pd.isna(row["tpr_influential"]) else row["tpr_influential"]) == flagged
    assert row["tpr_low"] < row["tpr_mean"] < row["tpr_high"]
    controls = pd.read_csv(run_folder(study, "fcn", "aof") / "controls.csv").query(same)
    assert row["tpr_null"] == pytest.approx(100 * controls["tpr"].mean())
    assert row["auc_null"] == pytest.approx(100 * controls["auc"].mean())


def test_balanced_accuracy_and_precision_follow_the_papers_columns(make, study):
    data, path = make("optimistic")
    folder = run_folder(study, "fcn", "aof")
    row = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'offline' and fpr == 0.01").iloc[0]
    with Run(folder).scores() as file:
        curves = [roc_curve(*of) for of in zip(file["member"][:], file["offline"][:], strict=True)]
    best = [100 * (1 + (tpr - fpr).max()) / 2 for fpr, tpr, _ in curves]
    assert row["balanced_accuracy_mean"] == pytest.approx(np.mean(best))
    assert 50 < row["balanced_accuracy_null"] < row["balanced_accuracy_mean"]
    chosen = pd.read_csv(folder / "metrics.csv").query("attack == 'offline' and mode == 'target' and fpr == 0.01")
    assert row["prior"] == 0.5
    assert row["precision_mean"] == pytest.approx(100 * chosen.query("prior == 0.5")["ppv"].mean())
    heading = rows_of(path)[0]
    assert heading[-3:] == [
        "Balanced accuracy (%)",
        *(f"Precision (%) at {percent(fpr)} FPR, π = 50 %" for fpr in FPRS),
    ]
    cells = dict(zip(heading, rows_of(path)[1], strict=True))
    assert cells["Balanced accuracy (%)"].endswith(f" ({data['balanced_accuracy_null'].iloc[0]:.2f})")
    assert "100.00 ± 0.00 §" in cells[heading[-2]]
