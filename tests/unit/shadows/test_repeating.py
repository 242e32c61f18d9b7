"""The check that a network from elsewhere repeats itself."""

import numpy as np
import pytest
import torch
from torch import nn

from lira.config import Recipe
from lira.core.errors import NetworkError
from lira.datasets import Part
from lira.shadows.models.single import Single
from lira.shadows.repeating import check_repeating


class Net(nn.Module):
    """Two layers; ``add`` gives it more, and ``change`` returns what becomes of the logits."""

    def __init__(self, add, change):
        super().__init__()
        self.one, self.other, self.change = nn.Linear(6, 8), nn.Linear(8, 3), change
        add(self)

    def forward(self, x):
        return self.change(self, self.other(torch.relu(self.one(x.to(self.one.weight.dtype)))))


def check(add, change=lambda module, logits: logits):
    rng = np.random.default_rng(0)
    part = Part(rng.normal(size=(12, 6)).astype(np.float32), np.arange(12) % 3, 1.0, np.zeros(6), np.ones(6), 3)
    check_repeating(Single(lambda: Net(add, change), name="net", classes=3), Recipe(batch_size=4), part)


def gated(make):
    def add(module):
        module.gate = make(torch.ones(3))
        module.kept, module.named = [module.gate], {"gate": module.gate}

    return add


def buffered(module):
    module.register_buffer("gate", torch.ones(3))
    module.kept = [module.gate]


def moving(module, logits):
    module.gate.add_(float(module.training))
    return logits * module.kept[0]


@pytest.mark.parametrize(
    ("add", "change"),
    [
        (gated(nn.Parameter), lambda module, logits: logits * module.kept[0]),
        (gated(nn.Parameter), lambda module, logits: logits + module.named["gate"] - module.gate),
        (gated(nn.Parameter), lambda module, logits: logits * module.kept[0] if module.training else logits),
        (buffered, moving),
    ],
    ids=["list", "dict", "in training", "buffer"],
)
def test_parameters_that_forward_takes_from_elsewhere_are_refused_whatever_their_initial_values(add, change):
    """In the list lies the tensor that was registered, and the suite trains others in its place."""
    with pytest.raises(NetworkError, match="or that it also keeps in a list or another attribute"):
        check(add, change)


def counting(step):
    def change(module, logits):
        module.calls = step(module.calls, module.training)
        return logits if module.calls < 20 else logits / 2

    return change


@pytest.mark.parametrize(
    "step",
    [
        lambda calls, training: calls + 1,
        lambda calls, training: calls + training,
        lambda calls, training: calls + (not training),
        lambda calls, training: 1 - calls,
        lambda calls, training: 1 - calls if training else calls,
    ],
    ids=["calls", "training", "evaluation", "every other", "every other step"],
)
def test_attributes_that_count_calls_are_refused(step):
    with pytest.raises(NetworkError, match="^net changes calls in training"):
        check(lambda module: setattr(module, "calls", 0), counting(step))


def itself(module):
    module.found = {"one": [module]}
    module.found["one"].append(module.found["one"])
    module.found["all"] = module.found
    object.__setattr__(module, "me", module)


@pytest.mark.parametrize(
    "add",
    [
        lambda module: module.bfloat16(),
        lambda module: module.half(),
        lambda module: module.double(),
        itself,
        lambda module: setattr(module, "near", torch.eye(3).to_sparse()),
        lambda module: module.register_buffer("near", torch.eye(3).to_sparse(), persistent=False),
        buffered,
    ],
    ids=["bfloat16", "float16", "float64", "itself", "sparse", "sparse buffer", "constant in a list"],
)
def test_what_stays_as_it_is_may_be_of_any_kind(add):
    check(add, lambda module, logits: logits * module.kept[0] if hasattr(module, "kept") else logits)
