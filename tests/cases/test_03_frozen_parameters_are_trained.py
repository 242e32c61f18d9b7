"""Sources: https://github.com/oval-group/dfw/issues/5, https://github.com/OpenMined/PySyft/issues/3189."""

import numpy as np
import pytest
import torch
from own_networks import Own
from torch import nn

from lira.config import Architecture, Recipe
from lira.core.errors import NetworkError
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import start as start_of
from lira.shadows.training.cohort import train_step

PROBING = """
def build(shape, classes, dropout):
    body = nn.Linear(shape[0], 16)
    nn.init.ones_(body.weight)
    for p in body.parameters():
        p.requires_grad_(False)
    return nn.Sequential(body, nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, classes))
"""


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_frozen_parameters_stay_as_they_are(tmp_path, monkeypatch, optimizer):
    found = Own(tmp_path, monkeypatch, PROBING, optimizer=optimizer, weight_decay=0.1).train()
    assert (found["weights/module.0.weight"] == 1).all()
    assert not np.array_equal(found["weights/module.3.weight"][0], found["weights/module.3.weight"][1])
    assert (found["weights/module.1.running_mean"] != 0).all()
    thawed = PROBING.replace("requires_grad_(False)", "requires_grad_(True)")
    assert (Own(tmp_path, monkeypatch, thawed).train("thawed")["weights/module.0.weight"] != 1).any()


def test_frozen_initial_values_are_of_each_models_own_stream(tmp_path, monkeypatch):
    found = Own(tmp_path, monkeypatch, PROBING.replace("ones_", "xavier_normal_")).train()["weights/module.0.weight"]
    for model in range(4):
        with torch.random.fork_rng([]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator(0, model, INITIAL))))
            body = nn.Linear(12, 16)
            nn.init.xavier_normal_(body.weight)
        assert np.array_equal(found[model], body.weight.detach().numpy())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("x.weight.register_hook(lambda g: g * 0)", "probe:build has a gradient hook on weight"),
        ("x.weight.register_post_accumulate_grad_hook(lambda p: None)", "probe:build has a gradient hook on weight"),
        ("x.requires_grad_(False)", "probe:build has no parameter to train"),
        ("x.weight = nn.Parameter(x.weight.to(torch.complex64))", "trains weight of torch.complex64"),
        ("x = nn.LazyLinear(classes)", "probe:build leaves the shape of weight open"),
        ("x.get_extra_state = lambda: 3", "has a state_dict of its own, as to _extra_state"),
        ("x.state_dict = lambda **_: {}", "has a state_dict of its own, as to bias"),
    ],
)
def test_what_would_be_lost_is_refused(tmp_path, monkeypatch, change, said):
    if "extra" in change:
        code = (
            "class X(nn.Linear):\n    def get_extra_state(self): return 3\n    def set_extra_state(self, s): pass\n"
            "def build(shape, classes, dropout): return X(shape[0], classes)\n"
        )
    else:
        code = (
            f"def build(shape, classes, dropout):\n    x = nn.Linear(shape[0], classes)\n    {change}\n    return x\n"
        )
    found = Own(tmp_path, monkeypatch, code).said(pytest.raises(NetworkError))
    assert found.startswith("runs.d/a/r: ") and said in found


class Part(nn.Module):
    """Trains its first layer in its last two thirds of the steps alone, and never its second."""

    def __init__(self):
        super().__init__()
        self.early, self.never, self.late = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.calls += 1
        return x + self.early(x) if self.calls % 3 == 1 else x + self.late(x)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_steps_that_do_not_use_a_parameter_are_those_of_torch_optim(monkeypatch, optimizer):
    monkeypatch.setattr("lira.shadows.models.load_function", lambda _: lambda *_: Part())
    recipe = Recipe(batch_size=8, optimizer=optimizer, schedule="constant", learning_rate=0.02, weight_decay=0.01)
    network = build(Architecture(family="a:b"), 1, (4,), 4, 0.0)
    initial = initialise(network, [generator(0, 0, INITIAL)])
    alone = Part()
    alone.load_state_dict({name.removeprefix("module."): value[0] for name, value in initial.items()})
    decayed = [p for name, p in alone.named_parameters() if "bias" not in name]
    rest = [p for name, p in alone.named_parameters() if "bias" in name]
    groups = [{"params": decayed}, {"params": rest, "weight_decay": 0.0}]
    if optimizer == "sgd":
        optim = torch.optim.SGD(groups, 0.02, momentum=0.9, nesterov=True, weight_decay=0.01)
    else:
        optim = torch.optim.AdamW(groups, 0.02, betas=(0.9, 0.999), weight_decay=0.01)
    x, y = torch.randn(8, 4), torch.arange(8) % 4
    pool = _samples(x.numpy(), y.numpy())
    state = start_of(network, initial, recipe, 1).state
    network.train()
    for _ in range(7):
        train_step(network, state, recipe, pool, torch.arange(8)[None], Streams(0, [0]), 0, np.array([100]))
        optim.zero_grad()
        nn.functional.cross_entropy(alone(x), y).backward()
        optim.step()
    for name, value in alone.named_parameters():
        torch.testing.assert_close(state.parameters[f"module.{name}"][0], value.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(state.parameters["module.never.weight"], initial["module.never.weight"])


def _samples(x, y):
    from lira.datasets import Part as Data
    from lira.shadows.training.cohort import Samples

    return Samples(Data(x, y, 1.0, np.zeros(4), np.ones(4), 4), "cpu")
