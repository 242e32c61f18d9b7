"""The query of one model: a view at a time."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def views(x: Tensor, shift: int) -> list[Tensor]:
    """Images as they are and mirrored, each moved by up to ``shift`` pixels, horizontally first."""
    found = []
    for images in (x, x.flip(-1)):
        padded = nn.functional.pad(images, (shift,) * 4, mode="reflect")
        places = [(dx, dy) for dx in range(2 * shift + 1) for dy in range(2 * shift + 1)]
        found += [padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]] for dx, dy in places]
    return found


def module_of(network: nn.Module, weights: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """One model by its weights, where they are; of a network that :func:`lira.shadows.models.build` gives for one."""
    device = next(iter(weights.values())).device
    if hasattr(network, "factory"):
        module = network.factory().train().to(device)
        module.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
        return module
    network.train().to(device).load_state_dict({name: value[None] for name, value in weights.items()})
    return lambda x: network(x[None])[0]


@torch.no_grad()
def query(module: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """Logits ``[sample, view, class]`` with the statistics of the batch: of 18 views if they are images."""
    return torch.stack([module(view) for view in (views(x, 1) if x.dim() == 4 else [x])], 1).cpu().numpy()
