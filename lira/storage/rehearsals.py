"""What rehearsals found: of each run, in a file ``rehearsals/<run>.json`` of the study."""

import json
from collections.abc import Container
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

from lira.storage.hdf5 import atomic

ATTACK_ARRAYS = 5  # float64 arrays in a run's scores


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal found of a run, or of a model that others are fine-tuned from.

    Attributes:
        name: What was rehearsed, as ``dataset/architecture/regime`` or ``dataset/architecture``.
        spec: Name of the spec that was rehearsed: of other settings or code, it is of another name.
        device: ``cpu`` or ``cuda``.
        failed: What fails, in one sentence; empty if nothing does.
        seconds: To train and query one model.
        memory: Peak memory of the process in MB.
        gpu_memory: Peak memory that it reserved on the GPU in MB.
        disk: Bytes that a run keeps of each model, its scores included.
    """

    name: str
    spec: str
    device: str
    failed: str = ""
    seconds: float = 0.0
    memory: float = 0.0
    gpu_memory: float = 0.0
    disk: float = 0.0

    def job_memory(self) -> int:
        """Returns the memory to ask for, in MB, for a job that trains such models: a third more, and 1 GB."""
        return ceil(self.memory * 4 / 3 + 1000)

    def job_minutes(self, models: int) -> int:
        """Returns the time to ask for, in minutes, for a job that trains so many models: twice as long, and 10."""
        return ceil(2 * self.seconds * models / 60 + 10)

    def write(self, path: Path) -> None:
        """Writes it whole or not at all."""
        with atomic(path) as beside:
            beside.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_rehearsal(path: Path) -> Rehearsal | None:
    """Reads what was found; None if the file is missing, or is no such file."""
    with suppress(OSError, ValueError, TypeError):
        return Rehearsal(**json.loads(path.read_text(encoding="utf-8")))
    return None


def stored_bytes(pool: int, views: int, classes: int, values: int, keeps: Container[str]) -> dict[str, int]:
    """Returns the bytes that a run keeps of each model: its ``logits phi scores weights``.

    Args:
        pool: Number of samples that are queried.
        views: Query views of each.
        classes: Number of classes.
        values: Parameters and saved buffers of a model.
        keeps: Which of ``logits`` and ``weights`` are kept too; of an imported run, ``imported``.
    """
    phi = (4 * views + 1) * pool
    return {
        "logits": 4 * pool * views * classes * ("logits" in keeps),
        "phi": phi if "imported" in keeps else 2 * phi,  # it is stored with the models, and gathered
        "scores": (8 * ATTACK_ARRAYS + 1) * pool,
        "weights": 4 * values * ("weights" in keeps),
    }
