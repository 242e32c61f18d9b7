"""What ``gpu.py`` measures: generators of the rows of its tables."""

import gc
import platform
import resource
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from itertools import count, product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from plain.query import module_of
from plain.query import query as plain_query
from plain.training import Loop
from training_speed import (
    BENCHMARKS,
    SHADOW_MODELS,
    Benchmark,
    Jobs,
    Ours,
    SquareProducts,
    contest,
    layouts,
    synchronise,
)

from lira.core import preemption
from lira.core.threads import available
from lira.shadows.logits import scaled_logit
from lira.shadows.models import build
from lira.shadows.query import full_float32, query
from lira.shadows.rng import QUERY, Streams
from lira.shadows.training.cohort import Samples, train_cohort
from lira.shadows.training.device import lease, name_of
from lira.shadows.training.progress import Checkpoint, Progress, load_whole
from lira.storage.hdf5 import describe_environment

COHORTS = {"fcn": (1, 2, 4, 8, 16, 32, 64), "wideresnet": (1, 4, 16, 64), "timm": (1,)}
MACHINE = ("device", "driver", "CUDA, cuDNN", "host", "Python, torch, torchvision, timm", "lira", "date")
TOLERANCE = 1e-4
PASSED, FAILED = "passed", "FAILED"
WORKERS = 8


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        seconds: Time of a turn; if 0, a turn is one step.
        rounds: Turns of each contestant.
        square: Rows of the matrices whose products are timed.
        queried: Batches of a query.
        compared: Samples whose φ is compared.
        steps: Steps of an epoch, where a resumed model is compared.
        largest: Largest cohort.
        batch: Samples in a batch; by default, the recipe's.
        image: Height of images; by default, the benchmark's.
        networks: Settings of networks that take the place of the benchmark's, by family.
        patience: By how much all limits of time are multiplied.
    """

    seconds: float = 0.3
    rounds: int = 2
    square: int = 8192
    queried: int = 4
    compared: int = 16
    steps: int = 6
    largest: int = 64
    batch: int | None = None
    image: int | None = None
    networks: dict[str, dict] = field(default_factory=dict)
    patience: float = 1.0


NETWORKS = {"timm": {"name": "test_efficientnet"}, "wideresnet": {"depth": 10, "width": 1}}
SIZES = {False: Size(), True: Size(0, 1, 128, 1, 4, 3, 2, 4, 16, NETWORKS, patience=30)}


def benchmark_of(key: str, tiny: bool, **changes: object) -> Benchmark:
    """A benchmark of the paper, some settings of its recipe changed; a tiny one has small batches, images, networks."""
    found, size = Benchmark.of(*BENCHMARKS[key]), SIZES[tiny]
    network = found.architecture.model_copy(update=size.networks.get(found.architecture.family, {}))
    shape = (found.shape[0], size.image, size.image) if size.image and len(found.shape) == 3 else found.shape
    recipe = found.recipe.model_copy(update=({"batch_size": size.batch} if size.batch else {}) | changes)
    return replace(found, architecture=network, shape=shape, recipe=recipe)


def cohorts(key: str, largest: int) -> list[int]:
    """Numbers of models that are trained at a time."""
    family = Benchmark.of(*BENCHMARKS[key]).architecture.family
    return [models for models in COHORTS[family] if models <= largest]


def describe(kind: str) -> Iterator[tuple]:
    """What is measured on, and with, a row each."""
    said, driver = describe_environment(), "none"
    with lease(kind) as device:
        name = name_of(device)
        if device != "cpu":
            found = torch.cuda.get_device_properties(device)
            name += f", {found.total_memory / 2**30:.0f} GiB, {found.multi_processor_count} multiprocessors"
    if kind != "cpu" and shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20)
        driver = (done.stdout.split() or ["unknown"])[0]
    yield (name,)
    yield (driver,)
    yield (f"{torch.version.cuda}, {torch.backends.cudnn.version()}",)
    yield (f"{processor()}, {available()} cores",)
    yield (", ".join([platform.python_version(), *(version(name) for name in ("torch", "torchvision", "timm"))]),)
    yield (f"{said['versions']['lira']}, revision {said['revision']}",)
    yield (time.strftime("%Y-%m-%d"),)


def processor() -> str:
    """The processor's name."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


@cache
def flops(key: str, tiny: bool) -> float:
    """Floating-point operations of a sample's training step."""
    return benchmark_of(key, tiny).flops()


