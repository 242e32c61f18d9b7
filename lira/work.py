"""Says what a model's work is: the size of its data and network, its multiply-adds, its stated time, and its job.

Stated times can be wrong by a factor of about three, and are rather too low: for the paper's ten benchmarks they are
138 hours on an RTX 4080, on which the released code takes 10 to 14 days according to its authors.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from math import ceil, prod
from pathlib import Path
from typing import NamedTuple

from lira.config import Dataset, StudySettings
from lira.core.errors import ConfigError, DataError
from lira.core.pace import PASSES_TRAINED

SIZES: dict[str, tuple[int, int, tuple[int, ...], int]] = {
    "digits": (1797, 0, (1, 8, 8), 10),
    "cifar10": (50_000, 10_000, (3, 32, 32), 10),
    "cifar100": (50_000, 10_000, (3, 32, 32), 100),
    "gtsrb": (26_640, 12_630, (3, 32, 32), 43),
    "purchase100": (138_126, 59_198, (600,), 100),
    "location30": (5_010, 0, (446,), 30),
}
"""Training samples, test samples, shape and classes of the datasets as they are loaded."""

RATES = {"cuda": 5.2e15 / (29 * 3600 / 256), "cpu": 4.5e9}
"""Multiply-adds per second of training and query together.

cuda: according to its authors, the released code trains and queries 256 ResNet-18 of 5.2e15 multiply-adds each on
CIFAR-10 in 29 hours on an RTX 4080. cpu: one core of an AMD EPYC virtual machine in the quickstart.
"""

PASSES = {"cuda": 250_000, "cpu": float("inf")}
"""Assumed limit of samples per second in forward passes, which kernel launches and data loading set."""

TIMM: dict[tuple[str | None, str], tuple[float, int]] = {
    ("resnet18", "original"): (1814e6, 224),
    ("resnet18", "small"): (555e6, 32),
    ("efficientnetv2_rw_s", "original"): (1282e6, 144),
}
"""Multiply-adds per sample at an image size, counted over convolutions and linear layers; they grow with the area."""

ASSUMED = TIMM["resnet18", "small"]
"""Stands for a network of unknown size; a dataset of unknown size counts as CIFAR-10."""

ESTIMATED = 10_000
"""Assumed multiply-adds of an estimator for each sample and feature: a hundred trees take about a tenth as many."""

JOB_SECONDS = (
    3600  # aim for a job: long against its start, and inside lira.cost.JOB_WINDOW if the stated time is off by two
)


class Seconds(NamedTuple):
    """Time to train and query one shadow model.

    Attributes:
        seconds: On the kind of device that trains the run.
        source: ``measured`` in this run's finished models; ``architecture``: measured in runs of the same architecture
            and scaled by work; ``stated``; or ``assumed`` if the size of network or dataset is unknown.
    """

    seconds: float
    source: str


def stated_seconds(
    study: StudySettings, key: str, size: "Size | None" = None, multiply_adds: float | None = None
) -> Seconds:
    """Returns the seconds to train and query one shadow model by published rates, whatever was measured.

    Shards are planned by it, as :func:`work` estimates: the job graph must not depend on what changes while it runs.

    Args:
        study: The study.
        key: Run, as ``dataset/architecture/regime``.
        size: As for :func:`work`.
        multiply_adds: As for :func:`work`.
    """
    passes, operations, known = work(study, key, size, multiply_adds)
    device = study.device_of(key)
    seconds = max(operations / RATES[device], passes / PASSES[device])
    return Seconds(seconds, "stated" if known else "assumed")


def shards(study: StudySettings, key: str) -> list[tuple[int, int]]:
    """Returns the first and last model of each job of a run.

    Without ``shard_size``, a job gets as many whole cohorts as take about an hour by the stated time per model.
    """
    size = study.shard_size or advised_shard(study, key)
    starts = range(0, study.shadow_models, size)
    return [(first, min(first + size, study.shadow_models) - 1) for first in starts]


def advised_shard(study: StudySettings, key: str) -> int:
    """Returns the models of a job of about an hour, in whole cohorts and in jobs of one size."""
    cohort = study.recipe_of(key).cohort
    jobs = max(1, round(study.shadow_models * stated_seconds(study, key).seconds / JOB_SECONDS))
    return cohort * ceil(study.shadow_models / jobs / cohort)


class Work(NamedTuple):
    """Work for one shadow model: forward passes of one sample, their multiply-adds, and whether both are known."""

    passes: float
    operations: float
    known: bool


def work(study: StudySettings, key: str, size: "Size | None" = None, multiply_adds: float | None = None) -> Work:
    """Computes the work to train one model of a run, test it after every epoch, and query the pool.

    Args:
        study: The study.
        key: Run, as ``dataset/architecture/regime``.
        size: Size of its data; :func:`size_of` if not given.
        multiply_adds: Of one sample's forward pass, counted on the network; by a formula or a table if not given.
    """
    recipe = study.recipe_of(key)
    size = size or size_of(study, key)
    each, known = (multiply_adds, True) if multiply_adds else _multiply_adds(study, key, size)
    members = study.member_fraction * size.pool
    tested = size.test if recipe.test_set == "test" else size.pool - members
    passes = recipe.epochs * (PASSES_TRAINED * members + tested) + recipe.query_views * size.pool
    if study.is_of_estimators(key):
        passes = members + tested + size.pool
        return Work(passes, passes * ESTIMATED * prod(size.shape), False)
    return Work(passes, passes * each, known and size.known)


class Size(NamedTuple):
    """Size of a run's data: samples in pool and test set, shape of a sample, classes, and whether it is known."""

    pool: int
    test: int
    shape: tuple[int, ...]
    classes: int
    known: bool


