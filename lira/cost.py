"""Estimates what a study still costs: models, jobs, disk space and hours of training, without what is finished.

Seconds per model come from the study's own measured jobs if there are any. Otherwise they are stated: the model's
multiply-adds divided by the rate of a published run, plus the start of a job. Stated times can be wrong by a factor of
about three, and are rather too low: for the paper's ten benchmarks they are 138 hours on an RTX 4080, on which the
released code takes 10 to 14 days according to its authors.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from math import ceil, prod
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from lira.config import Architecture, StudySettings
from lira.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SIZES: dict[str, tuple[int, int, tuple[int, ...], int]] = {
    "digits": (1797, 0, (1, 8, 8), 10),
    "cifar10": (50_000, 10_000, (3, 32, 32), 10),
    "cifar100": (50_000, 10_000, (3, 32, 32), 100),
    "gtsrb": (26_640, 12_630, (3, 32, 32), 43),
    "purchase100": (138_126, 59_198, (600,), 100),
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

ATTACK_ARRAYS = 5  # float64 arrays in a run's scores
START_SECONDS = 5  # a job needs this to import torch and load data; measured times include it
JOB_SECONDS = 3600  # aim for a job: long against its start, and inside JOB_WINDOW if the stated time is off by two
JOB_WINDOW = 20 * 60, 4 * 3600  # shortest and longest job advised, in seconds, if its run has as much work
ASSUMED_VALUES = 11e6  # parameters of a network that cannot be built without its data: those of ResNet-18
PASSES_TRAINED = 3  # a training step in forward passes: forward, backward for weights, backward for activations


class Seconds(NamedTuple):
    """Time to train and query one shadow model.

    Attributes:
        seconds: On the study's kind of device.
        source: ``measured`` in this run's finished jobs; ``architecture``: measured in runs of the same architecture
            and scaled by work; ``stated``; or ``assumed`` if the size of network or dataset is unknown.
    """

    seconds: float
    source: str


def seconds_per_model(study: StudySettings, key: str, runtime: Path | str | None = None) -> Seconds:
    """Estimates the seconds to train and query one shadow model.

    To plan shards, call it without ``runtime``: the job graph must not depend on times that change while it runs.

    Args:
        study: The study.
        key: Run, as ``dataset/architecture/regime``.
        runtime: Folder of the study's measured times, ``results/<study>/runtime``, if they are to be used.
    """
    folder = Path(runtime) if runtime else None
    own = _measured(folder, key) if folder else []
    if own:
        return Seconds(median(own), "measured")
    passes, operations, known = work(study, key)
    alike = [other for other in study.runs if other.split("/")[1] == key.split("/")[1]]
    times = [(other, seconds) for other in alike for seconds in _measured(folder, other)] if folder else []
    rates = [work(study, other)[1] / seconds for other, seconds in times]
    if rates:
        return Seconds(operations / median(rates), "architecture")
    seconds = max(operations / RATES[study.device], passes / PASSES[study.device])
    return Seconds(seconds, "stated" if known else "assumed")


def shards(study: StudySettings, key: str) -> list[tuple[int, int]]:
    """Returns the first and last model of each job of a run.

    Without ``shard_size``, a job gets as many whole cohorts as take about an hour by the stated time per model.
    """
    size = study.shard_size or _shard_size(study, key)
    starts = range(0, study.shadow_models, size)
    return [(first, min(first + size, study.shadow_models) - 1) for first in starts]


def _shard_size(study: StudySettings, key: str) -> int:
    cohort = study.recipe_of(key).cohort
    jobs = max(1, round(study.shadow_models * seconds_per_model(study, key).seconds / JOB_SECONDS))
    return cohort * ceil(study.shadow_models / jobs / cohort)


class Work(NamedTuple):
    """Work for one shadow model: forward passes of one sample, their multiply-adds, and whether both are known."""

    passes: float
    operations: float
    known: bool


def work(study: StudySettings, key: str) -> Work:
    """Computes the work to train one model of a run, test it after every epoch, and query the pool."""
    recipe = study.recipe_of(key)
    size = size_of(study, key)
    shape = _shape(size, recipe.image_size)
    network = study.architectures.get(key.split("/")[1])
    each, known = _multiply_adds(network, shape, size.classes) if network else _assumed(shape)
    members = study.member_fraction * size.pool
    tested = size.test if recipe.test_set == "test" else size.pool - members
    passes = recipe.epochs * (PASSES_TRAINED * members + tested) + recipe.query_views * size.pool
    return Work(passes, passes * each, known and size.known)


class Size(NamedTuple):
    """Size of a run's data: samples in pool and test set, shape of a sample, classes, and whether it is known."""

    pool: int
    test: int
    shape: tuple[int, ...]
    classes: int
    known: bool


def _shape(size: Size, image_size: int | None) -> tuple[int, ...]:
    return (size.shape[0], image_size, image_size) if image_size else size.shape


