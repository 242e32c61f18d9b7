"""Sources: https://github.com/pytorch/vision/issues/302, https://github.com/IBM/ai-privacy-toolkit/issues/48."""

import numpy as np
import pytest
import torch
from own_networks import Own, same

from lira.core.errors import NetworkError
from lira.datasets import read_part
from lira.shadows.weights import load_model

NETWORK = """
from collections import namedtuple
from types import SimpleNamespace

class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.a = nn.Linear(width, classes)
        self.b = nn.Linear(width, classes)
    def forward(self, x):
        y = self.a(x)
        {body}

def build(shape, classes, dropout):
    return Net(shape[0], classes)
"""


@pytest.mark.parametrize(
    "body",
    [
        "return y, self.b(x)",
        "return (y, self.b(x)) if self.training else y",
        "return y if self.training else (y, self.b(x))",
        "return [y]",
        "return SimpleNamespace(logits=y, loss=None)",
        "return {'loss': None, 'logits': y}",
        "return namedtuple('Out', ['aux', 'logits'])(self.b(x), y)",
    ],
)
def test_logits_are_found_in_both_modes(tmp_path, monkeypatch, body):
    plain = Own(tmp_path, monkeypatch, NETWORK.format(body="return y")).train("plain")
    found = Own(tmp_path, monkeypatch, NETWORK.format(body=body)).train()
    assert same(plain, found)
    (models,) = (tmp_path / "0-3").glob("*.h5")
    assert load_model(models, 0, tmp_path / "data.h5")(torch.zeros(3, 12)).shape == (3, 4)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {'out': y}", "returns dict with keys 'out' in evaluation mode: logits [batch, classes] are needed"),
        ("return {'out': y} if self.training else y", "returns dict with keys 'out' in training mode"),
        ("return y if self.training else None", "returns NoneType in evaluation mode"),
        ("return ()", "returns tuple in evaluation mode"),
        ("return SimpleNamespace(out=y)", "returns SimpleNamespace in evaluation mode"),
        ("return (y.mean(), y)", "gives logits of shape () for 2 samples, they must be (2, 4)"),
        ("return y[:, :3] if self.training else y", "gives logits of shape (2, 3) for 2 samples, they must be (2, 4)"),
        ("return y.detach().numpy()", "returns ndarray in evaluation mode"),
    ],
)
def test_what_has_no_logits_is_refused(tmp_path, monkeypatch, body, said):
    found = Own(tmp_path, monkeypatch, NETWORK.format(body=body)).said(pytest.raises(NetworkError))
    assert found.startswith("runs.d/a/r: probe:build ") and said in found


@pytest.mark.parametrize("body", ["return y", "return y.squeeze(-1)"])
def test_one_output_for_two_classes_is_a_logit_of_class_1(tmp_path, monkeypatch, body):
    code = NETWORK.format(body=body).replace("nn.Linear(width, classes)", "nn.Linear(width, 1)")
    found = Own(tmp_path, monkeypatch, code, classes=2).train()
    assert (found["logits"][..., 0] == 0).all() and found["logits"].shape[-1] == 2
    sign = 2 * read_part(tmp_path / "data.h5", "pool").y[:, None] - 1
    np.testing.assert_allclose(found["phi"], sign * found["logits"][..., 1], atol=1e-4)
    assert (found["utility/test_accuracy"] > 0.6).all()
