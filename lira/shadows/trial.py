"""A trial before training: one batch of every kind, so that what a network cannot do is said at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from lira.config import Recipe
from lira.core.errors import DataError, NetworkError, reason
from lira.datasets import Part
from lira.shadows.models import initialise
from lira.shadows.models.layers import set_query_mode
from lira.shadows.models.single import Single
from lira.shadows.repeating import check_repeating
from lira.shadows.rng import INITIAL, QUERY, Streams, generator
from lira.shadows.training.cohort import EVALUATION_BATCH, Samples, logits_of, start, train_step
from lira.shadows.training.optimizers import Tensors
from lira.shadows.training.precision import autocast


@contextmanager
def blamed_on(run: str) -> Iterator[None]:
    """Says of which run a network is that fails.

    Raises:
        NetworkError: The network failed; its error, with the run in front.
    """
    try:
        yield
    except NetworkError as error:
        raise NetworkError(f"runs.{run}: {error}") from error
    except RuntimeError as error:
        if "CUDA error" not in str(error):
            raise
        needed = "labels and token numbers must be in range; device: cpu names the line that fails"
        raise NetworkError(f"runs.{run}: its network fails: {reason(error).splitlines()[0]}: {needed}") from error


def try_out(
    build: Callable[[], nn.Module],
    models: int,
    recipe: Recipe,
    part: Part,
    pool: Samples,
    test: Samples,
    *,
    queried: bool = True,
) -> None:
    """Trains a cohort for one step, evaluates and queries it, and forgets it.

    Args:
        build: Builds the cohort's network.
        models: m, the number of models in the cohort.
        recipe: How the models are trained and queried.
        part: The pool.
        pool: The same on the device.
        test: Samples that choose the best epoch.
        queried: Whether the models will be queried.

    Raises:
        NetworkError: A batch of one sample is too small for the network; or the network is from elsewhere, and fails,
            gives probabilities, or has state that is not saved.
    """
    network = build()
    if isinstance(network, Single):
        check_repeating(network, recipe, part)
    drawn = initialise(network, [generator(0, model, INITIAL) for model in range(models)])
    initial = {name: value.to(pool.device) for name, value in drawn.items()}
    network.to(pool.device).train()
    state, streams = start(network, initial, recipe, models).state, Streams(0, range(models), pool.device)
    size = min(recipe.batch_size, len(pool))
    index = torch.arange(size, device=pool.device).expand(models, -1)
    with _advice(size, f"batch_size is {size}: in training", "set 2 or more"):
        train_step(network, state, recipe, pool, index, streams, 0, np.ones(models, np.int64))
    network.eval()
    for samples in (pool, test):
        with torch.no_grad(), autocast(recipe, pool.device):
            logits_of(network, initial, samples, _last(samples, EVALUATION_BATCH))
    if queried:
        _try_query(network, initial, recipe, pool)


def _last(samples: Samples, size: int) -> slice:
    """Returns the last batch, which may be short."""
    return slice(len(samples) - (len(samples) % size or min(size, len(samples))), None)


def _try_query(network: nn.Module, weights: Tensors, recipe: Recipe, pool: Samples) -> None:
    size, number, last = recipe.batch_size, len(pool), _last(pool, recipe.batch_size)
    set_query_mode(network, recipe.query_batchnorm == "batch", recipe.query_dropout)
    streams = Streams(0, range(len(next(iter(weights.values())))), pool.device, QUERY)
    near = [str(other) for other in (size - 1, size + 1) if other > 1 and number % other != 1]
    remedy = f"set {' or '.join(near) or 'one that leaves more'}, or query_batchnorm: running"
    place = f"batch_size is {size}: in the query of the pool's {number} samples, the last batch"
    with _advice(number - last.start, place, remedy), torch.no_grad():
        weights = {name: value.clone() for name, value in weights.items()}  # batch statistics overwrite running ones
        if not logits_of(network, weights, pool, last, streams).isfinite().all() and number - last.start == 1:
            raise DataError("logits that are not finite")


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
