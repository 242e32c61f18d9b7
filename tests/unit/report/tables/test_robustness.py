import numpy as np
from synthetic_study import PRIORS, finish_run, run_folder
from table_files import rows_of
from worlds import gaussian_world

from lira.attacks.lira import score_file
from lira.storage import hdf5


def test_robustness(make, study):
    data, path = make("robustness", fpr=0.01)
    assert (
        len(data.query("regime == 'tl' and architecture == 'fcn'")) == (5 * 2 + 1) * (2 + 2 * len(PRIORS)) + 5 * 2 + 1
    )
    assert set(data["fpr"].dropna()) == {0.01}
    row = data.query("architecture == 'resnet' and regime == 'tl' and attack == 'online' and mode == 'shadow'")
    row = row.query("metric == 'ppv' and prior == 0.01").iloc[0]
    shown = rows_of(path)
    (cells,) = [cells for cells in shown if cells[1:4] == ["ResNet", "TL", "PPV (%)"]]
    assert cells[shown[0].index("95 % interval")] == f"[{row['low']:.3f}, {row['high']:.3f}]"
    assert cells[shown[0].index("Mean ± std")].startswith(f"{row['mean']:.3f} ± {row['std']:.3f}†")
    assert cells[shown[0].index("Median")] == f"{row['median']:.3f}"
    assert cells[shown[0].index("Trimmed mean")] == f"{row['trimmed_mean']:.3f}"
    assert cells[shown[0].index("Moved most by")] == f"{row['influence_target']:.0f} ({row['influence']:+.3f})"
    assert cells[shown[0].index("Chance")] == f"{row['null']:.3f}"
    assert [cells[3] for cells in shown[1:7]] == [
        "AUC (%)", "TPR (%)", "TPR′ (%)", "FPR′ (%)", "PPV (%)", "PPV, pooled (%)",
    ]  # fmt: skip


def test_at_chance_the_intervals_hold_the_null_and_above_it_they_do_not(make, study, tmp_path):
    phi, member = gaussian_world(24, 500, 0.0, seed=2)
    attributes = {"study": "chance", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 0}
    with hdf5.create(tmp_path / "run" / "shadows.h5", "shadows", attributes) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(tmp_path / "run" / "shadows.h5", tmp_path / "run" / "scores.h5")
    finish_run(tmp_path / "run")
    data, _ = make("robustness", [tmp_path / "run"], fpr=0.01)
    rates = data[data["metric"].isin(["tpr", "fpr_achieved"]) & (data["mode"] == "shadow")]
    assert ((rates["low"] <= rates["null"]) & (rates["null"] <= rates["high"])).mean() >= 0.75
    data, _ = make("robustness", [run_folder(study, "fcn", "baseline")], fpr=0.01)
    tpr = data.query("metric == 'tpr' and attack == 'online'")
    assert (tpr["low"] > tpr["null"]).all()
