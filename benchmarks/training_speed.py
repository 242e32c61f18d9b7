"""Training speed: what a user would write (DataLoader, torchvision transforms, one model at a time) against lira.

Both train the same recipe on samples of the benchmark's shape; a measurement is the time of a number of steps after a
warm-up, the device synchronised at both ends. Run as a script, it measures one device and prints a Markdown table:
``python benchmarks/training_speed.py --device cuda``.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lira.config import Architecture, Recipe
from lira.datasets import Part
from lira.models import build, initialise
from lira.streams import INITIAL, Streams, generator
from lira.training import cohort as engine

SGD = {"learning_rate": 0.1, "epochs": 100}


@dataclass(frozen=True)
class Benchmark:
    """One of the paper's benchmarks: shapes, network and recipe, and the FLOPs of one sample's step."""

    name: str
    architecture: Architecture
    recipe: Recipe
    shape: tuple[int, ...]
    classes: int
    members: int

    def part(self, samples: int) -> Part:
        rng = np.random.default_rng(0)
        y = rng.integers(0, self.classes, samples)
        if len(self.shape) == 1:
            x = rng.integers(0, 2, (samples, *self.shape)).astype(np.float32)
            return Part(x, y, 1.0, np.zeros(1), np.ones(1), self.classes)
        x = rng.integers(0, 256, (samples, *self.shape), np.uint8)
        return Part(x, y, 255.0, np.full(3, 0.48), np.full(3, 0.2), self.classes)


RESNET = Architecture(family="timm", name="resnet18", stem="small")
BENCHMARKS = {
    "purchase100/fcn/baseline": Benchmark(
        "purchase100/fcn/baseline",
        Architecture(family="fcn"),
        Recipe(batch_size=128, weight_decay=5e-4, learning_rate=0.01, epochs=100),
        (600,),
        100,
        69_063,
    ),
    "purchase100/fcn/aof": Benchmark(
        "purchase100/fcn/aof",
        Architecture(family="fcn"),
        Recipe(batch_size=128, weight_decay=1e-3, learning_rate=0.01, epochs=100, dropout=0.5),
        (600,),
        100,
        69_063,
    ),
    "cifar10/resnet18/baseline": Benchmark(
        "cifar10/resnet18/baseline",
        RESNET,
        Recipe(batch_size=256, augment=["flip", "crop", "cutout"], crop_padding="reflect", **SGD),
        (3, 32, 32),
        10,
        25_000,
    ),
    "cifar10/resnet18/aof": Benchmark(
        "cifar10/resnet18/aof",
        RESNET,
        Recipe(
            batch_size=256,
            augment=["flip", "crop", "rotate", "jitter", "cutmix"],
            dropout=0.1,
            weight_decay=1e-3,
            **SGD,
        ),
        (3, 32, 32),
        10,
        25_000,
    ),
    "cifar100/wrn28-2/baseline": Benchmark(
        "cifar100/wrn28-2/baseline",
        Architecture(family="wideresnet"),
        Recipe(batch_size=256, augment=["flip", "crop", "cutout"], crop_padding="reflect", **SGD),
        (3, 32, 32),
        100,
        25_000,
    ),
}


def synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def ours(benchmark: Benchmark, models: int, steps: int, device: str, precision: str) -> float:
    """Samples per second of a cohort."""
    recipe = benchmark.recipe.model_copy(update={"precision": precision})
    pool = engine.Samples(benchmark.part(recipe.batch_size * max(steps, 40)), device)
    network = build(benchmark.architecture, models, benchmark.shape, benchmark.classes, recipe.dropout).to(device)
    initial = initialise(network.cpu(), [generator(0, model, INITIAL) for model in range(models)])
    initial = {name: value.to(device) for name, value in initial.items()}
    progress = engine._start(network.to(device), initial, recipe, models)
    streams = Streams(0, range(models), device)

    def run(number: int) -> None:
        members = [torch.arange(number * recipe.batch_size) for _ in range(models)]
        current = engine.Pass.of(members, streams)
        engine.train_epoch(network, progress.state, recipe, pool, current, streams, 0)
        synchronise(device)

    run(max(3, steps // 4))
    start = time.perf_counter()
    run(steps)
    return models * steps * recipe.batch_size / (time.perf_counter() - start)


class Images(Dataset):
    """Images that go through torchvision's transforms one by one, as in a training script."""

    def __init__(self, part: Part, recipe: Recipe):
        self.x, self.y = part.x.transpose(0, 2, 3, 1), part.y
        size = part.x.shape[-1]
        known = {
            "flip": lambda: transforms.RandomHorizontalFlip(),
            "crop": lambda: transforms.RandomCrop(
                size, size // 8, padding_mode=recipe.crop_padding.replace("zeros", "constant")
            ),
            "rotate": lambda: transforms.RandomRotation(15),
            "jitter": lambda: transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
        }
        chosen = [known[name]() for name in recipe.augment if name in known]
        erase = [transforms.RandomErasing(1.0, (0.25, 0.25), (1, 1))] if "cutout" in recipe.augment else []
        normalise = transforms.Normalize(part.mean.tolist(), part.std.tolist())
        self.transform = transforms.Compose(
            [transforms.ToPILImage(), *chosen, transforms.ToTensor(), *erase, normalise]
        )

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int):
        return self.transform(self.x[index]), int(self.y[index])


