import numpy as np
import pandas as pd
import pytest
from synthetic_study import RUNS, run_folder


def test_rank_bins_has_a_mark_per_run_and_bin(draw):
    for axes in draw("rank_bins").get_axes():
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        assert [len(line.get_xdata()) for line in marks] == [10, 10, 10]
        assert [label.get_text() for label in axes.get_xticklabels()][:2] == ["0–2", "2–3"]


def test_chance_in_the_rankings_is_that_of_permuted_membership(draw, study):
    null = [pd.read_csv(run_folder(study, "fcn", "aof", seed) / "null_gaps.csv") for seed in RUNS["fcn", "aof"]]
    line = next(line for line in draw("top1", gap="mean").get_axes()[0].lines if line.get_linestyle() == ":")
    np.testing.assert_allclose(line.get_ydata(), np.mean([table["mean"].max() for table in null]))
    panel = draw("rank_bins").get_axes()[0]
    (steps,) = [patch for patch in panel.patches if patch.get_label() == "chance"]
    first = [np.sort(table["median"])[::-1][:5].mean() for table in null]
    assert steps.get_data().values[0] == pytest.approx(np.mean(first))
