"""Where the training of a cohort stands, and how it is stored so that it goes on bit for bit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

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

    def take(self, rows: Sequence[int]) -> "State":
        """A copy of some of the models."""
        index = self._index(rows)
        groups = ({k: v[index] for k, v in g.items()} for g in (self.parameters, self.buffers, self.optimizer))
        return State(*groups, self.step[rows])

    def put(self, rows: Sequence[int], part: "State") -> None:
        """Writes some of the models back."""
        index = self._index(rows)
        for own, new in (
            (self.parameters, part.parameters),
            (self.buffers, part.buffers),
            (self.optimizer, part.optimizer),
        ):
            for name, value in new.items():
                own[name][index] = value
        self.step[rows] = part.step

    def _index(self, rows: Sequence[int]) -> Int[Tensor, " row"]:
        return send(np.asarray(rows, np.int64), next(iter(self.parameters.values())).device)


@dataclass
class Pass:
    """An epoch in flight: the order in which each model sees its members, and how far it is."""

    orders: list[Int[Tensor, " members"]]
    losses: Float[Tensor, " m"]
    step: int = 0

    @classmethod
    def of(cls, members: list[Tensor], streams: Streams) -> "Pass":
        """The start of an epoch: a new order for each model."""
        orders = streams.orders([len(rows) for rows in members])
        orders = [rows[order] for rows, order in zip(members, orders, strict=True)]
        return cls(orders, torch.zeros(len(orders), device=streams.device))


@dataclass
class Progress:
    """A cohort between two batches: what a checkpoint holds."""

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
    """Where a cohort's progress is kept, how often it is written, and of which training it is."""

    path: Path
    fingerprint: str
    seconds: float = 300.0

    def save(self, progress: Progress, streams: Streams) -> None:
        """Stores everything a resumed run needs to continue bit for bit."""
        arrays = {
            "best_accuracy": progress.best_accuracy,
            "best_epoch": progress.best_epoch,
            "step": progress.state.step,
            **progress.history,
        }
        state = progress.state
        content = {
            "fingerprint": self.fingerprint,
            "epoch": progress.epoch,
            "alive": progress.alive,
            "current": vars(progress.current) if progress.current else None,
            "streams": streams.state(),
            "tensors": [state.parameters, state.buffers, state.optimizer, progress.best],
            "arrays": {name: torch.as_tensor(array) for name, array in arrays.items()},
        }
        with hdf5.atomic(self.path) as beside, beside.open("wb") as file:
            torch.save(content, file)

    def load(self, streams: Streams, device: str) -> Progress | None:
        """What :meth:`save` stored, or nothing if there is no whole checkpoint of this very training."""
        content = _read(self.path)
        if content is None or content["fingerprint"] != self.fingerprint:
            return None
        streams.restore(content["streams"])
        groups = [{name: tensor.to(device) for name, tensor in group.items()} for group in content["tensors"]]
        arrays = {name: tensor.numpy() for name, tensor in content["arrays"].items()}
        current = Pass(**content["current"]) if content["current"] else None
        if current:
            current.losses = current.losses.to(device)
        return Progress(
            state=State(*groups[:3], arrays["step"]),
            alive=content["alive"],
            best=groups[3],
            best_accuracy=arrays["best_accuracy"],
            best_epoch=arrays["best_epoch"],
            epoch=content["epoch"],
            history={name: arrays[name] for name in HISTORY},
            current=current,
        )


def load_whole(path: Path) -> Any:
    """What ``torch.save`` wrote, on the CPU, after a look at its checksums, which torch itself does not compare."""
    with ZipFile(path) as stored:
        if (damaged := stored.testzip()) is not None:
            raise BadZipFile(f"checksum of {damaged}")
    return torch.load(path, weights_only=True, map_location="cpu")


def _read(path: Path) -> dict[str, Any] | None:
    """A stored state; nothing if there is none, or only a damaged one."""
    if not path.is_file():
        return None
    try:
        return load_whole(path)
    except Exception as error:
        log.warning("%s is damaged (%s): these models are trained anew", path, error)
        return None
