"""Rates over targets, against the summary they are read from."""

import pandas as pd
import pytest
from synthetic_study import FPRS, PRIORS, run_folder

from lira.evaluation.rates import RatesOverTargets, rates_at
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
    data = pd.DataFrame(rates_at(run))
    assert len(data) == data[["attack", "fpr"]].drop_duplicates().shape[0] == 6 * len(FPRS)  # the five and the best
    auc = run.summary.query("attack == 'global' and metric == 'auc'")["mean"].iloc[0]
    assert set(data[data["attack"] == "global"]["auc_mean"]) == {100 * auc}
