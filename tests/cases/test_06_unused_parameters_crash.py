"""Sources: https://github.com/pytorch/pytorch/issues/73697, https://github.com/roboflow/rf-detr/issues/1093."""

import numpy as np
import pytest
from own_networks import Own

from lira.core.errors import NetworkError

SPARE = """
class Spare(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.body, self.spare = nn.Linear(width, classes), nn.Linear(width, classes)
        nn.init.ones_(self.spare.weight)
    def forward(self, x):
        return self.body(x)

def build(shape, classes, dropout):
    return Spare(shape[0], classes)
"""
FAILING = """
class Failing(nn.Linear):
    def forward(self, x):
        {body}

def build(shape, classes, dropout):
    return Failing(shape[0], classes)
"""


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_parameter_that_is_not_used_is_left_alone(tmp_path, monkeypatch, caplog, optimizer):
    caplog.set_level("INFO")
    options = {"optimizer": optimizer, "weight_decay": 0.1}
    found = Own(tmp_path, monkeypatch, SPARE, **options).train()
    assert (found["weights/module.spare.weight"] == 1).all()
    assert "not used in training, and left as they are: " in caplog.text and "module.spare.weight" in caplog.text
    used = SPARE.replace("self.body(x)", "self.body(x) + 0 * self.spare(x)")
    assert (Own(tmp_path, monkeypatch, used, **options).train("used")["weights/module.spare.weight"] != 1).all()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("with torch.no_grad(): return super().forward(x)", "has no parameter to train"),
        ("return super().forward(x).detach()", "has no parameter to train"),
        (
            "assert len(x) == 16\n        return super().forward(x)",
            "(12,), 2 at a time in evaluation mode (AssertionError",
        ),
        ("assert len(x) != 9\n        return super().forward(x)", "9 at a time in training mode (AssertionError"),
        ("return super().forward(x)[:, ::0]", "at a time in evaluation mode (ValueError"),
        (
            "if self.training: raise KeyError('k')\n        return super().forward(x)",
            "in training mode (KeyError('k'))",
        ),
        ("return torch.ones(len(x), 4)", "has no parameter to train"),
        ("return super().forward(x).argmax(-1)", "returns Tensor of torch.int64 in evaluation mode"),
        ("torch.save(x, '/nowhere/x')\n        return super().forward(x)", "(RuntimeError"),
        (
            "y = super().forward(x)\n        z = y * y\n        y += 1\n        return z",
            "has no gradient (RuntimeError",
        ),
    ],
)
def test_what_a_network_raises_is_one_sentence_before_training(tmp_path, monkeypatch, body, said):
    found = Own(tmp_path, monkeypatch, FAILING.format(body=body)).said(pytest.raises(NetworkError))
    assert found.startswith("runs.d/a/r: probe:build ") and said in found


def test_so_is_what_a_few_samples_alone_raise(tmp_path, monkeypatch):
    body = "if self.training and x.max() > 5: raise IndexError('index out of range in self')\n"
    body += "        return super().forward(x * 1)"
    rare = "def load():\n    x = np.zeros((261, 12)); x[::2, 0] = 1; x[100, 0] = 99\n"
    rare += "    return {'x': x, 'y': np.arange(261) % 4}\n"
    own = Own(tmp_path, monkeypatch, rare + FAILING.format(body=body))
    with pytest.raises(NetworkError, match=r"^runs.d/a/r: probe:build cannot take samples .*IndexError\('index out"):
        own.train()


def test_memory_that_is_full_is_no_fault_of_the_network(tmp_path, monkeypatch):
    body = "if len(x) == 16: raise torch.OutOfMemoryError('full')\n        return super().forward(x)"
    with pytest.raises(Exception, match="1 models at a time do not fit into the memory of cpu"):
        Own(tmp_path, monkeypatch, FAILING.format(body=body)).train()


def test_layers_of_which_some_are_skipped_resume_bit_for_bit(tmp_path, monkeypatch):
    body = "y = super().forward(x)\n        return y if self.training and torch.rand(()) < 0.5 else y + self.other(x)"
    code = FAILING.format(body=body).replace(
        "    return Failing(shape[0], classes)",
        "    x = Failing(shape[0], classes)\n    x.other = nn.Linear(shape[0], classes)\n    return x",
    )
    found = [Own(tmp_path, monkeypatch, code, optimizer="adamw").train(name) for name in ("one", "two")]
    assert np.array_equal(found[0]["phi"], found[1]["phi"])