def training(key: str, precision: str, kind: str, tiny: bool) -> Iterator[tuple]:
    """A row for each number of models at a time."""
    run, size = benchmark_of(key, tiny), SIZES[tiny]
    with lease(kind) as device:
        try:
            plain, plain_memory = plain_training(run, precision, device, size)
        except Exception:  # as its workers fail where shared memory is scarce
            traceback.print_exc()
            plain = plain_memory = None
        for models in cohorts(key, size.largest):
            before = settled(device)
            ours = Ours(run, models, device, precision)
            turns = {"lira": paced(ours.run, size.seconds, device)}
            memory = most(device) - before
            turns["products"] = paced(SquareProducts(size.square, device, precision).run, size.seconds / 2, device)
            rates = contest(turns, device, size.rounds)
            done = flops(key, tiny) * rates["lira"]
            yield (
                *compared(plain, rates["lira"]),
                *(number(done / 1e12), number(100 * done / rates["products"])),
                *("–" if plain is None else number(plain_memory / 2**30), number(memory / 2**30)),
                number(run.hours(rates["lira"])),
            )
            del ours, turns


def compared(plain: float | None, rate: float) -> tuple[str, str, str]:
    """Both rates and their ratio."""
    return ("failed", number(rate), "–") if plain is None else (number(plain), number(rate), f"{rate / plain:.2f}")


def plain_training(run: Benchmark, precision: str, device: str, size: Size) -> tuple[float, float]:
    """Samples per second of the plain loop, and its bytes.

    Its turns are long, and follow each other at once: its workers give batches in bursts, and get ahead in a pause.
    """
    best, memory = 0.0, 0.0
    crew = min(WORKERS, available()) if size.seconds else 0
    part = run.part(run.recipe.batch_size * 40)
    for workers, last in product({crew} if run.recipe.augment else {0, crew}, layouts(run)):
        before = settled(device)
        with free_choice():
            loop = Loop(run.architecture, run.recipe, part, device, precision, workers, channels_last=last)
            turn = paced(loop.run, 4 * size.seconds, device)
            rate = contest({"plain": turn}, device, rounds=1)["plain"]
        best, memory = max(best, rate), max(memory, most(device) - before)
        loop.endless.close()  # ends the workers
        del loop, turn
    return best, memory


@contextmanager
def free_choice() -> Iterator[None]:
    """Lets cuDNN choose algorithms as it does by default."""
    kept, torch.backends.cudnn.deterministic = torch.backends.cudnn.deterministic, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = kept


def querying(key: str, models: int, kind: str, tiny: bool) -> Iterator[tuple]:
    """One row."""
    run, size = benchmark_of(key, tiny), SIZES[tiny]
    part, batch, views = run.part(size.queried * run.recipe.batch_size), run.recipe.batch_size, run.recipe.query_views
    with lease(kind) as device:
        before = settled(device)
        ours = Ours(run, models, device)
        ours.pool, weights = Samples(part, device), ours.state.parameters | ours.state.buffers
        turns = {"lira": paced(lambda times: sum(phi(ours, weights).size for _ in range(times)), size.seconds, device)}
        memory = most(device) - before
        before = settled(device)
        alone = build(run.architecture, 1, run.shape, run.classes, run.recipe.dropout)
        module = module_of(alone, {name: value[0] for name, value in weights.items()})
        x = ours.pool.normalised(ours.pool.raw(slice(None)))

        def plain(times: int) -> int:
            with full_float32():
                for start in [*range(0, len(x), batch)] * times:
                    logits = plain_query(module, x[start : start + batch])
                    scaled_logit(logits, part.y[start : start + batch])
            return times * len(x) * views

        turns["plain"] = paced(plain, size.seconds, device)
        plain_memory = most(device) - before
        rates = {name: rate / views for name, rate in contest(turns, device, size.rounds).items()}
        yield (
            *compared(rates["plain"], rates["lira"]),
            *(number(plain_memory / 2**30), number(memory / 2**30)),
            number(SHADOW_MODELS * 2 * run.members / rates["lira"] / 3600),
        )


def phi(ours: Ours, weights: dict[str, torch.Tensor]) -> np.ndarray:
    """φ of a cohort's models by some weights, as a job computes it."""
    streams, labels = Streams(0, range(ours.models), ours.device, QUERY), ours.pool.y.cpu().numpy()
    queried = query(ours.network, weights, ours.pool, ours.recipe, streams)
    return np.concatenate([[scaled_logit(model, labels[batch]) for model in found] for batch, found in queried], 1)


