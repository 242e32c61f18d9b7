"""The reduction by each attack and by the best, against numbers computed another way."""

import numpy as np
import pytest
from synthetic_study import run_folder
from table_files import rows_of

from lira.storage.run import Run


def mean_of(study, regime, attack, mode, metric, prior=None):
    rows = Run(run_folder(study, "fcn", regime)).summary.query(
        "attack == @attack and mode == @mode and metric == @metric and fpr == 0.01"
    )
    return 100 * (rows if prior is None else rows[rows["prior"] == prior])["mean"].iloc[0]


def test_protection(make, study):
    data, path = make("protection")
    assert set(data["regime"]) == {"aof", "tl"} and "best" in set(data["attack"])
    assert set(data["fpr"]) == {0.01}
    row = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'best'").iloc[0]
    for mode in ("target", "shadow"):
        before, after = (mean_of(study, regime, "best", mode, "tpr") for regime in ("baseline", "aof"))
        assert row[f"baseline_{mode}"] == pytest.approx(before) and row[f"tpr_{mode}"] == pytest.approx(after)
        assert row[f"reduction_{mode}"] == pytest.approx(before / after)
        assert row[f"low_{mode}"] < row[f"reduction_{mode}"] < row[f"high_{mode}"]
    assert row["ppv_10"] == pytest.approx(mean_of(study, "aof", "best", "shadow", "ppv_pooled", 0.1))
    assert row["ppv_10_baseline"] == pytest.approx(mean_of(study, "baseline", "best", "shadow", "ppv_pooled", 0.1))
    other = data.query("architecture == 'fcn' and regime == 'aof' and attack == 'global'").iloc[0]
    assert np.isnan(other["reduction_shadow"]) and other["reduction_target"] > 0
    shown = rows_of(path)
    assert "Best attack" in {cell for cells in shown for cell in cells}


def test_without_a_baseline_it_says_so(make, study):
    _, path = make("protection", [run_folder(study, "fcn", "aof")])
    assert "No run has a baseline" in path.with_suffix(".md").read_text()
