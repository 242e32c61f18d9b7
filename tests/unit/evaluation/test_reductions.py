"""Reductions of the TPR against the baseline, and their means."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import MAIN, run_folder

from lira.evaluation.rates import rates_at_own_thresholds
from lira.evaluation.reductions import baseline_of, mean_reduction, reduction_column, reductions
from lira.storage.run import Run


def test_a_reduction_is_against_the_nearest_baseline(study):
    data = pd.DataFrame([row for key in MAIN for row in rates_at_own_thresholds(Run(run_folder(study, *key)))])
    found = reduction_column(data)
    for index, row in data.iterrows():
        against = baseline_of(row, data)
        if row["regime"] == "baseline":
            assert against is None and np.isnan(found[index])
        else:
            same = [row[name] for name in ("architecture", "attack", "fpr")]
            assert [against[name] for name in ("architecture", "attack", "fpr")] == same
            assert found[index] == against["tpr_mean"] / row["tpr_mean"]


def test_a_reduction_to_nothing_is_infinite_and_of_nothing_none():
    same = {"dataset": "d", "architecture": "a", "attack": "online", "fpr": 0.1}
    names = ("seed", "regime", "tpr_mean")
    rows = [(0, "baseline", 2.0), (1, "baseline", 0.0), (0, "aof", 0.0), (1, "aof", 0.0), (2, "aof", 0.5)]
    found = reduction_column(pd.DataFrame([same | dict(zip(names, row, strict=True)) for row in rows]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.inf, np.nan, 4.0])


def test_means_over_the_cells_of_a_regime(study):
    data = pd.DataFrame([row for key in MAIN for row in rates_at_own_thresholds(Run(run_folder(study, *key)))])
    cells = [cell for cell in reductions(data, "aof", ["online", "offline"]) if cell.row["tpr_mean"] > 0]
    column = reduction_column(data)[(data["regime"] == "aof") & data["attack"].isin(["online", "offline"])]
    expected, found = column[np.isfinite(column)].to_numpy(), mean_reduction(cells)
    np.testing.assert_allclose(found.ratios, expected)
    assert found.geometric == pytest.approx(np.exp(np.log(expected).mean()))
    assert found.arithmetic.value == pytest.approx(expected.mean())
    assert found.interval[0] < found.geometric < found.interval[1]
    errors = [cell.logarithm.error for cell in cells]
    assert found.arithmetic.error == pytest.approx(np.mean(expected * errors))
    assert list(reductions(pd.DataFrame(), "aof", ["online"])) == []
