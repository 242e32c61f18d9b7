"""Mixed precision: the type a recipe trains in on a device, and the loss scales that fp16 needs.

A loss scale is per model, so that one model's overflow does not touch another; otherwise it is that of
``torch.amp.GradScaler``: halved and the step left out on overflow, doubled after enough steps without one.
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
    """The type of matrix products and convolutions: ``auto`` is float32 on a CPU, on a GPU bf16 if it computes in it.

    A GPU without bf16 takes fp16.
    """
    if recipe.precision != "auto":
        return TYPES[recipe.precision]
    if torch.device(device).type == "cpu":
        return torch.float32
    with torch.cuda.device(device):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def autocast(recipe: Recipe, device: str | torch.device) -> torch.autocast:
    """Training and evaluation in the recipe's precision; the query is outside of it, in float32."""
    dtype = training_type(recipe, device)
    mixed = dtype != torch.float32
    return torch.autocast(torch.device(device).type, dtype=dtype if mixed else None, enabled=mixed)


def loss_scales(recipe: Recipe, models: int, device: str | torch.device) -> dict[str, Float[Tensor, " m"]]:
    """What fp16 adds to the optimiser's state."""
    if training_type(recipe, device) != torch.float16:
        return {}
    return {
        SCALE: torch.full((models,), FIRST_SCALE, device=device),
        STREAK: torch.zeros(models, device=device),
        TAKEN: torch.zeros(models, device=device),
    }


def not_finite(gradients: Iterable[Float[Tensor, "m ..."]]) -> Float[Tensor, " m"]:
    """1 for a model with an infinite or undefined gradient, else 0, without waiting for the device."""
    return (
        torch.stack([~torch.isfinite(gradient).reshape(len(gradient), -1).all(1) for gradient in gradients])
        .any(0)
        .float()
    )


def adapt_scale(state: dict[str, Tensor], overflow: Float[Tensor, " m"]) -> None:
    """Sets the next step's loss scales, and counts this one where it was taken."""
    state[TAKEN] = state[TAKEN] + (1 - overflow)
    streak = torch.where(overflow > 0, 0, state[STREAK] + 1)
    full = streak >= PATIENT_STEPS
    grown = torch.where(full, 2 * state[SCALE], state[SCALE])
    state[SCALE], state[STREAK] = torch.where(overflow > 0, state[SCALE] / 2, grown), torch.where(full, 0, streak)
