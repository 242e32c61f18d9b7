"""Training speed: what a user would write (plain/training.py) against lira, on the runs of Table 1 and the quickstart.

Both train the same recipe on samples of the same shape. A measurement alternates between the contestants, the device
synchronised at both ends of each turn, and takes the best turn of each. Run as a script, it measures one device and
prints a Markdown table: ``python benchmarks/training_speed.py --device cuda --precision bf16``.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from plain.training import Loop
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lira.config import Architecture, Recipe, StudySettings, load_study
from lira.core.threads import available
from lira.datasets import Part
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training import cohort as engine
from lira.shadows.training.device import lease
from lira.shadows.training.precision import TYPES
from lira.shadows.training.progress import Pass

ROOT = Path(__file__).parents[1]
SAMPLES = {  # shape, classes, members of a model; of a dataset, or of one in a study
    "laptop/cifar10": ((3, 32, 32), 10, 1_250),
    "cifar10": ((3, 32, 32), 10, 25_000),
    "cifar100": ((3, 32, 32), 100, 25_000),
    "gtsrb": ((3, 32, 32), 43, 13_320),
    "purchase100": ((600,), 100, 69_063),
    "digits": ((1, 8, 8), 10, 600),
}
SHADOW_MODELS = 256


@cache
def read_study(name: str) -> StudySettings:
    """A study of the repository."""
    return load_study(ROOT / name)


@dataclass(frozen=True)
class Benchmark:
    """A run of a study: its network and recipe, and samples of its shape."""

    name: str
    architecture: Architecture
    recipe: Recipe
    shape: tuple[int, ...]
    classes: int
    members: int

    @classmethod
    def of(cls, study: str, key: str) -> "Benchmark":
        """The run of a study; what it fine-tunes is random here."""
        found = read_study(study)
        dataset, architecture, _ = key.split("/")
        shape, classes, members = SAMPLES.get(f"{found.study}/{dataset}", SAMPLES.get(dataset))
        recipe = found.recipe_of(key).model_copy(update={"start": "scratch"})
        shape = (shape[0], recipe.image_size, recipe.image_size) if recipe.image_size else shape
        return cls(key, found.architectures[architecture], recipe, shape, classes, members)

    def part(self, samples: int) -> Part:
        """Random samples."""
        rng = np.random.default_rng(0)
        y = rng.integers(0, self.classes, samples)
        if len(self.shape) == 1:
            x = rng.integers(0, 2, (samples, *self.shape)).astype(np.float32)
            return Part(x, y, 1.0, np.zeros(1), np.ones(1), self.classes)
        x = rng.integers(0, 256, (samples, *self.shape), np.uint8)
        return Part(x, y, 255.0, np.full(self.shape[0], 0.48), np.full(self.shape[0], 0.2), self.classes)

    def flops(self) -> float:
        """Floating-point operations that the products and convolutions of one sample's training step take."""
        loop = Loop(self.architecture, self.recipe, self.part(2 * self.recipe.batch_size))
        x, y = next(iter(loop.loader))
        with FlopCounterMode(display=False) as counter:
            loop.step(x[:2], y[:2])
        return counter.get_total_flops() / 2

    def hours(self, samples_per_second: float) -> float:
        """Of 256 models through all epochs, training steps alone."""
        return SHADOW_MODELS * self.members * self.recipe.epochs / samples_per_second / 3600


PAPER = list(read_study("studies/paper.yaml").runs)[:10]
QUICKSTART = list(read_study("workflow_config.yaml").runs)
BENCHMARKS = {key: ("studies/paper.yaml", key) for key in PAPER}
BENCHMARKS |= {key: ("workflow_config.yaml", key) for key in QUICKSTART}
BENCHMARKS |= {key: ("studies/laptop.yaml", key) for key in read_study("studies/laptop.yaml").runs}


def layouts(benchmark: Benchmark) -> list[bool]:
    """Whether images of a plain loop have their channels last: both are tried, the better counts."""
    return [False, True] if len(benchmark.shape) == 3 else [False]


class Ours:
    """A cohort in training."""

    def __init__(self, benchmark: Benchmark, models: int, device: str = "cpu", precision: str = "float32"):
        self.recipe = benchmark.recipe.model_copy(update={"precision": precision})
        self.device, self.models = device, models
        self.pool = engine.Samples(benchmark.part(self.recipe.batch_size * 40), device)
        network = build(benchmark.architecture, models, benchmark.shape, benchmark.classes, self.recipe.dropout)
        initial = initialise(network, [generator(0, model, INITIAL) for model in range(models)])
        self.network, self.streams = network.to(device), Streams(0, range(models), device)
        initial = {name: value.to(device) for name, value in initial.items()}
        self.state = engine.start(self.network, initial, self.recipe, models).state

    def run(self, steps: int) -> int:
        """An epoch of some steps; returns the number of samples."""
        members = [torch.arange(steps * self.recipe.batch_size) % len(self.pool) for _ in range(self.models)]
        current = Pass.of(members, self.streams)
        engine.train_epoch(self.network, self.state, self.recipe, self.pool, current, self.streams, 0)
        return self.models * steps * self.recipe.batch_size


