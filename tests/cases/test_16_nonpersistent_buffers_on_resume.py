"""Source: https://github.com/pytorch/pytorch/issues/45012."""

import numpy as np
import pytest
from own_networks import Own, same

from lira.core import preemption
from lira.core.errors import NetworkError
from lira.shadows.training import cohort

NETWORK = """
import random
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

HISTORY = []

class Net(nn.Module):
    def __init__(self, i, c):
        super().__init__()
        self.a = nn.Linear(i, c)
        {made}
    def forward(self, x):
        {step}
        return self.a(x - {used})

def build(shape, classes, dropout):
    return Net(shape[0], classes)
"""
AVERAGE = "if self.training: self.h = .9 * self.h + .1 * x.mean(0).detach()"


@pytest.mark.parametrize(
    ("made", "step", "used", "name"),
    [
        ("self.register_buffer('h', torch.zeros(i), persistent=False)", AVERAGE, "self.h", "h"),
        ("self.h = torch.zeros(i)", AVERAGE, "self.h", "h"),
        ("self.h = torch.zeros(i)", "self.h += x.mean(0).detach()", "self.h", "h"),
        ("self.h = 0", "self.h += self.training", "(0 if self.h < 1000 else 1)", "h"),
        ("self.h = [0.0]", "self.h.append(float(x.mean()))", "0", "h"),
        ("self.h = {'m': np.zeros(12)}", "self.h['m'] = self.h['m'] * .9 + x.mean(0).numpy()", "0", "h"),
        ("self.h = 0.", "if self.training: self.h = float(x.mean())", "self.h", ""),
        ("self.h = torch.rand(i)", "pass", "self.h", "h"),
        ("self.a.h = torch.rand(i)", "pass", "self.a.h", "a.h"),
        ("self.h = [nn.Linear(i, i)]", "pass", "self.h[0](x)", ""),
        ("self.h = torch.Generator()", "pass", "torch.rand((), generator=self.h)", ""),
        ("pass", "pass", "random.random()", ""),
        ("pass", "pass", "np.random.rand()", ""),
        ("pass", "HISTORY.append(x.mean())", "0.1 * len(HISTORY)", ""),
    ],
)
def test_state_that_is_not_saved_is_refused(tmp_path, monkeypatch, made, step, used, name):
    code = NETWORK.format(made=made, step=step, used=used)
    found = Own(tmp_path, monkeypatch, code).said(pytest.raises(NetworkError))
    said = f"changes {name} in training, or draws it at random" if name else "does not repeat itself"
    assert found.startswith(f"runs.d/a/r: probe:build {said}")


@pytest.mark.parametrize(
    ("made", "step", "used"),
    [
        ("self.register_buffer('h', torch.zeros(i))", AVERAGE, "self.h"),
        ("self.register_buffer('h', torch.ones(i), persistent=False)", "pass", "self.h"),
        ("self.h = None", "self.h = x.mean(0)", "self.h"),
        ("self.h = None", "self.h = torch.ones(12) if self.h is None else self.h", "self.h"),
        ("self.a = weight_norm(self.a)", "pass", "0"),
        ("self.a = spectral_norm(self.a)", "pass", "0"),
        ("self.a = parametrizations.weight_norm(self.a)", "pass", "0"),
        ("self.a = parametrizations.orthogonal(self.a)", "pass", "0"),
        ("self.h = nn.GRU(1, i, batch_first=True)", "pass", "self.h(x[..., None])[0][:, -1]"),
        ("self.h = nn.Dropout()", "pass", "self.h(x)"),
        ("pass", "pass", "torch.rand_like(x)"),
        ("self.h = nn.MultiheadAttention(12, 3)", "pass", "self.h(x, x, x)[0]"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_the_rest_resumes_bit_for_bit(tmp_path, monkeypatch, made, step, used):
    own = Own(tmp_path, monkeypatch, NETWORK.format(made=made, step=step, used=used), epochs=4)
    whole = own.train("whole")
    calls, train_epoch = [], cohort.train_epoch

    def stop(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise preemption.Preempted
        return train_epoch(*arguments)

    with monkeypatch.context() as patch, pytest.raises(preemption.Preempted):
        patch.setattr(cohort, "train_epoch", stop)
        own.train("stopped")
    assert list((tmp_path / "stopped").glob("*.pt"))
    assert same(whole, own.train("stopped"))


def test_what_the_sentence_names_helps(tmp_path, monkeypatch):
    made = "self.register_buffer('h', torch.rand(i))"
    found = Own(tmp_path, monkeypatch, NETWORK.format(made=made, step="pass", used="self.h")).train()
    assert not np.array_equal(*found["weights/module.h"][:2])
