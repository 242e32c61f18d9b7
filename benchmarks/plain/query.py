"""The query of one model: a view at a time."""

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


@torch.no_grad()
def query(network: nn.Module, weights: dict[str, Tensor], x: Tensor) -> np.ndarray:
    """Logits ``[sample, view, class]`` of 18 views by one model's weights, with the statistics of the batch.

    The network is one that :func:`lira.shadows.models.build` gives for a single model.
    """
    if hasattr(network, "factory"):
        module = network.factory().train()
        module.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
    else:
        network.train().load_state_dict({name: value[None] for name, value in weights.items()})
        module = lambda x: network(x[None])[0]  # noqa: E731
    return torch.stack([module(view) for view in views(x, 1)], 1).numpy()