class Jobs:
    """Training jobs as a study starts them: processes, on a CPU of one thread; one for each core if not told."""

    def __init__(
        self,
        benchmark: Benchmark,
        models: int,
        kind: str = "cpu",
        precision: str = "float32",
        number: int | None = None,
    ):
        context, number = multiprocessing.get_context("spawn"), number or available()
        self.pipes, self.processes = [], []
        for _ in range(number):
            mine, theirs = context.Pipe()
            arguments = (theirs, kind, number, benchmark, models, precision)
            self.processes.append(context.Process(target=_job, args=arguments, daemon=True))
            self.processes[-1].start()
            theirs.close()  # so that a job that dies is noticed
            self.pipes.append(mine)

    def run(self, steps: int, jobs: int | None = None) -> int:
        """Some steps of every job, or of some while the others wait; returns the number of samples of all."""
        for pipe in self.pipes[:jobs]:
            pipe.send(steps)
        return sum(pipe.recv() for pipe in self.pipes[:jobs])

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(0)
            process.join()


def _job(pipe, kind: str, jobs_per_gpu: int, benchmark: Benchmark, models: int, precision: str) -> None:
    with lease(kind, jobs_per_gpu) as device:
        ours = Ours(benchmark, models, device, precision)
        while steps := pipe.recv():
            pipe.send(ours.run(steps))


class SquareProducts:
    """Products of large square matrices, on all cores of a CPU: what a device reaches at best."""

    def __init__(self, size: int = 1024, device: str = "cpu", precision: str = "float32"):
        self.matrix = torch.randn(size, size, device=device, dtype=TYPES[precision])

    def run(self, products: int = 10) -> float:
        """Some products; returns their floating-point operations."""
        for _ in range(products):
            self.matrix @ self.matrix
        return 2.0 * len(self.matrix) ** 3 * products


def synchronise(device: str) -> None:
    """Waits for what a device computes."""
    if device != "cpu":
        torch.cuda.synchronize(device)


class Products:
    """The matrix products of a training step, of the shapes of its convolutions and layers, and nothing else."""

    def __init__(self, benchmark: Benchmark, device: str = "cpu", precision: str = "float32"):
        loop = Loop(benchmark.architecture, benchmark.recipe, benchmark.part(2 * benchmark.recipe.batch_size))
        self.samples, self.pairs = benchmark.recipe.batch_size, []
        self.given = {"device": device, "dtype": TYPES[precision]}
        for layer in loop.network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(self._add)
        loop.network(next(iter(loop.loader))[0])

    def _add(self, layer: nn.Module, given: tuple[torch.Tensor], made: torch.Tensor) -> None:
        inner, outputs = layer.weight[0].numel(), len(layer.weight)
        rows, first = made.numel() // outputs, not self.pairs
        shapes = (rows, inner), (inner, outputs), (rows, outputs)
        x, kernel, slope = (torch.ones(shape, **self.given) for shape in shapes)
        self.pairs += [(x, kernel), (x.T, slope)] + [(slope, kernel.T)] * (not first)  # the input needs no gradient

    def run(self, steps: int) -> int:
        """Some steps; returns the number of samples."""
        for _ in range(steps):
            for one, other in self.pairs:
                one @ other
        return steps * self.samples


def contest(turns: Mapping[str, Callable[[], float]], device: str = "cpu", rounds: int = 3) -> dict[str, float]:
    """Best rate of each contestant, per second of what its turn returns; the first turns warm up."""
    best = dict.fromkeys(turns, 0.0)
    for number in range(rounds + 1):
        for name, turn in turns.items():
            start = time.perf_counter()
            done = turn()
            synchronise(device)
            if number:
                best[name] = max(best[name], done / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--only", nargs="+", default=list(BENCHMARKS))
    parser.add_argument("--cohorts", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 2])
    chosen = parser.parse_args()
    if chosen.device == "cpu":
        torch.set_num_threads(1)
    head = ["run", "precision", "cohort", "plain, samples/s", "network alone", "lira", "ratio", "of products alike"]
    print("|", " | ".join([*head, "GFLOP/s", "256 models, h"]), "|")
    print("|---" * (len(head) + 2) + "|", flush=True)
    for name in chosen.only:
        for precision in chosen.precision:
            for row in rows(name, precision, chosen):
                print("|", " | ".join(map(str, row)), "|", flush=True)


def rows(name: str, precision: str, chosen: argparse.Namespace) -> Iterator[list]:
    """Measures a run in one precision; yields a row of the table for each cohort."""
    benchmark = Benchmark.of(*BENCHMARKS[name])
    part = benchmark.part(benchmark.recipe.batch_size * 40)
    plain = partial(Loop, benchmark.architecture, benchmark.recipe, part, chosen.device, precision)
    turns = {("products",): Products(benchmark, chosen.device, precision).run}
    for last in layouts(benchmark):
        turns |= {("plain", workers, last): plain(workers, channels_last=last).run for workers in chosen.workers}
        turns["network", last] = plain(channels_last=last).network_alone
    cohorts = chosen.cohorts if benchmark.architecture.family != "timm" else [1]
    jobs = {models: Jobs(benchmark, models, chosen.device, precision, number=1) for models in cohorts}
    turns |= {("lira", models): job.run for models, job in jobs.items()}
    rates = contest({key: partial(turn, chosen.steps) for key, turn in turns.items()}, chosen.device, chosen.rounds)
    for job in jobs.values():
        job.close()
    kinds = ("plain", "network", "products")
    loop, network, products = (max(rate for key, rate in rates.items() if key[0] == kind) for kind in kinds)
    for models in cohorts:
        rate = rates["lira", models]
        row = [name, precision, models, f"{loop:,.0f}", f"{network:,.0f}", f"{rate:,.0f}", f"{rate / loop:.2f}"]
        yield [*row, f"{rate / products:.0%}", f"{benchmark.flops() * rate / 1e9:,.0f}", f"{benchmark.hours(rate):.2f}"]


if __name__ == "__main__":
    main()
