"""Memory of every step against its stated bound, the table of docs/limits.md.

    python benchmarks/memory.py                          # two small sizes, a minute
    python benchmarks/memory.py 256x50000x18             # the paper's: 2 GB of disk

Sizes are M x N x A: shadow models, samples, query views. A step's peak is the largest resident set of its process, as
the system counts it, less that of a process that only imports what the step imports.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lira.config import RECIPE_VERSION, Architecture, Dataset, Recipe, RunDescription, TrainingSettings
from lira.core.threads import cores
from lira.datasets import prepare_data
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5
from lira.storage.identity import digest_of, models_identity
from lira.storage.models import models_file, write_receipt

NAMES = {"dataset": "d", "architecture": "a", "regime": "baseline"}
RUN = RunDescription(study="memory", protocol="artifact", **NAMES, seed=0)
SHARDS = 4
VIEWS = 18
FEATURES = 64
RATES = {"fprs": [0.001, 0.01], "priors": [0.1]}
ATTACKS = {"offline": "two-sided"}
OWN = {"source": "file", "path": "own.npz", "kind": "tabular", "pool": "train"}
SLACK = 32 << 20
"""Bytes beside the arrays: allocator, small tables, buffers of HDF5."""

DRAWS = 1000
BLOCK = 4 << 20
TASK = 256


@dataclass(frozen=True)
class Step:
    """A step of the pipeline.

    Attributes:
        arguments: What ``lira`` is called with in a folder of that size.
        bound: Bytes beside what it imports, from M, N, A and cores.
        imports: Module whose import is not counted.
    """

    arguments: Callable[[int], list[str]]
    bound: Callable[[int, int, int, int], float]
    imports: str


def ranges(models: int) -> list[tuple[int, int]]:
    """First and last model of each shard."""
    return [(int(own[0]), int(own[-1])) for own in np.array_split(np.arange(models), SHARDS)]


def receipts(models: int) -> list[str]:
    """Receipts of the shards."""
    return [f"{first}-{last}.json" for first, last in ranges(models)]


def spec(place: str, content: dict) -> str:
    """Writes what is asked of a step to the working directory."""
    path = Path(f"{place}.{digest_of(content)}.json")
    path.write_text(json.dumps(content))
    return str(path)


STEPS = {
    "prepare-data": Step(
        lambda m: [spec("data", {"settings": OWN, "size": None, "seed": 0}), "--output", "again.h5"],
        lambda m, n, a, c: 3 * 8 * n * FEATURES + 10 * min(4 * n * FEATURES, 32 << 20),
        "lira.datasets.file, sklearn.model_selection, sklearn.preprocessing",
    ),
    "train-shadows": Step(
        lambda m: [*training(m, views=1), "--first", "0", "--last", "0", "--output", "trained/0-0.json"],
        lambda m, n, a, c: 1.5 * 4 * n * FEATURES + 24 * m * n,
        "lira.shadows.jobs, lira.shadows.models.fcn",
    ),
    "gather-shadows": Step(
        lambda m: [*receipts(m), "--spec", *training(m), "--output", "again.h5"],
        lambda m, n, a, c: 3 * max(BLOCK, 4 * m * a) + 3 * m * n,
        "lira.shadows.gather",
    ),
    "score-attacks": Step(
        lambda m: ["shadows.h5", "--spec", spec("attacks", ATTACKS), "--output", "again.h5"],
        lambda m, n, a, c: 12 * m * n + c * (m * TASK * (4 * a + 10 * 8) + 40 * 150_000 * 8),
        "lira.attacks.lira",
    ),
    "calibrate-thresholds": Step(
        lambda m: ["scores.h5", *rates(), "--metrics", "m.csv", "--samples", "s.csv"],
        lambda m, n, a, c: 4 * 8 * m * n,
        "lira.evaluation.calibration, scipy.special",
    ),
    "run-controls": Step(
        lambda m: [
            *("shadows.h5", "--spec", spec("attacks", ATTACKS), *rates()),
            *("--controls", "c.csv", "--samples", "n.csv", "--gaps", "g.csv"),
        ],
        lambda m, n, a, c: 5 * 8 * m * n + c * (m * TASK * (4 * a + 10 * 8) + 40 * 150_000 * 8),
        "lira.evaluation.controls, scipy.special",
    ),
    "summarise-rates": Step(
        lambda m: ["scores.h5", "--metrics", "metrics.csv", "--output", "summary.csv"],
        lambda m, n, a, c: 4 * 8 * m * n + (5 + 4) * n * DRAWS + c * n * DRAWS,  # of one attack there is no best
        "lira.evaluation.summary, scipy.special",
    ),
    "measure-ranks": Step(
        lambda m: ["scores.h5", "scores.h5", "--output", "ranks"],
        lambda m, n, a, c: 6 * 8 * m * n,
        "lira.evaluation.ranks, scipy.stats",
    ),
    "plot roc": Step(
        lambda m: ["roc", "scores.h5", "--output", "roc.pdf"],
        lambda m, n, a, c: 3 * 8 * m * n,
        "lira.report.figures.roc, matplotlib.backends.backend_pdf",
    ),
    "plot in_out": Step(
        lambda m: ["in_out", "scores.h5", "--sample", "1", "--output", "in_out.pdf"],
        lambda m, n, a, c: 2 * BLOCK + 8 * m * TASK,
        "lira.report.figures.in_out, matplotlib.backends.backend_pdf",
    ),
}


def settings_of(models: int, views: int = VIEWS) -> TrainingSettings:
    """Settings of the shards; a network of features can be trained with one view alone."""
    return TrainingSettings(
        recipe_version=RECIPE_VERSION,
        architecture=Architecture(family="fcn", hidden=[16]),
        recipe=Recipe(epochs=1, test_set="nonmembers", query_views=views),
        shadow_models=models,
        member_fraction=0.5,
        membership_draws="default_rng",
        store_logits=False,
        store_weights=False,
    )


def training(models: int, views: int = VIEWS) -> list[str]:
    """What is asked of the shards, their seed and data."""
    names = RUN.model_dump(include={"study", "protocol", "dataset", "architecture", "regime"})
    return [
        spec("run", names | {"training": settings_of(models, views).model_dump()}),
        "--seed",
        "0",
        "--data",
        "data.h5",
    ]


def rates() -> list[str]:
    """FPRs and priors, as an option."""
    return ["--rates", spec("rates", RATES)]


def make(folder: Path, models: int, samples: int, views: int) -> None:
    """What the steps read, of one size, drawn block by block."""
    rng = np.random.default_rng(0)
    np.savez(folder / "own.npz", x=rng.normal(size=(samples, FEATURES)), y=np.arange(samples) % 2)
    os.chdir(folder)
    prepare_data(Dataset(**OWN), None, 0, folder / "data.h5")
    with hdf5.read(folder / "data.h5", "data") as file:
        checksum = file.attrs["sha256"]
    identity = models_identity(settings_of(models), 0, folder / "data.h5")
    member = balanced_membership(samples, models, 0.5, 0)
    origin = settings_of(models).attributes(RUN) | {"data_sha256": checksum, "identity": identity, "seconds": 1.0}
    for first, last in ranges(models):
        shard, own = models_file(folder, first, last, identity), slice(first, last + 1)
        said = origin | hdf5.describe_environment() | {"first": first, "last": last}
        with hdf5.create(shard.path, "shard", said) as file:
            phi = hdf5.dataset(file, "phi", (shard.number, samples, views), np.float32)
            for start in range(0, samples, TASK):
                held = member[own, start : start + TASK, None]
                phi[:, start : start + TASK] = rng.normal(2 * held, 1, (*held.shape[:2], views))
            hdf5.dataset(file, "member", data=member[own])
            for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
                hdf5.dataset(file, f"utility/{name}", data=np.full(shard.number, 0.5))
        write_receipt(folder / f"{first}-{last}.json", first, last, identity, [shard])
    call(["gather-shadows", *receipts(models), "--spec", *training(models), "--output", "shadows.h5"], folder)
    call(["score-attacks", "shadows.h5", "--spec", spec("attacks", ATTACKS), "--output", "scores.h5"], folder)
    call(
        ["calibrate-thresholds", "scores.h5", *rates(), "--metrics", "metrics.csv", "--samples", "samples.csv"], folder
    )


def call(arguments: Sequence[str], folder: Path) -> int:
    """Peak resident set of a step, in bytes."""
    return peak(["-c", "from lira.cli import main; main()", *arguments], folder)


def peak(arguments: Sequence[str], folder: Path) -> int:
    """Peak resident set of a Python process that must succeed, in bytes."""
    process = os.spawnve(os.P_NOWAIT, sys.executable, [sys.executable, *arguments], os.environ | {"PWD": str(folder)})
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"failed: {' '.join(arguments)}")
    return usage.ru_maxrss * 1024


def measured(name: str, folder: Path, models: int, samples: int, views: int) -> tuple[float, float]:
    """Bytes a step takes beside its imports, and its bound."""
    step = STEPS[name]
    imports = f"import {step.imports}, lira.cli"
    used = call([*name.split()[:1], *step.arguments(models)], folder) - peak(["-c", imports], folder)
    return used, step.bound(models, samples, views, cores()) + SLACK


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", default=["32x4000x18", "128x16000x18"], metavar="MxNxA")
    sizes = [tuple(map(int, size.split("x"))) for size in parser.parse_args().sizes]
    print(f"| step | {' | '.join('measured, bound at ' + 'x'.join(map(str, size)) for size in sizes)} |")
    print("|---|" + "---|" * len(sizes))
    cells = {name: [] for name in STEPS}
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
            make(Path(folder), *size)
            for name in STEPS:
                used, bound = measured(name, Path(folder), *size)
                cells[name].append(f"{used / 1e6:,.0f}, {bound / 1e6:,.0f} MB" + " (more)" * (used > bound))
            os.chdir("/")
    for name, row in cells.items():
        print(f"| `{name}` | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
