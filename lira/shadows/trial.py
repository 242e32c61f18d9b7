"""A trial before training: one batch of every kind, so that what a network cannot do is said at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lira.config import Recipe
from lira.core.errors import ConfigError, DataError, NetworkError, StoreError, reason
from lira.core.pace import PASSES_TRAINED
from lira.shadows.augment import check_crop
from lira.shadows.loading import Loaded
from lira.shadows.models import initialise
from lira.shadows.models.layers import set_query_mode
from lira.shadows.models.single import Single
from lira.shadows.query import check_views, full_float32, logits_of_views
from lira.shadows.repeating import check_repeating
from lira.shadows.rng import INITIAL, QUERY, Streams, generator
from lira.shadows.training.cohort import EVALUATION_BATCH, Samples, logits_of, start, train_step
from lira.shadows.training.optimizers import Tensors
from lira.shadows.training.precision import autocast
from lira.shadows.training.progress import Checkpoint, Progress


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Says of what settings are that are not allowed, and a network that fails.

    Raises:
        ConfigError: What the block raised, with the name in front; of a network that failed, a NetworkError.
    """
    try:
        yield
    except ConfigError as error:
        raise type(error)(f"{name}: {error}") from error
    except RuntimeError as error:
        if "CUDA error" not in str(error):
            raise
        needed = "labels and token numbers must be in range; device: cpu names the line that fails"
        raise NetworkError(f"{name}: its network fails: {reason(error).splitlines()[0]}: {needed}") from error


class Trial(NamedTuple):
    """What a trial took: the seconds of a whole cohort, and the size of a model.

    Attributes:
        step: A training step.
        forward: A query batch of one view, of as many samples.
        values: Number of parameters and saved buffers of a model.
    """

    step: float
    forward: float
    values: int


def try_out(
    build: Callable[[], nn.Module],
    models: int,
    recipe: Recipe,
    loaded: Loaded,
    stored: Path,
    *,
    queried: bool = True,
    spend: float = 0.0,
) -> Trial:
    """Trains a cohort for one step, stores, evaluates and queries it, and forgets it.

    Args:
        build: Builds the cohort's network.
        models: m, the number of models in the cohort.
        recipe: How the models are trained and queried.
        loaded: The run's data.
        stored: Where a checkpoint is tried, which is removed.
        queried: Whether the models will be queried.
        spend: Seconds for which steps and batches are repeated, of which the fastest counts; once if 0.

    Raises:
        ConfigError: Images are too small for their crops or query views.
        NetworkError: A batch of one sample is too small for the network; or the network is from elsewhere, and fails,
            gives probabilities, or has state that is not saved.
        StoreError: A checkpoint does not give back what was stored.
    """
    check_crop(loaded.part.x.shape[1:], recipe)
    if queried:
        check_views(loaded.part.x.shape[1:], recipe)
    network, pool, device = build(), loaded.pool, loaded.pool.device
    if isinstance(network, Single):
        check_repeating(network, recipe, loaded.part)
    drawn = initialise(network, [generator(0, model, INITIAL) for model in range(models)])
    initial = {name: value.to(device) for name, value in drawn.items()}
    network.to(device).train()
    progress, streams = start(network, initial, recipe, models), Streams(0, range(models), device)
    size = min(recipe.batch_size, len(pool))
    index = torch.arange(size, device=device).expand(models, -1)
    taken = partial(_fastest, device, spend)
    with _advice(size, f"batch_size is {size}: in training", "set 2 or more"):
        step = taken(train_step, network, progress.state, recipe, pool, index, streams, 0, np.full(models, 10**6))
    _try_checkpoint(progress, streams, Checkpoint(stored, ""))
    _try_evaluation(network, initial, recipe, [pool, loaded.test or pool])
    forward = _try_query(network, initial, recipe, pool, taken) if queried else step / PASSES_TRAINED
    return Trial(step, forward, sum(value[0].numel() for value in initial.values()))


