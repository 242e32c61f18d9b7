"""Sources: https://github.com/pytorch/pytorch/issues/38131, https://github.com/pytorch/pytorch/issues/65398."""

import pytest
from own_networks import Own

from lira.core.errors import NetworkError

MADE = """
def build(shape, classes, dropout):
    plain = nn.Sequential(nn.Linear(shape[0], 16), nn.ReLU(), nn.Linear(16, classes))
    return {made}
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "made",
    [
        "torch.jit.script(plain)",
        "torch.jit.trace(plain, torch.zeros(2, *shape))",
        "nn.Sequential(torch.jit.script(plain), nn.ReLU())",
    ],
)
def test_torchscript_is_refused(tmp_path, monkeypatch, made):
    found = Own(tmp_path, monkeypatch, MADE.format(made=made)).said(pytest.raises(NetworkError))
    assert found.startswith("runs.d/a/r: probe:build is or holds a TorchScript module, which is not supported: return")


@pytest.mark.parametrize("made", ["torch.fx.symbolic_trace(plain)", "nn.DataParallel(plain)", "plain"])
def test_what_else_holds_modules_is_taken(tmp_path, monkeypatch, made):
    Own(tmp_path, monkeypatch, MADE.format(made=made)).train()