def size_of(study: StudySettings, key: str) -> Size:
    """Returns the size of a run's data, or that of CIFAR-10 if the study file does not determine it."""
    name = key.split("/")[0]
    if name not in study.datasets:
        return Size(*SIZES["cifar10"], known=False)
    dataset = study.dataset_of(key)
    train, test, shape, classes = SIZES.get(dataset.source, SIZES["cifar10"])
    if dataset.source == "synthetic":
        train, test, shape, classes = dataset.samples, 0, (dataset.features,), dataset.classes
    whole = train + test if dataset.pool == "train+test" else train
    pool, known = whole - (dataset.test or 0) - dataset.public, dataset.source in {*SIZES, "synthetic"}
    return Size(pool if known else max(1, pool), dataset.test or test, shape, classes, known)


def check_sizes(study: StudySettings) -> None:
    """Raises ConfigError if a pool of known size is empty, or lacks the sample of the in/out figure."""
    for key in study.runs:
        size = size_of(study, key)
        if not size.known:
            continue
        if size.pool < 1:
            raise ConfigError(f"datasets.{key.split('/')[0]}: test and public leave no sample for the pool")
        if study.sample >= size.pool:
            said = f"allowed are 0 to {size.pool - 1}, as the pool of {key} has {size.pool} samples"
            raise ConfigError(f"sample is {study.sample}: {said}")


def _measured(runtime: Path, key: str) -> list[float]:
    """Returns the seconds per model of each finished shard; of a job that was restarted, only the last attempt."""
    found = []
    for file in sorted((runtime / "train_shadows" / key).glob("seed*/*-*.tsv")):
        first, last = map(int, file.stem.split("-"))
        if len(lines := file.read_text().splitlines()[:2]) < 2:  # Snakemake was killed while it wrote
            continue
        names, values = (line.split("\t") for line in lines)
        found.append(float(dict(zip(names, values, strict=True))["s"]) / (last - first + 1))
    return found


def _multiply_adds(network: Architecture, shape: tuple[int, ...], classes: int) -> tuple[float, bool]:
    """Returns the multiply-adds of one sample's forward pass, and whether the network's size is known."""
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


STEPS = ("shadows.h5", "scores.h5", "metrics.csv", "controls.csv")  # jobs after training; the first seed has one more
STORED = ("logits", "phi", "scores", "weights")  # takes the disk space; phi is stored in the shards and gathered


def costs(study: StudySettings, results: Path | str) -> "pd.DataFrame":
    """Estimates what each run of a study costs, a row per ``dataset/architecture/regime``.

    Args:
        study: The study.
        results: ``results/<study>``; what is finished there no longer counts.

    Returns:
        ``run seeds models``; ``models_left jobs_left hours_left`` (of one GPU, or one core); ``seconds source`` per
        model, as :func:`seconds_per_model`; ``per_job``, the models that one job trains (0 for imported scores), and
        ``start``, the seconds before a job trains; and ``logits phi scores weights``, the bytes of the finished run,
        of which ``disk_left`` are not yet written.
    """
    import pandas as pd

    results = Path(results)
    return pd.DataFrame([_cost(study, key, results) for key in study.runs])


def _cost(study: StudySettings, key: str, results: Path) -> dict:
    seeds, models = study.seeds_of(key), study.shadow_models
    time = seconds_per_model(study, key, results / "runtime")
    start = START_SECONDS if time.source in ("stated", "assumed") else 0
    size, views = size_of(study, key), study.recipe_of(key).query_views
    values = len(seeds) * models * size.pool
    imported = study.runs[key].scores is not None
    phi = (4 * views + 1) * values
    weights = _values(study, key) if study.store_weights and not imported else 0
    stored = {
        "logits": 4 * values * views * size.classes * (study.store_logits and not imported),
        "phi": phi if imported else 2 * phi,
        "scores": (8 * ATTACK_ARRAYS + 1) * values,
        "weights": 4 * len(seeds) * models * weights,
    }
    row: dict[str, Any] = {"run": key, "seeds": len(seeds), "models": 0 if imported else len(seeds) * models}
    row |= {"models_left": 0, "jobs_left": 0, "hours_left": 0.0, "disk_left": 0.0}
    for seed in seeds:
        folder = results / "runs" / key / f"seed{seed}"
        unfinished = [] if imported else _shards_left(study, key, folder)
        steps = [*STEPS, "summary.csv"] if seed == seeds[0] else STEPS
        missing = [step for step in steps if not (folder / step).is_file()]
        row["models_left"] += sum(unfinished)
        row["jobs_left"] += len(unfinished) + len(missing)
        row["hours_left"] += (sum(unfinished) * time.seconds + len(unfinished) * start) / 3600
        in_shards = (stored["logits"] + stored["weights"] + phi) * sum(unfinished) / models
        gathered = phi * (STEPS[0] in missing) + stored["scores"] * (STEPS[1] in missing)
        row["disk_left"] += (in_shards + gathered) / len(seeds)
    first, last = (0, -1) if imported else shards(study, key)[0]
    return row | {"per_job": last - first + 1, "start": start} | time._asdict() | stored