def resuming(key: str, models: int, kind: str, tiny: bool) -> Iterator[tuple]:
    """One row."""
    run, steps, calls = benchmark_of(key, tiny, epochs=2), SIZES[tiny].steps, count(1)
    longest = steps + (models > 1)

    def may_stop() -> None:
        if next(calls) > longest + 1 + steps // 2:  # an epoch, its evaluation, and some steps of the next
            raise preemption.Preempted

    with lease(kind) as device, tempfile.TemporaryDirectory() as folder:
        undisturbed = contents(trained(run, models, device, steps))
        checkpoint = Checkpoint(Path(folder) / "checkpoint.pt", "check")
        with patch.object(preemption, "may_stop", may_stop), suppress(preemption.Preempted):
            trained(run, models, device, steps, checkpoint)
        stored = load_whole(checkpoint.path)
        resumed = contents(trained(run, models, device, steps, checkpoint))
    at = stored["current"]["step"] if stored["current"] else 0
    differing = sum(first != second for first, second in zip(undisturbed, resumed, strict=True))
    place = f"epoch {stored['epoch'] + 1} of 2, step {at} of {longest}"
    yield place, f"{differing} of {len(resumed)}", PASSED if at and not differing else FAILED


def trained(run: Benchmark, models: int, device: str, steps: int, checkpoint: Checkpoint | None = None) -> Progress:
    """Trains a cohort whose models have some steps in an epoch, every other model one more."""
    ours = Ours(run, models, device, "auto")
    rng, member = np.random.default_rng(1), np.zeros((models, len(ours.pool)), bool)
    for model in range(models):
        member[model, rng.permutation(len(ours.pool))[: (steps + model % 2) * run.recipe.batch_size]] = True
    test, initial = Samples(run.part(run.recipe.batch_size), device), ours.state.parameters | ours.state.buffers
    return train_cohort(ours.network, initial, ours.recipe, ours.pool, test, member, ours.streams, checkpoint)


def contents(progress: Progress) -> list[bytes]:
    """The bits of everything that training leaves."""
    state = progress.state
    groups = progress.best, state.parameters, state.buffers, state.optimizer
    tensors = [value.cpu().numpy() for group in groups for value in group.values()]
    arrays = [progress.best_accuracy, progress.best_epoch, state.step, *progress.history.values()]
    return [array.tobytes() for array in tensors + arrays]


def agreeing(key: str, models: int, kind: str, tiny: bool) -> Iterator[tuple]:
    """One row."""
    size = SIZES[tiny]
    run = benchmark_of(key, tiny, query_dropout=False)
    part = run.part(size.compared)
    with lease(kind) as device:
        ours = Ours(run, models, device, "auto")
        ours.run(size.steps)
        weights = ours.state.parameters | ours.state.buffers
        ours.pool = Samples(part, device)
        on_device = phi(ours, weights)
    host = Ours(run, models)
    host.pool = Samples(part, "cpu")
    on_cpu = phi(host, {name: value.cpu() for name, value in weights.items()})
    difference = float(np.abs(on_device - on_cpu).max())
    cells = f"{on_cpu.size:,}", f"{on_cpu.std():.2f}", f"{difference:.1e}"
    yield *cells, PASSED if difference <= TOLERANCE and np.ptp(on_cpu) > 0 else FAILED


def sharing(key: str, models: int, kind: str, tiny: bool) -> Iterator[tuple]:
    """One row; the jobs hold the device, not this process."""
    run, size = benchmark_of(key, tiny), SIZES[tiny]
    gc.collect()
    torch.cuda.empty_cache()
    jobs = Jobs(run, models, kind, "bf16", number=2)
    turn = paced(jobs.run, size.seconds, "cpu")  # each job waits for the device
    alone = paced(lambda steps: jobs.run(steps, 1), size.seconds, "cpu")
    rates = contest({"one": alone, "both": turn}, rounds=size.rounds)
    jobs.close()
    yield number(rates["one"]), number(rates["both"]), f"{rates['both'] / rates['one']:.2f}"


def paced(run: Callable[[int], float], seconds: float, device: str) -> Callable[[], float]:
    """A turn of as many steps as take some time, found after a warm-up."""
    run(1)
    steps, took = 1, 0.0
    while seconds and took < seconds / 2:
        steps *= 2
        synchronise(device)
        start = time.perf_counter()
        run(steps)
        synchronise(device)
        took = time.perf_counter() - start
    chosen = max(1, round(steps * seconds / took)) if seconds else 1
    return lambda: run(chosen)


def settled(device: str) -> int:
    """Gives back memory that is not used, and returns the bytes that are."""
    if device == "cpu":
        return 0
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def most(device: str) -> int:
    """Bytes that were used at most."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return torch.cuda.max_memory_allocated()


def number(value: float) -> str:
    """Three digits, or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
