"""What a study costs before it is started: models, jobs, disk, hours of training, less what is there already.

Seconds per model come from the study's own measured jobs where there are any, else they are stated: a model's
multiply-adds over the rate of a published run. That may be off by a factor of about three: the paper's ten benchmarks
are stated at 142 hours on an RTX 4080, on which the released code takes 10 to 14 days for them by its authors.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from pathlib import Path
from statistics import median
from typing import NamedTuple

from lira.config import Architecture, Study

SIZES = {
    "digits": (1797, 0, (1, 8, 8), 10),
    "cifar10": (50_000, 10_000, (3, 32, 32), 10),
    "cifar100": (50_000, 10_000, (3, 32, 32), 100),
    "gtsrb": (26_640, 25_199, (3, 32, 32), 43),
    "purchase100": (138_126, 59_198, (600,), 100),
}
"""Training samples, test samples, shape and classes of the datasets (paper, section 2)."""

RATES = {"cuda": 5.2e15 / (29 * 3600 / 256), "cpu": 4.5e9}
"""Multiply-adds per second of training and query together.

cuda: the released code trains and queries 256 ResNet-18 of 5.2e15 multiply-adds each on CIFAR-10 in 29 hours on an RTX
4080, by its authors. cpu: one core of an AMD EPYC virtual machine in the quickstart, cohorts of 16 and 32 small nets.
"""

PASSES = {"cuda": 250_000, "cpu": float("inf")}
"""Samples per second, forward only, that no network is taken to exceed: launches and data, an assumption."""

TIMM = {
    ("resnet18", "original"): (1814e6, 224),
    ("resnet18", "small"): (555e6, 32),
    ("efficientnetv2_rw_s", "original"): (1282e6, 144),
}
"""Multiply-adds per sample at an image size, counted over convolutions and linear layers; they grow with the area."""

ASSUMED = TIMM["resnet18", "small"]
"""What a network of unknown size is taken for; a dataset of unknown size is taken for CIFAR-10."""

PASSES_TRAINED = 3
"""Forward passes that a training step is worth: forward, and backward for weights and for activations."""


class Seconds(NamedTuple):
    """Time of one shadow model, trained and queried.

    Attributes:
        seconds: On the study's kind of device.
        source: ``measured``, in this run's finished jobs; ``architecture``, measured in runs of its architecture and
            scaled by work; ``stated``; or ``assumed`` where size of network or dataset is not known.
    """

    seconds: float
    source: str


def seconds_per_model(study: Study, key: str, runtime: Path | str | None = None) -> Seconds:
    """Seconds to train and query one shadow model.

    A graph must not depend on times that change while it runs: plan shards without ``runtime``.

    Args:
        study: The study.
        key: Run, as ``dataset/architecture/regime``.
        runtime: Folder of the study's measured times, ``results/<study>/runtime``.
    """
    own = _measured(Path(runtime), key) if runtime else []
    if own:
        return Seconds(median(own), "measured")
    passes, operations, known = work(study, key)
    alike = [other for other in study.runs if other.split("/")[1] == key.split("/")[1]] if runtime else []
    rates = [work(study, other)[1] / seconds for other in alike for seconds in _measured(Path(runtime), other)]
    if rates:
        return Seconds(operations / median(rates), "architecture")
    seconds = max(operations / RATES[study.device], passes / PASSES[study.device])
    return Seconds(seconds, "stated" if known else "assumed")


class Work(NamedTuple):
    """What one shadow model computes: forward passes of a sample, their multiply-adds, and whether both are known."""

    passes: float
    operations: float
    known: bool


def work(study: Study, key: str) -> Work:
    """Work of training one model of a run on its members, testing it every epoch, and querying the pool."""
    recipe = study.recipe_of(key)
    size = size_of(study, key)
    shape = (size.shape[0], recipe.image_size, recipe.image_size) if recipe.image_size else size.shape
    network = study.architectures.get(key.split("/")[1])
    each, known = _multiply_adds(network, shape, size.classes) if network else _assumed(shape)
    members = study.member_fraction * size.pool
    tested = size.test if recipe.test_set == "test" else size.pool - members
    passes = recipe.epochs * (PASSES_TRAINED * members + tested) + recipe.query_views * size.pool
    return Work(passes, passes * each, known and size.known)


class Size(NamedTuple):
    """Size of a run's data: samples of pool and test set, shape of one sample, classes, and whether it is known."""

    pool: int
    test: int
    shape: tuple[int, ...]
    classes: int
    known: bool


def size_of(study: Study, key: str) -> Size:
    """Size of a run's pool and test set, CIFAR-10's where the study file does not tell."""
    name = key.split("/")[0]
    if name not in study.datasets:
        return Size(*SIZES["cifar10"], known=False)
    dataset = study.dataset_of(key)
    if dataset.source == "synthetic":
        train, test, shape, classes = dataset.samples, 0, (dataset.features,), dataset.classes
    else:
        train, test, shape, classes = SIZES.get(dataset.source, SIZES["cifar10"])
    whole = train + test if dataset.pool == "train+test" else train
    pool = max(1, whole - (dataset.test or 0) - dataset.public)
    return Size(pool, dataset.test or test, shape, classes, dataset.source in {*SIZES, "synthetic"})


def _measured(runtime: Path, key: str) -> list[float]:
    """Seconds per model of each finished shard; of a job that was killed, those of the attempt that ended it."""
    found = []
    for file in sorted((runtime / "train_shadows" / key).glob("seed*/*-*.tsv")):
        first, last = map(int, file.stem.split("-"))
        names, values = (line.split("\t") for line in file.read_text().splitlines()[:2])
        found.append(float(dict(zip(names, values, strict=True))["s"]) / (last - first + 1))
    return found


def _multiply_adds(network: Architecture, shape: tuple[int, ...], classes: int) -> tuple[float, bool]:
    """Multiply-adds of one sample's forward pass, and whether the network's size is known."""
    if network.family == "fcn":
        units = [prod(shape), *network.hidden, classes]
        return float(sum(a * b for a, b in pairwise(units))), True
    if network.family == "resnet":
        return _residual(shape, network.widths[0], network.widths, network.blocks), True
    if network.family == "wideresnet":
        widths = [16 * 2**stage * network.width for stage in range(3)]
        return _residual(shape, 16, widths, (network.depth - 4) // 6), True
    if (network.name, network.stem) not in TIMM:
        return _assumed(shape)
    operations, size = TIMM[network.name, network.stem]
    return operations * (shape[-1] / size) ** 2, True


def _residual(shape: tuple[int, ...], stem: int, widths: Sequence[int], blocks: int) -> float:
    """Convolutions of a residual net: 3x3, twice per block, halving the image after the first stage."""
    area, inputs = shape[-2] * shape[-1], stem
    total = area * 9 * shape[0] * stem
    for stage, width in enumerate(widths):
        area = area // 4 if stage else area
        total += area * 9 * width * (inputs + width * (2 * blocks - 1))
        total += area * inputs * width * (stage > 0 or inputs != width)
        inputs = width
    return float(total)


def _assumed(shape: tuple[int, ...]) -> tuple[float, bool]:
    operations, size = ASSUMED
    return operations * ((shape[-1] if len(shape) == 3 else size) / size) ** 2, False
