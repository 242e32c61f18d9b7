"""SGD, AdamW and Adam on parameters with a leading model axis, with a learning rate for each model.

The arithmetic is that of torch's fused ``torch.optim``. Those take one rate for all
parameters, but under OneCycle each model has its own, which depends on its number of members.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lira.config import Recipe
from lira.shadows.training.precision import SCALE, TAKEN, adapt_scale, not_finite

Tensors = dict[str, Tensor]

MISSED = "steps_missed"
MOMENTS = {"sgd": ("momentum",), "adamw": ("mean", "square"), "adam": ("mean", "square")}


def decays(name: str, optimizer: str) -> bool:
    """Tells whether weight decay applies to a parameter of this name (as in the released code)."""
    return optimizer == "adam" or ("bias" not in name and not (optimizer == "adamw" and "bn" in name))


def initial_state(parameters: Tensors, recipe: Recipe) -> Tensors:
    """Returns zero momentum buffers, named ``<buffer>.<parameter>``."""
    moments = MOMENTS[recipe.optimizer]
    return {f"{moment}.{name}": torch.zeros_like(p) for moment in moments for name, p in parameters.items()}


@torch.no_grad()
def update(
    parameters: Tensors,
    gradients: Tensors,
    state: Tensors,
    recipe: Recipe,
    step: Int[np.ndarray, " m"],
    rate: Float[np.ndarray, " m"],
    momentum: Float[np.ndarray, " m"],
    alone: bool = False,
) -> None:
    """Takes one optimiser step in place, with one kernel for a weight-decay group where all models go alike.

    A model whose scaled gradients are not all finite stays as it is, and Adam does not count the step. A parameter
    without a gradient stays as it is, with its moments, and Adam does not count the step for it.

    Args:
        parameters: Each ``[m, ...]``.
        gradients: Gradients of the sum of the models' losses (times their loss scales, if any) by parameter name, of
            the parameters that were used; they are overwritten.
        state: From :func:`initial_state`, with the loss scales if there are any.
        recipe: Gives ``optimizer``, ``weight_decay``, ``betas[1]`` and ``eps``.
        step: Number of earlier steps of each model.
        rate: Learning rate of each model.
        momentum: Momentum (Adam: beta1) of each model.
        alone: Update each model as if it were alone, bit for bit. A kernel rounds the last values of a tensor, which do
            not fill one of the processor's vectors, otherwise than those before, so that a model's place would matter.
    """
    gradients = {name: _laid_out_as(parameters[name], slope) for name, slope in gradients.items()}
    overflow = not_finite(gradients.values()) if SCALE in state else None
    together = overflow is None and not alone and all((values == values[0]).all() for values in (step, rate, momentum))
    for name in parameters.keys() - gradients.keys():
        counted = torch.ones(len(step), device=parameters[name].device) if overflow is None else 1 - overflow
        state[f"{MISSED}.{name}"] = state.get(f"{MISSED}.{name}", 0) + counted
    for decayed in (True, False):
        names = [name for name in gradients if decays(name, recipe.optimizer) == decayed]
        if not names:
            continue
        moments = [[state[f"{moment}.{name}"] for name in names] for moment in MOMENTS[recipe.optimizer]]
        tensors = [[parameters[name] for name in names], [gradients[name] for name in names], *moments]
        for model, rows in _alike(tensors, together):
            common: dict[str, Any] = {"lr": float(rate[model]), "weight_decay": recipe.weight_decay * decayed}
            if overflow is not None:
                common |= {"grad_scale": state[SCALE][model], "found_inf": overflow[model]}
            if recipe.optimizer == "sgd":
                _sgd(rows, float(momentum[model]), common)
            else:
                taken = int(step[model]) if overflow is None else state[TAKEN][model]
                missed = [state.get(f"{MISSED}.{name}") for name in names]
                own = [None if late is None else late[model] for late in missed]
                _adam(recipe, rows, float(momentum[model]), taken + 1, own, common)
    if overflow is not None:
        adapt_scale(state, overflow)


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient in the parameter's memory layout, which the fused kernels assume without a check."""
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)


def _alike(tensors: list[list[Tensor]], together: bool) -> Iterator[tuple[int, list[list[Tensor]]]]:
    """Yields the tensors that one kernel can update, all models or one, with a model whose settings apply to them."""
    if together:
        yield 0, tensors
        return
    for model in range(len(tensors[0][0])):
        yield model, [[tensor[model] for tensor in group] for group in tensors]


def _sgd(tensors: list[list[Tensor]], momentum: float, common: dict[str, Any]) -> None:
    parameters, gradients, moments = tensors
    own: dict[str, Any] = {"momentum": momentum, "dampening": 0.0, "nesterov": True, "is_first_step": False}
    torch._fused_sgd_(parameters, gradients, moments, maximize=False, **own, **common)


def _adam(
    recipe: Recipe,
    tensors: list[list[Tensor]],
    beta1: float,
    step: int | Float[Tensor, ""],
    missed: list[Float[Tensor, ""] | None],
    common: dict[str, Any],
) -> None:
    parameters, gradients, means, squares = tensors
    if isinstance(step, int):
        step = torch.full((), step, dtype=torch.float32, device=parameters[0].device)
    steps = [step if late is None else step - late for late in missed]
    own: dict[str, Any] = {"beta1": beta1, "beta2": recipe.betas[1], "eps": recipe.eps, "amsgrad": False}
    fused = torch._fused_adam_ if recipe.optimizer == "adam" else torch._fused_adamw_
    fused(parameters, gradients, means, squares, [], steps, maximize=False, **own, **common)