def shape_of(size: Size, image_size: int | None) -> tuple[int, ...]:
    """Returns the shape of a sample as the network gets it, after images are resized."""
    return (size.shape[0], image_size, image_size) if image_size else size.shape


def size_of(study: StudySettings, key: str) -> Size:
    """Returns the size of a run's data by the study and the user's own file, or that of CIFAR-10 if it is not known."""
    name = key.split("/")[0]
    if name not in study.datasets:
        return Size(*SIZES["cifar10"], known=False)
    dataset = study.dataset_of(key)
    found = _measured(dataset)
    train, test, shape, classes = found or SIZES["cifar10"]
    whole = dataset.part or (train + test if dataset.pool == "train+test" else train)
    pool = whole - (dataset.test or 0) - dataset.public
    return Size(pool if found else max(1, pool), dataset.test or test, shape, classes, known=found is not None)


def _measured(dataset: Dataset) -> tuple[int, int, tuple[int, ...], int] | None:
    """Returns training samples, test samples, shape and classes of a dataset as far as they are known."""
    if dataset.source == "synthetic":
        samples, features = dataset.synthetic_shape
        return samples, 0, (features,), dataset.classes
    if dataset.source != "file":
        return SIZES.get(dataset.source)
    with suppress(OSError, DataError):  # the step that prepares it says what is wrong
        return _size_of_file(dataset.model_dump_json(), Path(str(dataset.path)).stat().st_mtime_ns)
    return None


@cache
def _size_of_file(settings: str, _: int) -> tuple[int, int, tuple[int, ...], int]:
    from lira.datasets._tables import measure_table
    from lira.datasets.file import measure

    dataset = Dataset.model_validate_json(settings)
    if dataset.label is not None:
        return measure_table(dataset)
    return measure(Path(str(dataset.path)), dataset.holds, dataset.channels, dataset.named_labels)


def check_sizes(study: StudySettings) -> None:
    """Raises ConfigError if a pool of known size is empty, too small for what is asked of it, or has no test set."""
    for key in study.runs:
        size = size_of(study, key)
        _check_test_set(study, key)
        _check_part(study, key)
        if not size.known:
            continue
        if size.pool < 1:
            raise ConfigError(f"datasets.{key.split('/')[0]}: test and public leave no sample for the pool")
        if study.sample and max(study.sample) >= size.pool:
            said = f"allowed are 0 to {size.pool - 1}, as the pool of {key} has {size.pool} samples"
            raise ConfigError(f"sample is {max(study.sample)}: {said}")


def _check_part(study: StudySettings, key: str) -> None:
    """Checks that a dataset has as many samples as are to be taken, if that is known."""
    name = key.split("/")[0]
    dataset = study.dataset_of(key) if name in study.datasets else None
    if not dataset or not dataset.part or not (found := _measured(dataset)):
        return
    train, test, _, classes = found
    whole = train + test if dataset.pool == "train+test" else train
    if not 2 * classes <= dataset.part <= whole:
        said = f"allowed are {2 * classes} to {whole}, as it has so many and each of {classes} classes needs two"
        raise ConfigError(f"datasets.{name}.samples is {dataset.part}: {said}")


def _check_test_set(study: StudySettings, key: str) -> None:
    """Checks that the user's own file has a test set where the recipe needs one, and that the study draws no other."""
    name = key.split("/")[0]
    dataset = study.dataset_of(key) if name in study.datasets else None
    if not dataset or dataset.source != "file" or dataset.pool == "train+test" or not (found := _measured(dataset)):
        return
    if dataset.test and found[1]:
        raise ConfigError(
            f"datasets.{name}.test: {dataset.path} has a test set of its own, x_test: leave test out, or set pool: "
            "train+test to divide all samples"
        )
    needed = study.runs[key].scores is None and study.recipe_of(key).test_set == "test"
    if needed and not dataset.test and not found[1]:
        raise ConfigError(
            f"runs.{key}.test_set: test needs datasets.{name}.test"
            + ("" if dataset.label else f", or x_test and y_test in {dataset.path}")
        )


def _multiply_adds(study: StudySettings, key: str, size: Size) -> tuple[float, bool]:
    """Returns the multiply-adds of one sample's forward pass, and whether the network's size is known."""
    network, shape = study.architectures.get(key.split("/")[1]), shape_of(size, study.recipe_of(key).image_size)
    if network is None:
        return _assumed(shape)
    if network.family == "fcn":
        units = [prod(shape), *network.hidden, size.classes]
        return float(sum(a * b for a, b in pairwise(units))), True
    if network.family == "resnet":
        return _residual(shape, network.widths[0], network.widths, network.blocks), True
    if network.family == "wideresnet":
        widths = [16 * 2**stage * network.width for stage in range(3)]
        return _residual(shape, 16, widths, (network.depth - 4) // 6), True
    if (network.name, network.stem) not in TIMM:
        return _assumed(shape)
    operations, counted_at = TIMM[network.name, network.stem]
    return operations * (shape[-1] / counted_at) ** 2, True


def _residual(shape: tuple[int, ...], stem: int, widths: Sequence[int], blocks: int) -> float:
    """Counts the convolutions of a residual net: 3x3, two per block; later stages halve height and width."""
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
