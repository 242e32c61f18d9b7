"""Sources: https://github.com/aidotse/LeakPro/issues/116, https://github.com/AI-SDC/SACRO-ML/issues/353."""

import pytest
from own_networks import Own

from lira.core.errors import NetworkError

NETWORK = """
class Net(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return {end}

def build(shape, classes, dropout):
    return Net(shape[0], {outputs})
"""


@pytest.mark.parametrize(
    ("end", "outputs", "mode"),
    [
        ("y.softmax(-1)", "classes", "evaluation"),
        ("y.softmax(-1) if self.training else y", "classes", "training"),
        ("y if self.training else y.softmax(-1)", "classes", "evaluation"),
        ("y.sigmoid()", "classes", "evaluation"),
        ("y.sigmoid()", "1", "evaluation"),
        ("y.softmax(-1).half()", "classes", "evaluation"),
    ],
)
def test_probabilities_are_noticed(tmp_path, monkeypatch, end, outputs, mode):
    code = NETWORK.format(end=end, outputs=outputs)
    found = Own(tmp_path, monkeypatch, code, classes=2 if outputs == "1" else 4).said(pytest.raises(NetworkError))
    assert found.startswith(f"runs.d/a/r: probe:build returns probabilities in {mode} mode: return logits")


@pytest.mark.parametrize("end", ["y.log_softmax(-1)", "y * 0.001 + 0.5", "y * 1e6", "y.double()", "y.bfloat16()"])
def test_logits_are_taken_whatever_their_size(tmp_path, monkeypatch, end):
    Own(tmp_path, monkeypatch, NETWORK.format(end=end, outputs="classes")).train()


def test_a_last_layer_of_zeros_is_taken(tmp_path, monkeypatch):
    code = (
        NETWORK.format(end="y", outputs="classes").replace("return Net(", "x = Net(") + "    nn.init.zeros_(x.weight)\n"
    )
    Own(tmp_path, monkeypatch, code + "    nn.init.zeros_(x.bias)\n    return x\n").train()
