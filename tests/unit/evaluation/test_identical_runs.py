"""Agreement of identical runs by rank and by flagged set, against the runs' own files."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import agreement_folder, run_folder

from lira.evaluation.identical_runs import agreement_by_flag, agreement_by_rank
from lira.storage.comparison import Comparison

SEEDS = (0, 1, 2)


@pytest.fixture
def comparison(study):
    return Comparison(agreement_folder(study))


def test_by_rank(study, comparison):
    data = pd.DataFrame(agreement_by_rank(comparison, ["median"]))
    assert set(data["gap"]) == {"median"}
    pairs = pd.read_csv(agreement_folder(study) / "topq.csv").query("gap == 'median' and q == 5")
    row = data.query("q == 5").iloc[0]
    assert row["jaccard_mean"] == pytest.approx(pairs["jaccard"].mean())
    assert row["jaccard_std"] == pytest.approx(pairs["jaccard"].std(ddof=1))
    assert (row["size"], row["pairs"], row["runs"]) == (12, 3, 3)
    assert row["jaccard_null"] == pytest.approx(0.05 / (2 - 0.05))


def test_by_flag(study, comparison):
    def sets(name):
        tables = [pd.read_csv(run_folder(study, "fcn", "aof", seed) / name) for seed in SEEDS]
        return [set(table.query("fpr == 0.01 and tp >= 1 and fp == 0")["sample"]) for table in tables]

    data = pd.DataFrame(agreement_by_flag(comparison, support=1))
    assert len(data) == 4 and set(data["support"]) == {1}
    row = data.query("fpr == 0.01 and zero_fp == True").iloc[0]
    assert row["size"] == pytest.approx(np.mean([*map(len, sets("samples.csv"))]))
    assert row["all_union"] == len(set().union(*sets("samples.csv")))
    assert row["expected_false_positives"] == pytest.approx(0.01 * comparison.negatives)
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv").query(
        "scenario == 'identical' and fpr == 0.01 and zero_fp and support == 1"
    )
    assert row["size_null"] == pytest.approx(np.mean([*map(len, sets("null_samples.csv"))]))
    assert list(row[["jaccard_null", "all_jaccard_null"]]) == pytest.approx(list(null["jaccard"]))
