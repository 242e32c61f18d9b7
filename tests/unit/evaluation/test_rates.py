"""Rates over targets and their reductions, against the summary they are read from."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import FPRS, MAIN, PRIORS, run_folder

from lira.evaluation.rates import RatesOverTargets, baseline_of, rates_at_own_thresholds, reductions
from lira.storage.run import Run


@pytest.fixture
def run(study):
    return Run(run_folder(study, "fcn", "aof"))


def test_rates_are_found_by_what_they_are_of(run):
    rates = RatesOverTargets(run)
    assert (rates.fprs, rates.priors) == (list(FPRS), list(PRIORS))
    assert rates.attacks == list(dict.fromkeys(run.summary["attack"]))
    ours = rates.find("online", "shadow", 0.01, "ppv", 0.1)
    (row,) = run.summary.query(
        "attack == 'online' and mode == 'shadow' and fpr == 0.01 and metric == 'ppv' and prior == 0.1"
    ).to_dict("records")
    assert (ours["mean"], ours["standard_error"]) == (100 * row["mean"], 100 * row["standard_error"])
    assert (ours["targets"], ours["influential"]) == (row["targets"], row["influential"])
    assert rates.find("online", "target", None, "auc")["mean"] > 50
    assert rates.find("online", "target", 0.5, "tpr") is None


def test_a_row_per_attack_and_fpr(run):
    data = pd.DataFrame(rates_at_own_thresholds(run))
    assert len(data) == data[["attack", "fpr"]].drop_duplicates().shape[0] == 5 * len(FPRS)
    auc = run.summary.query("attack == 'global' and metric == 'auc'")["mean"].iloc[0]
    assert set(data[data["attack"] == "global"]["auc_mean"]) == {100 * auc}


def test_a_reduction_is_against_the_nearest_baseline(study):
    data = pd.DataFrame([row for key in MAIN for row in rates_at_own_thresholds(Run(run_folder(study, *key)))])
    found = reductions(data)
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
    found = reductions(pd.DataFrame([same | dict(zip(names, row, strict=True)) for row in rows]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.inf, np.nan, 4.0])
