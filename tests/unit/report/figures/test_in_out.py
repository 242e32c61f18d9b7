import numpy as np
import pytest
from synthetic_study import run_folder

from lira.core.errors import ConfigError
from lira.storage.run import Run


def test_in_out_counts_every_model(draw):
    panels = draw("in_out", sample=5).get_axes()
    assert len(panels) == 6
    for axes in panels:
        assert sum(bar.get_height() for bar in axes.patches) == 16
        assert sum(len(rug.get_segments()) for rug in axes.collections) == 16
    with pytest.raises(ConfigError, match="sample is 240: allowed are whole numbers from 0 to 239"):
        draw("in_out", sample=240)


def test_several_samples_and_attacks_have_a_row_each(draw, study):
    """Each histogram holds what the files say of the sample under the models trained with it, and without it."""
    folders = [run_folder(study, "fcn", "aof"), run_folder(study, "fcn", "baseline")]
    drawn = draw("in_out", folders, sample=[5, 40], attack=["offline", "global"])
    panels, titles = drawn.get_axes(), [part.get_suptitle() for part in drawn.subfigs]
    assert len(panels) == 2 * 3 * 2
    assert [title.split(", ")[1].split(";")[0] for title in titles] == ["sample 5 of the pool", "sample 40 of the pool"]
    assert [axes.get_xlabel() for axes in panels[:6:2]] == ["φ", "offline score", "global score"]
    with Run(folders[1]).scores() as file:  # the baseline comes first
        values, member = file["global"][:, 40], file["member"][:, 40]
    bars = [[bar.get_height() for bar in part] for part in panels[-2].containers]
    edges = np.histogram_bin_edges(values, 16)
    expected = [np.histogram(values[side], edges)[0] for side in (member, ~member)]
    np.testing.assert_array_equal(bars, expected)
    with pytest.raises(ConfigError, match="attack is 'rmia': allowed are 'online'"):
        draw("in_out", attack="rmia")
    with pytest.raises(ConfigError, match=r"figures.records: sample is \[1, 2\]: allowed is one"):
        draw("records", sample=[1, 2])


def test_in_out_says_once_what_its_runs_have_in_common(draw, study):
    alike = draw("in_out")
    assert alike.get_suptitle().startswith("Digits FCN, sample 21")
    networks = draw("in_out", [run_folder(study, name, "aof", 0) for name in ("fcn", "resnet")])
    assert networks.get_suptitle().startswith("Digits, sample 21")
    assert [axes.get_title() for axes in networks.axes[:2]] == ["FCN", "ResNet"]
