"""Reductions of the TPR against the baseline."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import MAIN, run_folder

from lira.evaluation.rates import rates_at
from lira.evaluation.reductions import find_reductions
from lira.storage.run import Run


def test_a_reduction_is_against_the_nearest_baseline(study):
    data = pd.DataFrame([row for key in MAIN for row in rates_at(Run(run_folder(study, *key)))])
    for (_, row), found in zip(data.iterrows(), find_reductions(data), strict=True):
        if row["regime"] == "baseline":
            assert found is None
        else:
            same = [row[name] for name in ("architecture", "attack", "fpr")]
            assert [found.against[name] for name in ("architecture", "attack", "fpr")] == same
            assert found.ratio == found.against["tpr_mean"] / row["tpr_mean"]
            if found.ratio > 0:
                assert found.logarithm.value == pytest.approx(np.log(found.ratio))


def test_a_reduction_to_nothing_is_infinite_and_of_nothing_none():
    same = {"dataset": "d", "architecture": "a", "attack": "online", "fpr": 0.1}
    names = ("seed", "regime", "tpr_mean")
    rows = [(0, "baseline", 2.0), (1, "baseline", 0.0), (0, "aof", 0.0), (1, "aof", 0.0), (2, "aof", 0.5)]
    found = find_reductions(pd.DataFrame([same | dict(zip(names, row, strict=True)) for row in rows]))
    assert found[:2] == [None, None]
    np.testing.assert_array_equal([one.ratio for one in found[2:]], [np.inf, np.nan, 4.0])
    assert find_reductions(pd.DataFrame()) == []
