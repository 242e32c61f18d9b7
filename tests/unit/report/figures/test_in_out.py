import pytest
from synthetic_study import run_folder

from lira.core.errors import ConfigError


def test_in_out_counts_every_model(draw):
    panels = draw("in_out", sample=5).get_axes()
    assert len(panels) == 6
    for axes in panels:
        assert sum(bar.get_height() for bar in axes.patches) == 16
        assert sum(len(rug.get_segments()) for rug in axes.collections) == 16
    with pytest.raises(ConfigError, match="sample is 240: allowed are whole numbers from 0 to 239"):
        draw("in_out", sample=240)


def test_in_out_says_once_what_its_runs_have_in_common(draw, study):
    alike = draw("in_out")
    assert alike.get_suptitle().startswith("Digits FCN, sample 21")
    networks = draw("in_out", [run_folder(study, name, "aof", 0) for name in ("fcn", "resnet")])
    assert networks.get_suptitle().startswith("Digits, sample 21")
    assert [axes.get_title() for axes in networks.axes[:2]] == ["FCN", "ResNet"]
