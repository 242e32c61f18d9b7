import numpy as np
import pandas as pd
from synthetic_study import data_file, run_folder

from lira.storage import hdf5


def test_top_vulnerable_prints_counts_of_the_first_ranks(draw, study):
    panels = draw("top_vulnerable", fpr=0.01, count=9).get_axes()
    assert [axes.get_title() for axes in panels][:3] == ["FCN AOF seed 0", "FCN AOF seed 1", "FCN AOF seed 2"]
    assert len(panels) == 6 and all(len(axes.images) == 9 for axes in panels)
    counts = pd.read_csv(run_folder(study, "fcn", "aof") / "samples.csv").query("fpr == 0.01").sort_values("rank")
    expected = [f"{row.tp} / {row.fp}" for row in counts.head(9).itertuples()]
    assert [text.get_text() for text in panels[0].texts] == expected
    with hdf5.read(data_file(study), "data") as file:
        first = file["pool/x"][counts["sample"].iloc[0], 0] / 16
    np.testing.assert_allclose(panels[0].images[0].get_array(), first)