def _values(study: StudySettings, key: str) -> float:
    """Counts the parameters and buffers of one model."""
    size = size_of(study, key)
    shape = _shape(size, study.recipe_of(key).image_size)
    return _values_of(study.architectures[key.split("/")[1]].model_dump_json(), shape, size.classes)


@cache
def _values_of(architecture: str, shape: tuple[int, ...], classes: int) -> float:
    from lira.shadows.models import build

    try:
        network = build(Architecture.model_validate_json(architecture), 1, shape, classes, 0.0)
    except ConfigError:
        return ASSUMED_VALUES
    return sum(value.numel() for value in network.state_dict().values())


def _shards_left(study: StudySettings, key: str, folder: Path) -> list[int]:
    """Counts the models still to train in each unfinished shard; stored cohorts count as trained."""
    if (folder / STEPS[0]).is_file():
        return []
    left, cohort = [], study.recipe_of(key).cohort
    for first, last in shards(study, key):
        shard = folder / "shards" / f"{first}-{last}.h5"
        if not shard.is_file():
            kept = cohort * len(list(shard.with_name(f"{shard.name}.parts").glob("*.h5")))
            left.append(max(0, last - first + 1 - kept))
    return left


def describe_costs(study: StudySettings, rows: "pd.DataFrame") -> str:
    """Formats the rows of :func:`costs` and their total as text."""
    rows = rows.assign(job_seconds=rows["per_job"] * rows["seconds"] + rows["start"])
    shown = rows[["run", "seeds", "models", "models_left", "jobs_left", "hours_left", "source", *PER_JOB, *STORED]]
    total = shown.drop(columns=["run", "source", *PER_JOB]).sum().to_dict() | {"run": "total", "source": ""}
    shown = [*shown.to_dict("records"), total]
    unit = "GPU" if study.device == "cuda" else "Core"
    heads = ("Run", "Seeds", "Models", "To train", "Jobs", f"{unit}-hours", "From", "Models a job", "Lasts")
    lines = [(*heads, "Logits", "φ", "Scores", "Weights")]
    for row in shown:
        counts = [f"{row[name]:.0f}" for name in ("seeds", "models", "models_left", "jobs_left")]
        job = (f"{row['per_job']:.0f}", _time(row["job_seconds"])) if row.get("per_job") else ("", "")
        sizes = [_gb(row[name]) for name in STORED]
        lines.append((row["run"], *counts, _short(row["hours_left"]), row["source"], *job, *sizes))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [str.ljust, *[str.rjust] * 5, str.ljust, *[str.rjust] * 6]
    text = ["  ".join(side(cell, w) for side, cell, w in zip(sides, line, widths, strict=True)) for line in lines]
    whole = f"Disk when finished: {_gb(sum(total[name] for name in STORED))}, without prepared data and figures"
    whole = f"{whole}; still to be written: {_gb(rows['disk_left'].sum())}."
    sources = [SOURCES[name] for name in SOURCES if name in set(rows["source"])]
    return "\n".join([*text, "", whole, *sources, *_advice(study, rows)])


def _advice(study: StudySettings, rows: "pd.DataFrame") -> list[str]:
    """Advises on each run whose jobs are too long, or too short though it has work for longer ones."""
    lines, (shortest, longest) = [], JOB_WINDOW
    for row in rows[rows["per_job"] > 0].to_dict("records") if study.shard_size else []:
        enough = row["per_job"] < study.shadow_models and study.shadow_models * row["seconds"] >= shortest
        short = row["job_seconds"] < shortest and enough
        if short or row["job_seconds"] > longest:
            made = f"{row['run']}: jobs of {_time(row['job_seconds'])} by shard_size: {study.shard_size}"
            advice = _shard_size(study, row["run"])
            lines.append(f"{made}; 20 minutes to 4 hours are advised, {advice} models a job if it is not given.")
    return lines


PER_JOB = ("per_job", "job_seconds")  # number of models, and time

SOURCES = {
    "measured": "measured: median over the run's own finished jobs.",
    "architecture": "architecture: from finished jobs of runs of the same architecture, by work.",
    "stated": "stated: from published times, as nothing is measured; within a factor of about three, rather too low.",
    "assumed": "assumed: size of network or dataset unknown, taken for ResNet-18 or CIFAR-10.",
}


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _short(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"


def _gb(size: float) -> str:
    if not size:
        return "–"
    return f"{size / 1e9:.0f} GB" if size >= 1e10 else f"{size / 1e9:.2g} GB" if size >= 1e8 else f"{size / 1e6:.2g} MB"
