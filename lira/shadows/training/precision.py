"""Mixed precision: the type in which a recipe trains on a device, and the loss scales that fp16 needs.

Each model has its own loss scale, so that one model's overflow does not affect another. Otherwise the rule is that of
``torch.amp.GradScaler``: on overflow the scale is halved and the step skipped; after enough steps without overflow
the scale is doubled.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from lira.config import Recipe

SCALE, STREAK, TAKEN = "loss_scale", "steps_without_overflow", "steps_taken"
FIRST_SCALE, PATIENT_STEPS = 2.0**16, 2000
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": torch.float32}


def training_type(recipe: Recipe, device: str | torch.device) -> torch.dtype:
    """Returns the type of matrix products and convolutions in training.

    ``auto`` is float32 on a CPU, bf16 on a GPU that supports it, and fp16 on other GPUs.
    """
    if recipe.precision != "auto":
        return TYPES[recipe.precision]
    if torch.device(device).type == "cpu":
        return torch.float32
    with torch.cuda.device(device):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def autocast(recipe: Recipe, device: str | torch.device) -> torch.autocast:
    """Returns the context for training and evaluation in the recipe's precision; queries always use float32."""
    dtype = training_type(recipe, device)
    mixed = dtype != torch.float32
    return torch.autocast(torch.device(device).type, dtype=dtype if mixed else None, enabled=mixed)


def loss_scales(recipe: Recipe, models: int, device: str | torch.device) -> dict[str, Float[Tensor, " m"]]:
    """Returns the tensors that fp16 adds to the optimiser's state; none for other types."""
    if training_type(recipe, device) != torch.float16:
        return {}
    first = {SCALE: FIRST_SCALE, STREAK: 0.0, TAKEN: 0.0}
    return {name: torch.full((models,), value, device=device) for name, value in first.items()}


def not_finite(gradients: Iterable[Float[Tensor, "m ..."]]) -> Float[Tensor, " m"]:
    """Returns 1 for a model with an infinite or undefined gradient, else 0, without waiting for the device."""
    found = [~torch.isfinite(gradient).reshape(len(gradient), -1).all(1) for gradient in gradients]
    return torch.stack(found).any(0).float()


def adapt_scale(state: dict[str, Tensor], overflow: Float[Tensor, " m"]) -> None:
    """Sets the loss scales of the next step, and counts this step for the models that took it."""
    state[TAKEN] = state[TAKEN] + (1 - overflow)
    streak = torch.where(overflow > 0, 0, state[STREAK] + 1)
    full = streak >= PATIENT_STEPS
    grown = torch.where(full, 2 * state[SCALE], state[SCALE])
    state[SCALE], state[STREAK] = torch.where(overflow > 0, state[SCALE] / 2, grown), torch.where(full, 0, streak)
