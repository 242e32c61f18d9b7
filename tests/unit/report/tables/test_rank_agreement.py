import numpy as np
import pandas as pd
import pytest
from synthetic_study import agreement_folder, run_folder


def test_rank_agreement(make, study):
    data, path = make("rank_agreement")
    pairs = pd.read_csv(agreement_folder(study) / "topq.csv").query("gap == 'median' and q == 5")
    row = data.query("gap == 'median' and q == 5").iloc[0]
    assert row["jaccard_mean"] == pytest.approx(pairs["jaccard"].mean())
    assert row["jaccard_std"] == pytest.approx(pairs["jaccard"].std(ddof=1))
    assert (row["size"], row["pairs"], row["runs"]) == (12, 3, 3)
    sets = [
        pd.read_csv(run_folder(study, "fcn", "aof", seed) / "samples.csv").query("fpr == 0.01 and tp >= 1 and fp == 0")
        for seed in (0, 1, 2)
    ]
    flagged = data.query("fpr == 0.01 and zero_fp == True").iloc[0]
    assert flagged["size"] == pytest.approx(np.mean([len(chosen) for chosen in sets]))
    assert flagged["all_union"] == len(set().union(*(chosen["sample"] for chosen in sets)))
    assert "at 0 FP" in path.with_suffix(".md").read_text()
    assert row["jaccard_null"] == pytest.approx(0.05 / (2 - 0.05))
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv").query(
        "scenario == 'identical' and fpr == 0.01 and zero_fp and support == 1"
    )
    chance = [pd.read_csv(run_folder(study, "fcn", "aof", seed) / "null_samples.csv") for seed in (0, 1, 2)]
    sizes = [len(table.query("fpr == 0.01 and tp >= 1 and fp == 0")) for table in chance]
    assert flagged["size_null"] == pytest.approx(np.mean(sizes))
    assert list(flagged[["jaccard_null", "all_jaccard_null"]]) == pytest.approx(list(null["jaccard"]))
    only, _ = make("rank_agreement", gap="mean")
    assert set(only["gap"].dropna()) == {"mean"}
