"""Training of one model: a DataLoader, torchvision's transforms, torch.optim."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from lira.config import Architecture, Recipe
from lira.datasets import Part
from lira.shadows.models import build
from lira.shadows.training.optimizers import decays
from plain import networks


class Images(Dataset):
    """Images that go through torchvision's transforms one by one."""

    def __init__(self, part: Part, recipe: Recipe):
        self.x, self.y = part.x.transpose(0, 2, 3, 1), part.y
        size, augment = part.x.shape[-1], recipe.augment
        known = {
            "flip": lambda: transforms.RandomHorizontalFlip(),
            "crop": lambda: transforms.RandomCrop(
                size, size // 8, padding_mode=recipe.crop_padding.replace("zeros", "constant")
            ),
            "rotate": lambda: transforms.RandomRotation(recipe.rotate_degrees),
            "jitter": lambda: transforms.ColorJitter(*recipe.jitter),
        }
        chosen = [known[name]() for name in augment if name in known]
        chosen += [transforms.ToTensor()]
        chosen += [transforms.Lambda(lambda x: x * (255 / part.scale))] if part.scale != 255 else []
        chosen += [transforms.RandomErasing(1.0, (0.25, 0.25), (1, 1))] if "cutout" in augment else []
        normalise = transforms.Normalize(np.ravel(part.mean).tolist(), np.ravel(part.std).tolist())
        self.transform = transforms.Compose([transforms.ToPILImage(), *chosen, normalise])

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int):
        return self.transform(self.x[index]), int(self.y[index])


def whole(part: Part) -> TensorDataset:
    """Samples that nothing is done to, normalised once."""
    shape = (-1, *[1] * (part.x.ndim - 2))
    mean, std = (np.reshape(values, shape) for values in (part.mean, part.std))
    x = torch.as_tensor((part.x / part.scale - mean) / std, dtype=torch.float32)
    return TensorDataset(x, torch.as_tensor(part.y))


def optimiser(parameters: dict[str, Tensor], recipe: Recipe, rate: float) -> torch.optim.Optimizer:
    """torch's own, which decays what the recipe's does."""
    groups = [
        {
            "params": [value for name, value in parameters.items() if decays(name, recipe.optimizer) == decayed],
            "weight_decay": recipe.weight_decay * decayed,
        }
        for decayed in (True, False)
    ]
    if recipe.optimizer != "sgd":
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[recipe.optimizer]
        return kind(groups, lr=rate, betas=tuple(recipe.betas), eps=recipe.eps)
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=True)


def ordinary(architecture: Architecture, recipe: Recipe, part: Part) -> nn.Module:
    """The network of ordinary layers, with initial values from torch's global generator."""
    shape, classes, dropout = part.x.shape[1:], part.classes, recipe.dropout
    if architecture.family == "fcn":
        return networks.FCN(architecture, math.prod(shape), classes, dropout)
    if architecture.family in networks.IMAGES:
        return networks.IMAGES[architecture.family](architecture, shape[0], classes, dropout)
    return build(architecture, 1, shape, classes, dropout).factory()


class Loop:
    """One model and its training.

    Args:
        architecture: Its network.
        recipe: How to train; ``augment`` and ``dropout`` included, loss scales and early stopping not.
        part: Samples to train on.
        device: ``cpu`` or ``cuda``.
        precision: ``float32`` or ``bf16``.
        workers: Of the DataLoader.
        channels_last: The memory layout of images.

    Initial values, order and augmentation come from torch's global generator, CutMix from NumPy's.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        part: Part,
        device: str = "cpu",
        precision: str = "float32",
        workers: int = 0,
        channels_last: bool = False,
    ):
        network = ordinary(architecture, recipe, part)
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network, self.recipe, self.device = network.to(device).train(), recipe, device
        self.dtype = {"bf16": torch.bfloat16}.get(precision)
        data = Images(part, recipe) if recipe.augment else whole(part)
        options = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device != "cpu"}
        self.loader = DataLoader(data, recipe.batch_size, shuffle=True, drop_last=True, **options)
        self.optimiser = optimiser(dict(self.network.named_parameters()), recipe, recipe.learning_rate)
        self.endless, self.batch = self._endless(), None

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def run(self, steps: int) -> int:
        """Some more steps; returns the number of samples."""
        for _ in range(steps):
            self.step(*next(self.endless))
        return steps * self.recipe.batch_size

    def network_alone(self, steps: int) -> int:
        """Steps on one batch again and again: no loading, no augmentation of images."""
        self.batch = self.batch or next(self.endless)
        for _ in range(steps):
            self.step(*self.batch)
        return steps * self.recipe.batch_size

    def epoch(self) -> None:
        """One pass."""
        for x, y in self.loader:
            self.step(x, y)

    def step(self, x: Tensor, y: Tensor) -> float:
        x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
        x = x.contiguous(memory_format=self.layout) if x.dim() == 4 else x
        mixing = "cutmix" in self.recipe.augment
        if mixing:
            x, y, partner, weight = cutmix(x, y)
        self.optimiser.zero_grad()
        with torch.autocast(torch.device(self.device).type, dtype=self.dtype, enabled=self.dtype is not None):
            logits = self.network(x)
            loss = nn.functional.cross_entropy(logits, y)
            if mixing:
                loss = weight * loss + (1 - weight) * nn.functional.cross_entropy(logits, partner)
        loss.backward()
        self.optimiser.step()
        return loss.item()


def cutmix(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    weight, order, size = np.random.beta(1, 1), torch.randperm(len(x), device=x.device), x.shape[-1]
    side, row, column = int(size * np.sqrt(1 - weight)), np.random.randint(size), np.random.randint(size)
    rows, columns = (slice(max(0, at - side // 2), min(size, at + side // 2)) for at in (row, column))
    x[:, :, rows, columns] = x[order, :, rows, columns]
    return x, y, y[order], 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / size**2