def _fastest(device: str, spend: float, action: Callable[..., Any], *given: Any) -> float:
    """Returns the seconds of a call, of the fastest if there is time for several."""
    taken: list[float] = []
    while not taken or sum(taken) < spend:
        begun = time.perf_counter()
        action(*given)
        if device != "cpu":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - begun)
    return min(taken)


def _try_checkpoint(progress: Progress, streams: Streams, checkpoint: Checkpoint) -> None:
    """Stores the progress, and compares what comes back on the CPU, where it takes no memory of a GPU."""
    again = Streams(0, range(len(progress.alive)), streams.device)  # states of a GPU's generators fit no others
    try:
        checkpoint.save(progress, streams)
        restored = checkpoint.load(again, "cpu")
    finally:
        checkpoint.path.unlink(missing_ok=True)
    stored, found = (_tensors(each) if each else {} for each in (progress, restored))
    same = (torch.equal(value.cpu().nan_to_num(), found[name].nan_to_num()) for name, value in stored.items())
    if stored.keys() != found.keys() or not all(same):
        raise StoreError(f"{checkpoint.path}: a checkpoint that was stored there does not give back the models")


def _tensors(progress: Progress) -> dict[tuple[int, str], Tensor]:
    groups = progress.state.parameters, progress.state.buffers, progress.state.optimizer, progress.best
    return {(number, name): value for number, group in enumerate(groups) for name, value in group.items()}


def _last(samples: Samples, size: int) -> slice:
    """Returns the last batch, which may be short."""
    return slice(len(samples) - (len(samples) % size or min(size, len(samples))), None)


def _try_evaluation(network: nn.Module, weights: Tensors, recipe: Recipe, parts: Sequence[Samples]) -> None:
    """Evaluates the last batch, which may be short; and on a GPU, whose memory it takes, a full one."""
    network.eval()
    lasts = [(_last(samples, EVALUATION_BATCH), samples) for samples in parts]
    batch, samples = min(lasts, key=lambda last: len(last[1]) - last[0].start)
    with torch.no_grad(), autocast(recipe, samples.device):
        logits_of(network, weights, samples, batch)
        if samples.device != "cpu":
            logits_of(network, weights, samples, slice(0, EVALUATION_BATCH))


def _try_query(
    network: nn.Module, weights: Tensors, recipe: Recipe, pool: Samples, taken: Callable[..., float]
) -> float:
    """Queries a full batch and the last, of one view each; returns the seconds of the full one."""
    size, number, last = recipe.batch_size, len(pool), _last(pool, recipe.batch_size)
    set_query_mode(network, recipe.query_batchnorm == "batch", recipe.query_dropout)
    streams = Streams(0, range(len(next(iter(weights.values())))), pool.device, QUERY)
    near = [str(other) for other in (size - 1, size + 1) if other > 1 and number % other != 1]
    remedy = f"set {' or '.join(near) or 'one that leaves more'}, or query_batchnorm: running"
    place = f"batch_size is {size}: in the query of the pool's {number} samples, the last batch"
    weights = {name: value.clone() for name, value in weights.items()}  # batch statistics overwrite running ones
    with torch.no_grad(), full_float32():
        full = taken(lambda: _finite(next(logits_of_views(network, weights, pool, slice(0, size), recipe, streams))))
        with _advice(number - last.start, place, remedy):
            _finite(next(logits_of_views(network, weights, pool, last, recipe, streams)))
    return full


def _finite(logits: Tensor) -> None:
    if logits.isfinite().all():
        return
    if logits.shape[1] == 1:
        raise DataError("logits that are not finite")
    raise NetworkError(
        "the query gives logits that are not finite, before any training: look for divisions by 0, logarithms of 0, "
        "and values that the network does not expect"
    )


@contextmanager
def _advice(samples: int, place: str, remedy: str) -> Iterator[None]:
    """Names the remedy if a network, the suite's or another, fails on one sample."""
    try:
        yield
    except ValueError as error:
        if samples > 1:
            raise
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise NetworkError(f"{place} has one sample, on which the network fails ({reason(cause)}): {remedy}") from error
