"""Augments whole batches on the device; every image has its own random draw.

Images are ``[m, batch, channels, height, width]``, with values from 0 to 1 before normalisation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import betaincinv
from torch import Tensor
from torch.nn import functional

from lira.config import Recipe
from lira.core.errors import ConfigError
from lira.shadows.rng import Streams, send

Images = Float[Tensor, "m batch channels height width"]


def flip(x: Images, streams: Streams) -> Images:
    """Mirrors each image left to right with probability one half."""
    mirrored = streams.uniform(x.shape[1:2]) < 0.5
    return torch.where(mirrored[..., None, None, None], x.flip(-1), x)


def crop(x: Images, streams: Streams, padding: str) -> Images:
    """Pads by an eighth of the height (``padding``: ``reflect`` or ``zeros``) and crops back at a uniform offset."""
    m, batch, _, height, width = x.shape
    pad = height // 8
    mode = {"reflect": "reflect", "zeros": "constant"}[padding]
    padded = functional.pad(x.flatten(0, 1), (pad,) * 4, mode=mode)
    top, left = (streams.uniform((2, batch)) * (2 * pad + 1)).long().transpose(0, 1).reshape(2, m * batch, 1)
    rows = top + torch.arange(height, device=x.device)
    columns = left + torch.arange(width, device=x.device)
    pixels = (rows[:, :, None] * padded.shape[-1] + columns[:, None]).flatten(1)
    return padded.flatten(2).gather(2, pixels[:, None].expand(-1, x.shape[2], -1)).view_as(x)


def check_crop(shape: tuple[int, ...], recipe: Recipe) -> None:
    """Raises ConfigError if images are too narrow for their crops; ``shape`` is that of one sample."""
    reflects = "crop" in recipe.augment and recipe.crop_padding == "reflect"
    if reflects and shape[-1] <= shape[-2] // 8:
        raise ConfigError(
            f"crop_padding is 'reflect': an eighth of the height, mirrored at each side, needs images wider than that, "
            f"these are {shape[-2]} by {shape[-1]}: set 'zeros'"
        )


def cutout(x: Images, streams: Streams) -> Images:
    """Zeroes one square of half the height in every image, at a uniform position inside it."""
    height, width = x.shape[-2:]
    side = height // 2
    draws = streams.uniform((2, x.shape[1]))
    top = (draws[:, 0] * (height - side + 1)).long()
    left = (draws[:, 1] * (width - side + 1)).long()
    return x.masked_fill(_box(x, top, top + side, left, left + side)[:, :, None], 0.0)


def _box(x: Images, top: Tensor, bottom: Tensor, left: Tensor, right: Tensor) -> Bool[Tensor, "... height width"]:
    """Marks the pixels of a box, whose bottom row and right column lie outside."""
    rows, columns = (torch.arange(size, device=x.device) for size in x.shape[-2:])
    vertical = (rows >= top[..., None]) & (rows < bottom[..., None])
    horizontal = (columns >= left[..., None]) & (columns < right[..., None])
    return vertical[..., :, None] & horizontal[..., None, :]


def rotate(x: Images, streams: Streams, degrees: float, probability: float) -> Images:
    """Rotates images by uniform angles to either side, to the nearest pixel, zeros outside (torchvision's defaults)."""
    draws = streams.uniform((2, x.shape[1]))
    angle = torch.deg2rad((2 * draws[:, 0] - 1) * degrees)
    return turn(x, torch.where(draws[:, 1] < probability, angle, 0.0))


def turn(x: Images, angle: Float[Tensor, "m batch"]) -> Images:
    """Rotates each image counter-clockwise by its angle in radians."""
    height, width = x.shape[-2:]
    cosine, sine = angle.flatten().cos(), angle.flatten().sin()
    zero = torch.zeros_like(cosine)
    rows = [cosine, -sine * height / width, zero, sine * width / height, cosine, zero]
    theta = torch.stack(rows, 1).view(-1, 2, 3)
    images = x.flatten(0, 1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="nearest", align_corners=False).view_as(x)


GREY = (0.2989, 0.587, 0.114)


def jitter(x: Images, streams: Streams, strengths: Sequence[float]) -> Images:
    """Changes brightness, contrast, saturation and hue of each image in random order (torchvision's ColorJitter).

    Args:
        x: Images; with one channel, saturation and hue change nothing.
        streams: Random streams of the m models.
        strengths: One per change: factors are uniform in 1 ± strength, the hue's shift in ± strength of a full turn.
    """
    draws = streams.uniform((5, x.shape[1]))
    low = torch.tensor([max(0.0, 1 - s) for s in strengths[:3]] + [-strengths[3]])
    high = torch.tensor([1 + s for s in strengths[:3]] + [strengths[3]])
    low, width = send(low[:, None], x.device), send((high - low)[:, None], x.device)
    factors = low + draws[:, :4] * width
    orders = send(torch.tensor(list(permutations(range(4)))), x.device)
    order = orders[(draws[:, 4] * len(orders)).long()]
    return recolour(x.flatten(0, 1), factors.transpose(1, 2).reshape(-1, 4), order.flatten(0, 1)).view_as(x)


def recolour(
    x: Float[Tensor, "image channel height width"], factors: Float[Tensor, "image 4"], order: Int[Tensor, "image 4"]
) -> Float[Tensor, "image channel height width"]:
    """Changes brightness, contrast, saturation and hue by ``factors``, each image in its own order."""
    x = x.clone()
    for place in range(4):
        for number, change in enumerate((brightness, contrast, saturation, hue)):
            chosen = order[:, place] == number
            factor = factors[:, number].view(-1, 1, 1, 1)
            x = torch.where(chosen.view(-1, 1, 1, 1), change(x, factor), x)
    return x


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Scales all channels."""
    return (x * factor).clamp(0, 1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Moves pixels away from the image's mean grey, or towards it."""
    mean = _grey(x).mean((1, 2, 3), keepdim=True)
    return (factor * x + (1 - factor) * mean).clamp(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Moves pixels away from their own grey, or towards it."""
    return (factor * x + (1 - factor) * _grey(x)).clamp(0, 1) if x.shape[1] == 3 else x


def hue(x: Tensor, shift: Tensor) -> Tensor:
    """Turns the hue by a fraction of a full circle."""
    if x.shape[1] != 3:
        return x
    value, low = x.amax(1), x.amin(1)
    chroma = value - low
    safe = chroma.clamp(min=1e-12)
    red, green, blue = x.unbind(1)
    sector = torch.where(
        value == red,
        (green - blue) / safe % 6,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sector = (torch.where(chroma > 0, sector, 0) + 6 * shift[:, 0]) % 6
    channels = []
    for offset in (5, 3, 1):
        k = (offset + sector) % 6
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] == 1:
        return x
    red, green, blue = x.unbind(1)
    return (GREY[0] * red + GREY[1] * green + GREY[2] * blue)[:, None]


@dataclass(frozen=True)
class Mixed:
    """A batch in which each sample is mixed with a partner: loss = weight·loss(y) + (1 − weight)·loss(partner)."""

    x: Tensor
    partner: Int[Tensor, "m batch"]
    weight: Float[Tensor, " m"]


def mixup(x: Tensor, order: Int[Tensor, "m batch"], weight: Float[Tensor, " m"]) -> Mixed:
    """Averages each sample with its partner, with one weight per model's batch (Zhang et al. 2018)."""
    lam = weight.view(-1, *[1] * (x.dim() - 1))
    return Mixed(lam * x + (1 - lam) * _reorder(x, order), order, weight)


def cutmix(
    x: Images, order: Int[Tensor, "m batch"], weight: Float[Tensor, " m"], centre: Float[Tensor, "m 2"]
) -> Mixed:
    """Pastes one box of the partner into each image; the weight becomes the area kept (Yun et al. 2019).

    Args:
        x: Images.
        order: Index of each image's partner.
        weight: Mixing weight drawn for each model's batch: the box has area ``1 - weight`` before it is clipped.
        centre: Centre of the box, row and column as fractions.
    """
    height, width = x.shape[-2:]
    size = send(torch.tensor([height, width]), x.device)
    half = (0.5 * (1 - weight).sqrt()[:, None] * size).long()
    middle = (centre * size).long()
    first, last = (middle - half).clamp(min=0), torch.minimum(middle + half, size)
    inside = _box(x, first[:, 0], last[:, 0], first[:, 1], last[:, 1])
    kept = 1 - (last - first).prod(1) / (height * width)
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
        elif name == "rotate":
            x = rotate(x, streams, recipe.rotate_degrees, recipe.rotate_probability)
        elif name == "jitter":
            x = jitter(x, streams, recipe.jitter)
        elif name == "cutout":
            x = cutout(x, streams)
    return x


def mix(x: Tensor, recipe: Recipe, streams: Streams) -> Mixed | None:
    """Applies MixUp or CutMix to the normalised batch; if the recipe has both, a fair coin decides per model."""
    chosen = [name for name in ("mixup", "cutmix") if name in recipe.augment]
    if not chosen:
        return None
    order = send(torch.stack(streams.orders([x.shape[1]] * len(x))), x.device)
    uniform, row, column, coin, left_out = (streams.scalars() for _ in range(5))
    mixes: dict[str, Mixed] = {}
    for name in chosen:
        alpha = {"mixup": recipe.mixup_alpha, "cutmix": recipe.cutmix_alpha}[name]
        weight = betaincinv(alpha, alpha, uniform)
        if name == "mixup":
            mixes[name] = mixup(x, order, send(weight.astype(np.float32), x.device))
        else:
            weight[left_out >= recipe.cutmix_probability] = 1  # a box of no area
            centre = np.stack([row, column], 1).astype(np.float32)
            kept = send(weight.astype(np.float32), x.device)
            mixes[name] = cutmix(x, order, kept, send(centre, x.device))
    if len(chosen) == 1:
        return mixes[chosen[0]]
    heads = send(coin < 0.5, x.device)
    one, other = mixes.values()
    mixed = torch.where(heads.view(-1, *[1] * (x.dim() - 1)), one.x, other.x)
    return Mixed(mixed, order, torch.where(heads, one.weight, other.weight))