class Plain(nn.Module):
    """The FCN as one would write it."""

    def __init__(self, shape: tuple[int], classes: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(*shape, 1024),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(1024, 512),
            nn.Tanh(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(512, classes))

    def forward(self, x):
        return self.classifier(self.layers(x))


def plain(benchmark: Benchmark, steps: int, device: str, precision: str, workers: int) -> float:
    """Samples per second of one model in a training script."""
    recipe, size = benchmark.recipe, benchmark.recipe.batch_size
    warm = max(3, steps // 4)
    part = benchmark.part((warm + steps) * size)
    if len(benchmark.shape) == 1:
        network = Plain(benchmark.shape, benchmark.classes, recipe.dropout)
        data = torch.utils.data.TensorDataset(torch.as_tensor(part.x), torch.as_tensor(part.y))
    else:
        network = build(benchmark.architecture, 1, benchmark.shape, benchmark.classes, recipe.dropout)
        network = network.factory() if hasattr(network, "factory") else Squeezed(network)
        data = Images(part, recipe)
    network.to(device).train()
    optimiser = torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    loader = DataLoader(data, size, shuffle=True, drop_last=True, num_workers=workers, pin_memory=device != "cpu")
    dtype = {"bf16": torch.bfloat16}.get(precision)
    for step, (x, y) in enumerate(loader):
        if step == warm:
            synchronise(device)
            start = time.perf_counter()
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        if "cutmix" in recipe.augment:
            x, y, partner, weight = cutmix(x, y)
        optimiser.zero_grad()
        with torch.autocast(torch.device(device).type, dtype=dtype, enabled=dtype is not None):
            logits = network(x)
            loss = nn.functional.cross_entropy(logits, y)
            if "cutmix" in recipe.augment:
                loss = weight * loss + (1 - weight) * nn.functional.cross_entropy(logits, partner)
        loss.backward()
        optimiser.step()
        loss.item()
    synchronise(device)
    return steps * size / (time.perf_counter() - start)


class Squeezed(nn.Module):
    """A cohort network of one as an ordinary module."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        with torch.no_grad():
            initialise(network, [generator(0, 0, INITIAL)])

    def forward(self, x):
        return self.network(x[None])[0]


def cutmix(x, y):
    weight, order, size = np.random.beta(1, 1), torch.randperm(len(x), device=x.device), x.shape[-1]
    side, row, column = int(size * np.sqrt(1 - weight)), np.random.randint(size), np.random.randint(size)
    rows, columns = (slice(max(0, at - side // 2), min(size, at + side // 2)) for at in (row, column))
    x[:, :, rows, columns] = x[order, :, rows, columns]
    kept = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / size**2
    return x, y, y[order], kept


def hours(benchmark: Benchmark, samples_per_second: float) -> float:
    """Of 256 models through all epochs, training steps alone."""
    return 256 * benchmark.members * benchmark.recipe.epochs / samples_per_second / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--only", nargs="+", default=list(BENCHMARKS))
    parser.add_argument("--cohorts", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-plain", action="store_true")
    chosen = parser.parse_args()
    print("| benchmark | precision | cohort | plain, samples/s | lira, samples/s | ratio | 256 models, h |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in chosen.only:
        benchmark = BENCHMARKS[name]
        for precision in chosen.precision:
            base = float("nan")
            if not chosen.no_plain:
                base = plain(benchmark, chosen.steps, chosen.device, precision, chosen.workers)
            for models in chosen.cohorts if benchmark.architecture.family != "timm" else [1]:
                speed = ours(benchmark, models, chosen.steps, chosen.device, precision)
                row = (name, precision, models, f"{base:,.0f}", f"{speed:,.0f}", f"{speed / base:.2f}")
                print("|", " | ".join(map(str, row)), f"| {hours(benchmark, speed):.2f} |", flush=True)


if __name__ == "__main__":
    main()
