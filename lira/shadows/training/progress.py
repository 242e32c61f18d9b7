"""The state of a cohort's training, and checkpoints from which it continues bit for bit."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lira.core.pace import Pace
from lira.shadows.rng import Streams, send
from lira.shadows.training.optimizers import Tensors
from lira.storage import hdf5

log = logging.getLogger(__name__)

HISTORY = ("train_loss", "test_loss", "test_accuracy")


@dataclass
class State:
    """All that changes while m models train; every tensor is ``[m, ...]``."""

    parameters: Tensors
    buffers: Tensors
    optimizer: Tensors
    step: Int[np.ndarray, " m"]

    def take(self, rows: Sequence[int] | np.ndarray) -> "State":
        """Copies some of the models."""
        index = self._index(rows)
        groups = (self.parameters, self.buffers, self.optimizer)
        parameters, buffers, optimizer = ({k: v[index] for k, v in group.items()} for group in groups)
        return State(parameters, buffers, optimizer, self.step[rows])

    def put(self, rows: Sequence[int] | np.ndarray, part: "State") -> None:
        """Writes back models that :meth:`take` copied."""
        index = self._index(rows)
        for group in ("parameters", "buffers", "optimizer"):
            for name, value in getattr(part, group).items():
                getattr(self, group)[name][index] = value
        self.step[rows] = part.step

    def _index(self, rows: Sequence[int] | np.ndarray) -> Int[Tensor, " row"]:
        return send(np.asarray(rows, np.int64), next(iter(self.parameters.values())).device)


@dataclass
class Pass:
    """An epoch in progress: the order in which each model sees its members, and the steps already taken."""

    orders: list[Int[Tensor, " _"]]
    losses: Float[Tensor, " m"]
    step: int = 0

    @classmethod
    def of(cls, members: list[Tensor], streams: Streams) -> "Pass":
        """Starts an epoch with a new order for each model."""
        drawn = streams.orders([len(rows) for rows in members])
        orders = [rows[order] for rows, order in zip(members, drawn, strict=True)]
        return cls(orders, torch.zeros(len(orders), device=streams.device))


@dataclass
class Progress:
    """The state of a cohort between two batches, as a checkpoint stores it."""

    state: State
    alive: list[int]
    best: Tensors
    best_accuracy: Float[np.ndarray, " m"]
    best_epoch: Int[np.ndarray, " m"]
    epoch: int = 0
    history: dict[str, Float[np.ndarray, "m epoch"]] = field(default_factory=dict)
    current: Pass | None = None


@dataclass
class Checkpoint:
    """Where and how often a cohort's progress is stored; ``fingerprint`` identifies the training.

    ``pace`` is told how far it is. ``before`` is the time that earlier attempts took, as far as they stored it;
    ``started`` is when this one began.
    """

    path: Path
    fingerprint: str
    seconds: float = 300.0
    pace: Pace = field(default_factory=Pace)
    before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def seconds_spent(self) -> float:
        """Returns the time that this attempt and those before it took."""
        return self.before + time.monotonic() - self.started

    def of_attempt(self, attempt: int) -> "Checkpoint":
        """Returns the checkpoint of models that are trained again; ``attempt`` counts from 1."""
        path = self.path.with_suffix(f".{attempt}{self.path.suffix}")
        return replace(self, path=path, fingerprint=f"{self.fingerprint}-{attempt}")

    def save(self, progress: Progress, streams: Streams) -> None:
        """Stores everything that a resumed run needs to continue bit for bit."""
        state = progress.state
        arrays = {"best_accuracy": progress.best_accuracy, "best_epoch": progress.best_epoch, "step": state.step}
        content = {
            "fingerprint": self.fingerprint,
            "seconds": self.seconds_spent(),
            "epoch": progress.epoch,
            "alive": progress.alive,
            "current": vars(progress.current) if progress.current else None,
            "streams": streams.state(),
            "tensors": [state.parameters, state.buffers, state.optimizer, progress.best],
            "arrays": {name: torch.as_tensor(array) for name, array in (arrays | progress.history).items()},
        }
        with hdf5.atomic(self.path) as beside, beside.open("wb") as file:
            torch.save(content, file)

    def load(self, streams: Streams, device: str) -> Progress | None:
        """Loads what :meth:`save` stored; returns None without an undamaged checkpoint of the same training."""
        content = read_whole(self.path)
        if content is None or content["fingerprint"] != self.fingerprint:
            return None
        self.before = content["seconds"]
        streams.restore(content["streams"])
        groups = ({name: tensor.to(device) for name, tensor in group.items()} for group in content["tensors"])
        parameters, buffers, optimizer, best = groups
        arrays = {name: tensor.numpy() for name, tensor in content["arrays"].items()}
        current = Pass(**content["current"]) if content["current"] else None
        if current:
            current.losses = current.losses.to(device)
        return Progress(
            state=State(parameters, buffers, optimizer, arrays["step"]),
            alive=content["alive"],
            best=best,
            best_accuracy=arrays["best_accuracy"],
            best_epoch=arrays["best_epoch"],
            epoch=content["epoch"],
            history={name: arrays[name] for name in HISTORY},
            current=current,
        )


def load_whole(path: Path) -> Any:
    """Loads a file of ``torch.save`` to the CPU, after a check of its checksums, which torch does not compare."""
    with ZipFile(path) as stored:
        if (damaged := stored.testzip()) is not None:
            raise BadZipFile(f"checksum of {damaged}")
    return torch.load(path, weights_only=True, map_location="cpu")


def read_whole(path: Path) -> dict[str, Any] | None:
    """Returns a stored state; None if there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        return load_whole(path)
    except Exception as error:
        log.warning("%s is damaged (%s): these models are trained again from the start", path, error)
        return None
