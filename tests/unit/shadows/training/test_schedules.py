import numpy as np
import pytest
import torch
from torch import nn

from lira.config import Recipe
from lira.shadows.training.schedules import rate_and_momentum


@pytest.mark.parametrize("steps", [20, 47, 3])
def test_onecycle_is_that_of_torch(steps):
    recipe = Recipe(optimizer="adamw", learning_rate=1e-3, schedule="onecycle")
    optimiser = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for step in range(steps):
        rate, momentum = rate_and_momentum(recipe, 0, np.array([step]), np.array([steps]))
        group = optimiser.param_groups[0]
        assert rate[0] == pytest.approx(group["lr"], rel=1e-9)
        assert momentum[0] == pytest.approx(group["betas"][0], rel=1e-9)
        optimiser.step()
        if step < steps - 1:
            schedule.step()


def test_cosine_is_that_of_torch():
    recipe = Recipe(epochs=12, learning_rate=0.1)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=12, eta_min=1e-6)
    for epoch in range(12):
        rate, _ = rate_and_momentum(recipe, epoch, np.zeros(2, int), np.array([5, 9]))
        assert rate == pytest.approx([optimiser.param_groups[0]["lr"]] * 2, rel=1e-9)
        optimiser.step()
        schedule.step()
