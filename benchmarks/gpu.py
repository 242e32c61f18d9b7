"""What only a GPU can show, in under ten minutes: speed, memory, an exact resume, φ on both devices, two jobs at once.

    python benchmarks/gpu.py                                           # writes benchmarks/gpu.md
    python benchmarks/gpu.py --device cpu --tiny --output tiny.md      # the same in small, to see that it runs

It needs the repository, what is installed and one GPU: samples are random and networks start at random. A row that
cannot be measured says why; the exit status is 1 if a check did not pass.
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from gpu_measures import (
    FAILED,
    MACHINE,
    PASSED,
    SIZES,
    TOLERANCE,
    WORKERS,
    agreeing,
    cohorts,
    describe,
    querying,
    resuming,
    sharing,
    training,
)
from tasks import Task, Worker
from training_speed import PAPER, SHADOW_MODELS

PRECISIONS = ("bf16", "float32")
TRAINED = PAPER
QUERIED = {  # models at a time
    "cifar10/resnet18/baseline": 1,
    "cifar100/wrn28_2/baseline": 1,
    "cifar10/efficientnetv2_s/tl": 1,
    "purchase100/fcn/baseline": 8,
}
CHECKED = {
    "cifar10/resnet18/aof": 1,
    "cifar100/wrn28_2/aof": 2,
    "cifar10/efficientnetv2_s/tl": 1,
    "purchase100/fcn/aof": 8,
}
SHARED = {"cifar10/resnet18/baseline": 1, "purchase100/fcn/baseline": 8}
TASK_SECONDS = 60.0

TRAINING = f"""Random samples of the benchmark's shape, its recipe and batch, training steps alone. *Plain* is one model
in a PyTorch loop (`plain/training.py`) with torchvision's transforms on the host, in up to {WORKERS} DataLoader workers
(for features, the better of none and that many), in the better of both memory layouts, and with cuDNN's own choice of
algorithms; lira takes deterministic ones. float32 is without TF32 in both. *Of products* is the share of the rate of
large square matrix products in the same precision, timed in turns with the training; of the training, only products
and convolutions are counted. GiB is the most that a contestant's tensors took of the device (on a CPU, the most that
the process has taken so far). Hours are of all epochs of {SHADOW_MODELS} models."""

QUERY = f"""From samples to φ, float32 without TF32; a sample is counted once for each model, whatever the number of
views. *Plain* is one model and one view at a time. Hours are of all samples by {SHADOW_MODELS} models."""

RESUMED = """Two epochs with all that the recipe has, in the precision `auto`. A second training was stopped inside the
second epoch, as a scheduler stops it, and went on from its checkpoint. Parameters, buffers, the optimiser's state and
the history are compared bit for bit."""

AGREEING = f"""The same weights, trained here for a few steps, are queried on both, without dropout, whose masks are
drawn on the device. The largest difference may be {TOLERANCE:.0e}."""

SHARING = """Two processes, as with `jobs_per_gpu: 2`, bf16: one trains while the other waits, then both train."""

SPEED, MEMORY = ("plain, samples/s", "lira, samples/s", "ratio"), ("plain, GiB", "lira, GiB")
HOURS = f"{SHADOW_MODELS} models, h"


@dataclass(frozen=True)
class Section:
    """A table.

    Attributes:
        title: Its heading.
        text: What its figures mean.
        columns: Their names; a row's last says whether a check passed.
        seconds: For how long its tasks may run in all.
        tasks: What measures its rows, the most important first.
        check: Whether it decides on the exit status.
    """

    title: str
    text: str
    columns: tuple[str, ...]
    seconds: float
    tasks: list[Task]
    check: bool = False


def sections(kind: str, tiny: bool) -> list[Section]:
    """Everything that is measured on a kind of device."""
    largest, run, place = SIZES[tiny].largest, (kind, tiny), ("run", "models at a time")

    def rows(key: str, precision: str) -> list[tuple]:
        return [(key, precision, models) for models in cohorts(key, largest)]

    def each(do, keys: dict[str, int]) -> list[Task]:
        return [Task([(key, models)], do, (key, models, *run)) for key, models in keys.items()]

    trained = ("run", "precision", "models at a time", *SPEED, "TFLOP/s", "of products, %", *MEMORY, HOURS)
    tasks = [
        Task(rows(key, precision), training, (key, precision, *run)) for precision in PRECISIONS for key in TRAINED
    ]
    resumed = (*place, "stopped after", "arrays that differ", "check")
    agreed = (*place, "values of φ", "standard deviation", "largest difference", "check")
    shared = (*place, "one job, samples/s", "two jobs, samples/s", "ratio")
    return [
        Section("Machine", "", ("", ""), 40, [Task([(name,) for name in MACHINE], describe, (kind,))]),
        Section("Training", TRAINING, trained, 330, tasks),
        Section("Query", QUERY, (*place, *SPEED, *MEMORY, HOURS), 50, each(querying, QUERIED)),
        Section("A resumed model equals an undisturbed one", RESUMED, resumed, 40, each(resuming, CHECKED), True),
        Section("φ on this device and on a CPU", AGREEING, agreed, 40, each(agreeing, CHECKED), True),
        Section("Two jobs on one device", SHARING, shared, 50, each(sharing, SHARED)),
    ]


def measured(section: Section, worker: Worker, patience: float) -> Iterator[tuple]:
    """Yields the rows of a table; the last cell of one that has no values says why."""
    until = time.monotonic() + patience * section.seconds
    for task in section.tasks:
        found = worker.carry_out(task, min(patience * TASK_SECONDS, until - time.monotonic()))
        for row, cells in zip(task.rows, found, strict=True):
            if isinstance(cells, str):
                said = f"{FAILED}: {cells.removeprefix('failed: ')}" if section.check else cells
                cells = (*["–"] * (len(section.columns) - len(row) - 1), said)
            yield row + cells


def table(section: Section, worker: Worker, patience: float = 1.0) -> tuple[list[str], bool]:
    """Measures a section and prints it line by line; returns its lines, and whether its check passed."""
    lines, passed = [], True

    def write(said: str) -> None:
        print(said, flush=True)
        lines.append(said)

    for said in (f"## {section.title}", "", *([section.text, ""] if section.text else [])):
        write(said)
    write(line(section.columns))
    write("|" + "---|" * len(section.columns))
    for row in measured(section, worker, patience):
        write(line(row))
        passed &= not section.check or row[-1] == PASSED
    write("")
    return lines, passed


def line(cells: tuple) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def main() -> int:
    """Writes the tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("gpu.md"))
    parser.add_argument(
        "--tiny", action="store_true", help="small networks, to see that it runs: no figure means a thing"
    )
    chosen = parser.parse_args()
    if chosen.device == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
        if not torch.cuda.is_available():
            parser.error("--device cuda: torch sees no GPU")
    start, worker = time.monotonic(), Worker()
    try:
        patience = SIZES[chosen.tiny].patience
        tables = [table(section, worker, patience) for section in sections(chosen.device, chosen.tiny)]
    finally:
        worker.stop()
    command = (
        "python benchmarks/gpu.py" + f" --device {chosen.device}" * (chosen.device != "cuda") + " --tiny" * chosen.tiny
    )
    said = f"`{command}` wrote this in {(time.monotonic() - start) / 60:.1f} minutes."
    said += " With `--tiny` no figure means a thing." * chosen.tiny
    lines = [f"# Measured on a {'GPU' if chosen.device == 'cuda' else 'CPU'}", "", said, ""]
    chosen.output.write_text("\n".join(lines + [said for found, _ in tables for said in found]).rstrip() + "\n")
    passed = all(passed for _, passed in tables)
    print(f"{chosen.output}: {'all checks passed' if passed else 'a check FAILED'}")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
