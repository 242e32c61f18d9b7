"""Sources: https://github.com/tensorflow/privacy/issues/427, https://github.com/fastai/fastai/issues/1352."""

import pytest
from own_networks import Own

from lira.core.errors import NetworkError

NORMED = """
def build(shape, classes, dropout):
    return nn.Sequential(nn.Linear(shape[0], 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes))
"""
STANDARDISED = """
class Standard(nn.Module):
    def forward(self, x): return (x - x.mean(0)) / x.std(0)

def build(shape, classes, dropout):
    return nn.Sequential(Standard(), nn.Linear(shape[0], classes))
"""
IMAGES = "\ndef build(*_): pass\nold = load\ndef load():\n    y = old()['y']\n    rng = np.random.default_rng(0)\n"
IMAGES += "    return {'x': rng.integers(0, 99, (261, 8, 8, 3)).astype(np.uint8), 'y': y}\n"


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize("code", [NORMED, STANDARDISED], ids=["batchnorm", "nan"])
def test_a_last_query_batch_of_one_is_refused_before_training(tmp_path, monkeypatch, code):
    said = Own(tmp_path, monkeypatch, code, batch_size=10).said(pytest.raises(NetworkError))
    for part in ("runs.d/a/r: batch_size is 10", "pool's 201 samples", "last batch has one sample", "set 9 or 11"):
        assert part in said
    assert ("Expected more than 1 value per channel" in said) == (code == NORMED)


def test_what_the_sentence_names_helps(tmp_path, monkeypatch):
    for recipe in ({"batch_size": 9}, {"batch_size": 11}, {"batch_size": 10, "query_batchnorm": "running"}):
        Own(tmp_path, monkeypatch, NORMED, **recipe).train(f"{recipe}")


def test_training_on_one_sample_at_a_time_is_refused(tmp_path, monkeypatch):
    said = Own(tmp_path, monkeypatch, NORMED, batch_size=1).said(pytest.raises(NetworkError))
    assert "batch_size is 1: in training" in said and "set 2 or more" in said


@pytest.mark.parametrize(
    "architecture", [{"family": "resnet", "widths": [4, 8, 16, 32]}, {"family": "timm", "name": "resnet18"}]
)
@pytest.mark.parametrize("size", [1, 10])
def test_so_are_the_suites_networks_and_those_of_timm(tmp_path, monkeypatch, architecture, size):
    monkeypatch.setattr(Own, "KIND", "image", raising=False)
    own = Own(tmp_path, monkeypatch, IMAGES, architecture=architecture, batch_size=size)
    said = own.said(pytest.raises(NetworkError))
    assert f"batch_size is {size}: in " in said and "has one sample" in said
