import numpy as np
import pandas as pd
from synthetic_study import agreement_folder


def test_top1_shows_each_runs_sample_in_all_runs(draw, study):
    axes = draw("top1").get_axes()[0]
    assert sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o") == 9
    top = pd.read_csv(agreement_folder(study) / "top1.csv").query("gap == 'median' and source == run")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), top["vulnerability"])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [f"seed {seed}\n#{sample}" for seed, sample in enumerate(top["sample"])]
