import numpy as np
import pytest
import torch
from plain.training import optimiser
from torch import nn

from lira.config import Recipe
from lira.shadows.training.optimizers import decays, initial_state, update
from lira.shadows.training.schedules import rate_and_momentum


@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("own", [{}, {"betas": [0.8, 0.95], "eps": 1e-2}], ids=["default", "own"])
@pytest.mark.parametrize("name", ["sgd", "adamw", "adam"])
def test_optimisers_are_those_of_torch(name, spread, own):
    torch.manual_seed(0)
    recipe = Recipe(optimizer=name, momentum=0.9, weight_decay=0.03, **own)
    beta1 = rate_and_momentum(recipe, 0, np.zeros(3, int), np.ones(3, int))[1]
    start = {"a.weight": torch.randn(3, 4, 2), "a.bias": torch.randn(3, 2), "bn1.weight": torch.randn(3, 5)}
    ours = {key: value.clone() for key, value in start.items()}
    state = initial_state(ours, recipe)
    rates = np.array([0.1, 0.01, 0.03] if spread else [0.02] * 3)
    theirs, optimisers = [], []
    for model in range(3):
        theirs.append({key: nn.Parameter(value[model].clone()) for key, value in start.items()})
        optimisers.append(optimiser(theirs[-1], recipe, float(rates[model])))
    for step in range(5):
        gradients = {key: torch.randn_like(value) for key, value in start.items()}
        copies = {key: value.clone() for key, value in gradients.items()}
        update(ours, copies, state, recipe, np.full(3, step), rates, beta1)
        for model in range(3):
            for key, parameter in theirs[model].items():
                parameter.grad = gradients[key][model].clone()
            optimisers[model].step()
    for model in range(3):
        for key, parameter in theirs[model].items():
            torch.testing.assert_close(ours[key][model], parameter.data, atol=1e-6, rtol=1e-5)


def test_weight_decay_spares_what_the_paper_spares():
    assert decays("blocks.0.bn1.weight", "sgd") and not decays("blocks.0.bn1.bias", "sgd")
    assert not decays("blocks.0.bn1.weight", "adamw") and decays("blocks.0.shortcut.1.weight", "adamw")
    assert decays("blocks.0.bn1.weight", "adam") and decays("blocks.0.bn1.bias", "adam")
