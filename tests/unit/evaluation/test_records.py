"""Single records: counts and PPV against numbers computed another way, and which records are most exposed."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from synthetic_study import FPRS, PRIORS, RUNS, run_folder

from lira.core.errors import ConfigError
from lira.evaluation.records import cards, counts, most_exposed, worth
from lira.storage.run import Run


@pytest.fixture
def runs(study):
    return [Run(run_folder(study, "fcn", "aof", seed)) for seed in RUNS["fcn", "aof"]]


def test_ppv_is_that_of_the_records_own_rates():
    found = worth(pd.DataFrame({"tp": [3, 0, 0], "fp": [1, 0, 2], "tn": [31, 32, 30], "fn": [29, 32, 32]}), PRIORS)
    assert found["ppv_0.5"][0] == pytest.approx(3 / 4)
    assert found["ppv_0.01"][0] == pytest.approx(0.01 * 3 / (0.01 * 3 + 0.99 * 1))
    assert np.isnan(found.loc[1, ["ppv_0.5", "least_0.5"]]).all()
    assert found["ppv_0.5"][2] == found["least_0.5"][2] == 0


def test_the_least_ppv_holds_as_often_as_it_says():
    """Over all outcomes of 20 and 20 models with known rates, the truth lies at or above it 95 % of the time."""
    tp, fp = (values.ravel() for values in np.meshgrid(np.arange(21), np.arange(21)))
    for tpr, fpr in ((0.3, 0.05), (0.1, 0.1), (0.9, 0.01)):
        weight = binom.pmf(tp, 20, tpr) * binom.pmf(fp, 20, fpr)
        found = worth(pd.DataFrame({"tp": tp, "fp": fp, "tn": 20 - fp, "fn": 20 - tp}), [0.1])
        truth = 0.1 * tpr / (0.1 * tpr + 0.9 * fpr)
        assert weight[found["least_0.1"].fillna(0) <= truth + 1e-12].sum() >= 0.95
        told = found.dropna()
        assert (told["least_0.1"] <= told["ppv_0.1"] + 1e-12).all()


def test_counts_and_phi_are_those_of_the_run(runs):
    data = cards(runs, ["a", "b", "c"], FPRS[1], sample=7, count=1)
    assert list(data["run"]) == ["a", "b", "c"] and set(data["record"]) == {7}
    for run, row in zip(runs, data.itertuples(), strict=True):
        samples = run.table("samples.csv").query(f"sample == 7 and fpr == {FPRS[1]}").iloc[0]
        assert (row.tp, row.fp, row.tn, row.fn) == tuple(samples[["tp", "fp", "tn", "fn"]])
        with run.shadows() as file:
            phi, member = file["phi"][:, 7].mean(axis=1), file["member"][:, 7]
        assert row.phi_in_mean == pytest.approx(phi[member].mean(), rel=1e-5)
        assert row.phi_out_std == pytest.approx(phi[~member].std(ddof=1), rel=1e-5)


def test_the_most_exposed_are_found_by_most_runs_then_most_often(runs):
    found = counts(runs, FPRS[1])
    chosen = most_exposed(found, 5)
    key = {
        j: (-sum(rows["fp"][j] == 0 and rows["tp"][j] > 0 for rows in found), -sum(rows["tp"][j] for rows in found))
        for j in range(240)
    }
    assert chosen == sorted(key, key=lambda j: (*key[j], j))[:5]
    assert list(dict.fromkeys(cards(runs, "abc", FPRS[1], sample=None, count=5)["record"])) == chosen
    with pytest.raises(ConfigError, match="sample is 240: allowed are whole numbers from 0 to 239"):
        cards(runs, "abc", FPRS[1], sample=240, count=1)


def test_the_bound_on_epsilon_allows_for_the_records_that_were_looked_at():
    rows = pd.DataFrame({"tp": [16, 0], "fp": [0, 0], "tn": [16, 16], "fn": [0, 16]})
    (named, none), (picked, _) = worth(rows, [0.5], 0.0)["epsilon"], worth(rows, [0.5], 0.0, looked=100)["epsilon"]
    for found, error in ((named, 0.05), (picked, 0.0005)):
        limit = (error / 2) ** (1 / 16)
        assert found == pytest.approx(max(0, np.log(limit / (1 - limit))))
    assert none == 0
