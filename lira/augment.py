"""Augmentations on the batch and on the device, each image with its own draw.

Images are ``[m, batch, channels, height, width]`` with values in 0..1 before normalisation (paper, section 2).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import betaincinv
from torch import Tensor
from torch.nn import functional

from lira.config import Recipe
from lira.streams import Streams

Images = Float[Tensor, "m batch channels height width"]


def flip(x: Images, streams: Streams) -> Images:
    """Mirrors each image left to right with probability one half."""
    mirrored = streams.uniform(x.shape[1:2]) < 0.5
    return torch.where(mirrored[..., None, None, None], x.flip(-1), x)


def crop(x: Images, streams: Streams, padding: str) -> Images:
    """Pads by an eighth of the height and crops back at a uniform offset.

    Args:
        x: Images.
        streams: Of the m models.
        padding: ``reflect`` or ``zeros``.
    """
    m, batch, _, height, width = x.shape
    pad = height // 8
    mode = {"reflect": "reflect", "zeros": "constant"}[padding]
    padded = functional.pad(x.flatten(0, 1), (pad,) * 4, mode=mode)
    top, left = (streams.uniform((2, batch)) * (2 * pad + 1)).long().transpose(0, 1).reshape(2, m * batch, 1)
    rows = top + torch.arange(height, device=x.device)
    columns = left + torch.arange(width, device=x.device)
    pixels = (rows[:, :, None] * padded.shape[-1] + columns[:, None]).flatten(1)
    return padded.flatten(2).gather(2, pixels[:, None].expand(-1, x.shape[2], -1)).view_as(x)


def cutout(x: Images, streams: Streams) -> Images:
    """Zeroes one square of half the height, wholly inside, in every image."""
    height, width = x.shape[-2:]
    side = height // 2
    draws = streams.uniform((2, x.shape[1]))
    top = (draws[:, 0] * (height - side + 1)).long()[..., None]
    left = (draws[:, 1] * (width - side + 1)).long()[..., None]
    rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    inside = ((rows >= top) & (rows < top + side))[..., :, None] & ((columns >= left) & (columns < left + side))[
        ..., None, :
    ]
    return x.masked_fill(inside[:, :, None], 0.0)


@dataclass(frozen=True)
class Mixed:
    """A batch in which each sample is mixed with a partner: loss = weight·loss(y) + (1 − weight)·loss(partner)."""

    x: Tensor
    partner: Int[Tensor, "m batch"]
    weight: Float[Tensor, " m"]


def mixup(x: Tensor, order: Int[Tensor, "m batch"], weight: Float[Tensor, " m"]) -> Mixed:
    """Convex combination of each sample with its partner, one weight per batch (Zhang et al. 2018)."""
    lam = weight.view(-1, *[1] * (x.dim() - 1))
    return Mixed(lam * x + (1 - lam) * _reorder(x, order), order, weight)


def cutmix(
    x: Images, order: Int[Tensor, "m batch"], weight: Float[Tensor, " m"], centre: Float[Tensor, "m 2"]
) -> Mixed:
    """Pastes one box of the partner into each image; the weight becomes the area kept (Yun et al. 2019).

    Args:
        x: Images.
        order: Partner of each image.
        weight: Drawn mixing weight of each model's batch: the box has area ``1 - weight`` before it is clipped.
        centre: Centre of the box, row and column as fractions.
    """
    size = torch.tensor(x.shape[-2:], device=x.device)
    half = (0.5 * (1 - weight).sqrt()[:, None] * size).long()
    middle = (centre * size).long()
    first, last = (middle - half).clamp(min=0), torch.minimum(middle + half, size)
    rows, columns = (torch.arange(int(n), device=x.device) for n in size)
    inside = ((rows >= first[:, :1]) & (rows < last[:, :1]))[:, :, None] & (
        (columns >= first[:, 1:]) & (columns < last[:, 1:])
    )[:, None, :]
    kept = 1 - (last - first).prod(1) / size.prod()
    return Mixed(torch.where(inside[:, None, None], _reorder(x, order), x), order, kept)


def _reorder(x: Tensor, order: Int[Tensor, "m batch"]) -> Tensor:
    return x[torch.arange(len(x), device=x.device)[:, None], order]


def augment(x: Tensor, recipe: Recipe, streams: Streams) -> Tensor:
    """Applies the recipe's per-image augmentations in its order."""
    for name in recipe.augment:
        if name == "flip":
            x = flip(x, streams)
        elif name == "crop":
            x = crop(x, streams, recipe.crop_padding)
        elif name == "cutout":
            x = cutout(x, streams)
    return x


def mix(x: Tensor, recipe: Recipe, streams: Streams) -> Mixed | None:
    """Applies MixUp or CutMix to the normalised batch, a fair coin between them if the recipe has both."""
    chosen = [name for name in ("mixup", "cutmix") if name in recipe.augment]
    if not chosen:
        return None
    order = torch.stack(streams.orders([x.shape[1]] * len(x))).to(x.device)
    draws = [streams.scalars() for _ in range(4)]
    alphas = {"mixup": recipe.mixup_alpha, "cutmix": recipe.cutmix_alpha}
    mixes = {}
    for name in chosen:
        weight = torch.as_tensor(betaincinv(alphas[name], alphas[name], draws[0])).to(x)
        if name == "mixup":
            mixes[name] = mixup(x, order, weight)
        else:
            centre = torch.as_tensor(np.stack(draws[1:3], 1)).to(x)
            mixes[name] = cutmix(x, order, weight, centre)
    if len(chosen) == 1:
        return mixes[chosen[0]]
    heads = torch.as_tensor(draws[3] < 0.5).to(x.device)
    both = [mixes[name] for name in chosen]
    shape = (-1, *[1] * (x.dim() - 1))
    return Mixed(
        torch.where(heads.view(shape), both[0].x, both[1].x), order, torch.where(heads, both[0].weight, both[1].weight)
    )
