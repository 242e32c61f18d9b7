"""Learning-rate schedules as functions of the step: cosine per epoch, after a warm-up per batch; OneCycle; constant."""

import numpy as np
from jaxtyping import Float, Int

from lira.config import Recipe

COSINE_END = 1e-6
PEAK = 3.0  # OneCycle's peak over the recipe's learning rate
WARMUP_START = 0.1  # the first step's share of the learning rate
RISE = 0.3  # fraction of OneCycle's steps that go up
MOMENTUM = (0.95, 0.85)  # at the ends and at the peak of OneCycle; beta1 of Adam


def rate_and_momentum(
    recipe: Recipe, epoch: int, step: Int[np.ndarray, " m"], steps: Int[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Computes the learning rate and momentum (Adam: beta1) of each model.

    Args:
        recipe: Gives the schedule and its settings.
        epoch: Index of the epoch, from 0.
        step: Number of steps that each model has taken.
        steps: Number of steps in each model's whole training.
    """
    momentum = np.full(len(step), recipe.momentum if recipe.optimizer == "sgd" else recipe.betas[0])
    rate = np.full(len(step), recipe.learning_rate)
    if recipe.warmup_epochs:
        warm = (recipe.warmup_epochs * (steps // recipe.epochs)).astype(int)
        part = (step - warm) / (steps - warm)
        rising = recipe.learning_rate * (WARMUP_START + (1 - WARMUP_START) * step / np.maximum(warm, 1))
        rate = np.where(step < warm, rising, _cosine(recipe.learning_rate, COSINE_END, part))
    elif recipe.schedule == "cosine":
        rate[:] = COSINE_END + (recipe.learning_rate - COSINE_END) * (1 + np.cos(np.pi * epoch / recipe.epochs)) / 2
    elif recipe.schedule == "onecycle":
        peak = PEAK * recipe.learning_rate
        start, end = peak / 25, peak / 25 / 1e4
        top, last = RISE * steps - 1, steps - 1
        up = step <= top
        part = np.where(up, step / np.where(top > 0, top, 1), (step - top) / (last - top))
        rate = np.where(up, _cosine(start, peak, part), _cosine(peak, end, part))
        momentum = np.where(up, _cosine(*MOMENTUM, part), _cosine(*MOMENTUM[::-1], part))
    return rate, momentum


def _cosine(start: float, end: float, part: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    return end + (start - end) / 2 * (1 + np.cos(np.pi * part))
