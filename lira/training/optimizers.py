"""SGD and AdamW on parameters with a leading model axis, each model with its own learning rate.

``torch.optim`` takes one rate for all; under OneCycle the rate depends on a model's number of members. The
arithmetic is that of ``torch.optim.SGD`` and ``torch.optim.AdamW``.
"""

import torch
from torch import Tensor

from lira.config import Recipe

Tensors = dict[str, Tensor]

ADAM_BETA2, ADAM_EPSILON = 0.999, 1e-8


def decays(name: str, optimizer: str) -> bool:
    """Whether weight decay applies to a parameter of this name (paper, section 2)."""
    return "bias" not in name and not (optimizer == "adamw" and "bn" in name)


def initial_state(parameters: Tensors, recipe: Recipe) -> Tensors:
    """Momentum buffers, zero, named ``<buffer>.<parameter>``; for adamw also the step count ``step [m]``."""
    buffers = ("momentum",) if recipe.optimizer == "sgd" else ("mean", "square")
    state = {f"{buffer}.{name}": torch.zeros_like(p) for buffer in buffers for name, p in parameters.items()}
    models = len(next(iter(parameters.values())))
    return state if recipe.optimizer == "sgd" else state | {"step": torch.zeros(models)}


@torch.no_grad()
def update(
    parameters: Tensors, gradients: Tensors, state: Tensors, recipe: Recipe, rate: Tensor, momentum: Tensor
) -> None:
    """One optimiser step in place.

    Args:
        parameters: Each ``[m, ...]``.
        gradients: Of the sum of the models' losses, by parameter name.
        state: From :func:`initial_state`.
        recipe: ``optimizer``, ``weight_decay``.
        rate: Learning rate of each model, ``[m]``.
        momentum: Momentum (AdamW: beta1) of each model, ``[m]``.
    """
    if recipe.optimizer == "adamw":
        state["step"] += 1
    for name, parameter in parameters.items():
        decay = recipe.weight_decay if decays(name, recipe.optimizer) else 0.0
        shape = (-1, *[1] * (parameter.dim() - 1))
        if recipe.optimizer == "sgd":
            _sgd(parameter, gradients[name], state[f"momentum.{name}"], rate.view(shape), momentum.view(shape), decay)
        else:
            moments = state[f"mean.{name}"], state[f"square.{name}"]
            step = state["step"].view(shape)
            _adamw(parameter, gradients[name], *moments, step, rate.view(shape), momentum.view(shape), decay)


def _sgd(parameter: Tensor, gradient: Tensor, buffer: Tensor, rate: Tensor, momentum: Tensor, decay: float) -> None:
    if decay:
        gradient = gradient.add(parameter, alpha=decay)
    buffer.mul_(momentum).add_(gradient)
    parameter.addcmul_(rate, gradient.addcmul(momentum, buffer), value=-1)


def _adamw(
    parameter: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    step: Tensor,
    rate: Tensor,
    beta1: Tensor,
    decay: float,
) -> None:
    if decay:
        parameter.mul_(1 - rate * decay)
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(ADAM_BETA2).addcmul_(gradient, gradient, value=1 - ADAM_BETA2)
    scale = square.sqrt().div_((1 - ADAM_BETA2**step).sqrt()).add_(ADAM_EPSILON)
    parameter.sub_(rate / (1 - beta1**step) * mean / scale)
