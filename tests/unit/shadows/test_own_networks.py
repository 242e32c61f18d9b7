"""Networks of one's own: what they do to their weights counts, and what would be lost or fail late is refused."""

import logging

import h5py
import numpy as np
import pytest
from own_networks import Own, same

from lira.core.errors import NetworkError

NORMED = """
class Normed(nn.Linear):
    def forward(self, x):
        {}
        return super().forward(x)


def build(shape, classes, dropout):
    return Normed(12, classes)
"""
TEACHER = """
import copy


class Taught(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.student = nn.Linear(12, classes)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, x):
        if not self.training:
            return self.teacher(x)
        for own, other in zip(self.teacher.parameters(), self.student.parameters()):
            {}
        return self.student(x)


def build(shape, classes, dropout):
    return Taught(classes)
"""
CHECKPOINTED = """
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, classes))

    def forward(self, x):
        return {}


def build(shape, classes, dropout):
    return Net(classes)
"""
FROZEN = """
class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.norm, self.layer = nn.BatchNorm1d(12), nn.Linear(12, classes)
        self.norm.running_mean += 1

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return self.layer(self.norm(x))


def build(shape, classes, dropout):
    return Net(classes)
"""
NET = """
class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(12, classes)
        {init}

    {train}

    def forward(self, x):
        {forward}


def build(shape, classes, dropout):
    {build}
    return Net(classes)
"""


def trained(folder, monkeypatch, code, **recipe):
    folder.mkdir()
    return Own(folder, monkeypatch, code, **recipe).train()


@pytest.mark.parametrize(
    ("code", "assigned", "in_place"),
    [
        (
            NORMED,
            "self.weight.data = torch.renorm(self.weight.data, 2, 0, 0.5)",
            "self.weight.data.copy_(torch.renorm(self.weight.data, 2, 0, 0.5))",
        ),
        (TEACHER, "own.data = 0.9 * own.data + 0.1 * other.data", "own.data.mul_(0.9).add_(0.1 * other.data)"),
    ],
    ids=["max norm", "moving teacher"],
)
def test_values_assigned_to_data_count_like_those_written_in_place(tmp_path, monkeypatch, code, assigned, in_place):
    """As EEGNet bounds the norm of its weights, and MoCo moves its second encoder."""
    one = trained(tmp_path / "one", monkeypatch, code.replace("{}", assigned), epochs=4)
    other = trained(tmp_path / "other", monkeypatch, code.replace("{}", in_place), epochs=4)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_gradient_checkpointing_gives_the_same_models(tmp_path, monkeypatch):
    """https://pytorch.org/docs/stable/checkpoint.html"""
    code = CHECKPOINTED.replace("{}", "self.block(x)")
    again = CHECKPOINTED.replace("{}", "checkpoint(self.block, x, use_reentrant=False)")
    assert same(trained(tmp_path / "one", monkeypatch, code), trained(tmp_path / "other", monkeypatch, again))


def test_batchnorm_that_the_network_freezes_is_frozen_in_the_query(tmp_path, monkeypatch):
    """As of https://pytorch.org/docs/stable/generated/torch.nn.Module.html, ``train`` may be a network's own."""
    batch, running = (
        trained(tmp_path / mode, monkeypatch, FROZEN, query_batchnorm=mode)["phi"] for mode in ("batch", "running")
    )
    np.testing.assert_array_equal(batch, running)


MERGING = """def train(self, mode=True):
        super().train(mode)
        self.layer.weight.data *= 1 if mode else 2
        return self"""
CACHING = """if self.training:
            self.kept = None
        else:
            self.kept = self.layer.weight.detach().clone() if self.kept is None else self.kept
            return x @ self.kept.T
        return self.layer(x)"""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": MERGING}, "changes layer.weight in train() or eval(), which are called without the weights"),
        ({"init": "self.kept = None", "forward": CACHING}, "gives logits of weights that it had in an earlier call"),
        (
            {"init": "self.more = nn.Linear(12, int(torch.randint(1, 10**6, ())))"},
            "has other parameters or buffers each",
        ),
        ({"init": "self.register_buffer('z', torch.ones(2) * 1j)"}, "has complex numbers in z"),
        (
            {"forward": "self.layer.weight = nn.Parameter(self.layer.weight * 1); return self.layer(x)"},
            "a parameter in",
        ),
        (
            {
                "init": "self.register_buffer('h', torch.zeros(1))",
                "forward": "self.h = x.mean(0); return self.layer(x)",
            },
            "gives h another shape or type in forward",
        ),
        (
            {
                "init": "self.words = nn.Embedding(5, 12, sparse=True)",
                "forward": "return self.layer(x + self.words((x[:, 0] > 0).long()))",
            },
            "sparse=False",
        ),
        ({"forward": "return self.layer(x) / 0 * 0"}, "logits that are not finite, before any training"),
        ({"forward": "return self.layer(x) * 0"}, "the same logits in"),
        ({"forward": "import sys; sys.exit(3)"}, "it ends the program with '3'"),
    ],
    ids=["merged", "cached", "random", "complex", "reassigned", "grown", "sparse", "nan", "constant", "exit"],
)
def test_what_would_be_lost_or_fail_late_is_refused(tmp_path, monkeypatch, changes, said):
    parts = {"init": "", "train": "", "forward": "return self.layer(x)", "build": ""} | changes
    code = NET
    for name, text in parts.items():
        code = code.replace(f"{{{name}}}", text)
    refused = Own(tmp_path, monkeypatch, code).said(pytest.raises(NetworkError))
    assert refused.startswith("runs.d/a/r: ") and said in refused, refused


def test_one_module_for_all_models_is_refused(tmp_path, monkeypatch):
    code = "ONLY = nn.Linear(12, 4)\n\n\ndef build(shape, classes, dropout):\n    return ONLY\n"
    said = Own(tmp_path, monkeypatch, code).said(pytest.raises(NetworkError))
    assert said == "runs.d/a/r: probe:build returns the same module in each call: make a new one each time"


def test_models_that_start_alike_are_said(tmp_path, monkeypatch, caplog):
    code = "def build(shape, classes, dropout):\n    torch.manual_seed(0)\n    return nn.Linear(12, classes)\n"
    with caplog.at_level(logging.WARNING):
        Own(tmp_path, monkeypatch, code).train()
    assert "probe:build: all shadow models start from the same weights" in caplog.text


def test_an_empty_parameter_is_stored(tmp_path, monkeypatch):
    code = NET.replace("{init}", "self.none = nn.Parameter(torch.zeros(0))").replace("{train}", "")
    code = code.replace("{forward}", "return self.layer(x) + self.none.sum()").replace("{build}", "")
    Own(tmp_path, monkeypatch, code).train()
    (file,) = (tmp_path / "0-3").glob("*.h5")
    with h5py.File(file) as stored:
        assert stored["weights/module.none"].shape == (4, 0)
