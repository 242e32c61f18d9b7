"""SGD and AdamW on parameters with a leading model axis, each model with its own learning rate.

``torch.optim`` takes one rate for all; under OneCycle the rate depends on a model's number of members. The
arithmetic is that of ``torch.optim.SGD`` and ``torch.optim.AdamW``.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lira.config import Recipe

Tensors = dict[str, Tensor]

ADAM_BETA2, ADAM_EPSILON = 0.999, 1e-8


def decays(name: str, optimizer: str) -> bool:
    """Whether weight decay applies to a parameter of this name (paper, section 2)."""
    return "bias" not in name and not (optimizer == "adamw" and "bn" in name)


def initial_state(parameters: Tensors, recipe: Recipe) -> Tensors:
    """Momentum buffers, zero, named ``<buffer>.<parameter>``."""
    buffers = ("momentum",) if recipe.optimizer == "sgd" else ("mean", "square")
    return {f"{buffer}.{name}": torch.zeros_like(p) for buffer in buffers for name, p in parameters.items()}


@torch.no_grad()
def update(
    parameters: Tensors,
    gradients: Tensors,
    state: Tensors,
    recipe: Recipe,
    step: Int[np.ndarray, " m"],
    rate: Float[np.ndarray, " m"],
    momentum: Float[np.ndarray, " m"],
) -> None:
    """One optimiser step in place, all parameters of a weight-decay group in a few kernels.

    Args:
        parameters: Each ``[m, ...]``.
        gradients: Of the sum of the models' losses, by parameter name; overwritten.
        state: From :func:`initial_state`.
        recipe: ``optimizer``, ``weight_decay``.
        step: Steps each model has made before this one.
        rate: Learning rate of each model.
        momentum: Momentum (AdamW: beta1) of each model.
    """
    for decayed in (True, False):
        names = [name for name in parameters if decays(name, recipe.optimizer) == decayed]
        if not names:
            continue
        values, slopes = [parameters[name] for name in names], [gradients[name] for name in names]
        decay = recipe.weight_decay if decayed else 0.0
        if recipe.optimizer == "sgd":
            _sgd(values, slopes, [state[f"momentum.{name}"] for name in names], rate, momentum, decay)
        else:
            means, squares = ([state[f"{moment}.{name}"] for name in names] for moment in ("mean", "square"))
            _adamw(values, slopes, means, squares, step + 1, rate, momentum, decay)


def _factor(values: Float[np.ndarray, " m"], tensors: list[Tensor]) -> list[Tensor] | float:
    """A number if all models have the same, else one tensor per parameter that spreads each model's over it."""
    if (values == values[0]).all():
        return float(values[0])
    spread = torch.as_tensor(values).to(tensors[0])
    return [spread.view(-1, *[1] * (tensor.dim() - 1)) for tensor in tensors]


def _sgd(
    parameters: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    rate: Float[np.ndarray, " m"],
    momentum: Float[np.ndarray, " m"],
    decay: float,
) -> None:
    if decay:
        torch._foreach_add_(gradients, parameters, alpha=decay)
    mu = _factor(momentum, parameters)
    torch._foreach_mul_(buffers, mu)
    torch._foreach_add_(buffers, gradients)
    steps = torch._foreach_mul(buffers, mu)
    torch._foreach_add_(steps, gradients)
    torch._foreach_mul_(steps, _factor(rate, parameters))
    torch._foreach_sub_(parameters, steps)


def _adamw(
    parameters: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    step: Int[np.ndarray, " m"],
    rate: Float[np.ndarray, " m"],
    beta1: Float[np.ndarray, " m"],
    decay: float,
) -> None:
    if decay:
        torch._foreach_mul_(parameters, _factor(1 - rate * decay, parameters))
    torch._foreach_mul_(means, _factor(beta1, parameters))
    torch._foreach_mul_(squares, ADAM_BETA2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - ADAM_BETA2)
    torch._foreach_mul_(gradients, _factor(1 - beta1, parameters))
    torch._foreach_add_(means, gradients)
    scales = torch._foreach_sqrt(squares)
    torch._foreach_div_(scales, _factor(np.sqrt(1 - ADAM_BETA2**step), parameters))
    torch._foreach_add_(scales, ADAM_EPSILON)
    torch._foreach_div_(scales, _factor(rate / (1 - beta1**step), parameters))
    torch._foreach_sub_(parameters, torch._foreach_div(means, scales))
