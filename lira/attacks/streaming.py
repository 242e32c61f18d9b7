"""Computes attacks block by block of samples, on one thread per core: all targets at once, or some held out."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Int

from lira.attacks.block import SAMPLES_PER_TASK, Attack, Block
from lira.attacks.definition import Definition
from lira.core.threads import cores

VALUES_PER_STEP = 100_000  # 0.8 MB of float64
VALUES_PER_FINISH = 1_000_000


class Reads(Protocol):
    """Returns phi ``[model, sample, view]`` of some samples, and knows its shape."""

    shape: tuple[int, int, int]

    def __call__(self, samples: slice) -> np.ndarray: ...  # noqa: D102


def score_each(
    reader: Reads,
    member: Bool[np.ndarray, "model sample"],
    attacks: Mapping[str, Attack],
    scores: Mapping[str, Any],
    definition: Definition,
    targets: Int[np.ndarray, " target"] | None = None,
    workers: int | None = None,
) -> None:
    """Computes scores by attacks other than the paper's.

    Args:
        reader: Reads phi ``[model, sample, view]``.
        member: True where the sample trained the model.
        attacks: The attacks by name.
        scores: Arrays or HDF5 datasets ``[target, sample]`` to fill, by attack.
        definition: Which reading of the attacks.
        targets: Models that are attacked with all others as shadow models; by default each is, with the others.
        workers: Number of threads; by default, one per core.
    """
    shadows = None if targets is None else np.setdiff1d(np.arange(len(member)), targets)

    def block(samples: slice) -> Block:
        values, held = reader(samples), member[:, samples]
        return (
            Block(values, values, held, True)
            if shadows is None
            else Block(values[targets], values[shadows], held[shadows], False)
        )

    _score(block, reader.shape, attacks, scores, definition, workers)


def _score(
    block: Callable[[slice], Block],
    shape: tuple[int, int, int],
    attacks: Mapping[str, Attack],
    scores: Mapping[str, Any],
    definition: Definition,
    workers: int | None,
) -> None:
    models, samples, views = shape
    size = max(1, VALUES_PER_STEP // (models * views))
    tasks = [slice(first, min(first + SAMPLES_PER_TASK, samples)) for first in range(0, samples, SAMPLES_PER_TASK)]

    def steps(task: slice) -> Iterable[tuple[slice, Block]]:
        whole = block(task)
        for first in range(0, task.stop - task.start, size):
            step = slice(first, min(first + size, task.stop - task.start))
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of scores that are missing or NaN
                yield step, whole.at(step)

    def collect(task: slice) -> dict[str, np.ndarray]:
        parts: dict[str, list[np.ndarray]] = {name: [] for name in attacks if attacks[name].collect}
        for _, step in steps(task):
            for name, found in parts.items():
                found.append(attacks[name].collect(step))  # type: ignore[misc]
        return {name: np.sum(found, axis=0) for name, found in parts.items()}

    def score(task: slice) -> None:
        done = {name: np.empty((scores[name].shape[0], task.stop - task.start)) for name in attacks}
        for step, values in steps(task):
            for name, attack in attacks.items():
                done[name][:, step] = attack.score(values, definition, settled.get(name))  # type: ignore[misc]
        for name, found in done.items():
            scores[name][:, task] = found

    def finish(name: str, first: int) -> None:
        rows = slice(first, first + rows_at_once)
        scores[name][rows] = attacks[name].finish(scores[name][rows], definition)  # type: ignore[misc]

    settled: dict[str, Any] = {}
    with ThreadPoolExecutor(workers or cores()) as pool:
        if tasks and any(attack.collect for attack in attacks.values()):
            collected = list(pool.map(collect, tasks))
            for name in collected[0]:
                settled[name] = attacks[name].settle(  # type: ignore[misc]
                    np.sum([part[name] for part in collected], axis=0)
                )
        list(pool.map(score, tasks))
        rows_at_once = max(1, VALUES_PER_FINISH // max(samples, 1))
        for name in attacks:
            if tasks and attacks[name].finish:
                list(pool.map(partial(finish, name), range(0, scores[name].shape[0], rows_at_once)))
