"""Queries shadow models: computes each model's logits of every pool sample and view."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h5py
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from lira.config import Recipe
from lira.core import preemption
from lira.core.errors import ConfigError
from lira.core.pace import Pace
from lira.shadows.logits import scaled_logit
from lira.shadows.models.layers import set_query_mode
from lira.shadows.models.turns import compute
from lira.shadows.rng import Streams
from lira.shadows.training.cohort import Samples, batches
from lira.shadows.training.optimizers import Tensors
from lira.storage import hdf5

SHIFTS = {1: 0, 2: 0, 18: 1, 50: 2}


def views(x: Tensor, count: int, stride: int = 1) -> Iterator[Tensor]:
    """Yields the query views of images, padded by reflection: all shifts of the image, then of its mirror image.

    Args:
        x: Images ``[batch, channels, height, width]``; other samples have one view.
        count: 1, 2, 18 or 50; vertical shifts vary fastest, then horizontal ones.
        stride: Pixels between neighbouring shifts of 18 views; those of 50 views are 1 apart.
    """
    step = stride if count == 18 else 1
    pad = SHIFTS[count] * step
    height, width = x.shape[-2:]
    for image in (x, x.flip(-1))[: 2 if count > 1 else 1]:
        padded = functional.pad(image, (pad,) * 4, mode="reflect") if pad else image
        for dx in range(0, 2 * pad + 1, step):
            for dy in range(0, 2 * pad + 1, step):
                yield padded[..., dy : dy + height, dx : dx + width]


def check_views(shape: tuple[int, ...], recipe: Recipe) -> None:
    """Raises ConfigError if images are too small for the query views; ``shape`` is that of one sample."""
    pad = SHIFTS[recipe.query_views] * (recipe.query_stride if recipe.query_views == 18 else 1)
    if pad and min(shape[-2:]) <= pad:
        raise ConfigError(
            f"query_views is {recipe.query_views}: shifts by up to {pad} pixels, with what lies outside mirrored, need "
            f"images higher and wider than that, these are {shape[-2]} by {shape[-1]}: set 1 or 2"
        )


@torch.no_grad()
def query(
    network: nn.Module, weights: Tensors, pool: Samples, recipe: Recipe, streams: Streams
) -> Iterator[tuple[slice, Float[np.ndarray, "m batch view class"]]]:
    """Yields ``(samples, logits)``, float32, in dataset order and in batches of the training size.

    Each view of a batch is a forward pass of its own, so that batch statistics are those of one view. While the
    caller uses one batch, a GPU already computes the next.

    Args:
        network: Built for any number of models.
        weights: Parameters and buffers ``[m, ...]``.
        pool: Samples to query.
        recipe: Sets the batch size, the views, and what BatchNorm and dropout do.
        streams: Random streams of the m models, for dropout that stays on.

    Raises:
        Preempted: The job was told to stop.
    """
    set_query_mode(network, recipe.query_batchnorm == "batch", recipe.query_dropout)
    weights = {name: value.clone() for name, value in weights.items()}  # batch statistics overwrite the running ones
    ready = None
    with full_float32():
        for batch in batches(len(pool), recipe.batch_size):
            preemption.may_stop()
            logits = torch.stack(list(logits_of_views(network, weights, pool, batch, recipe, streams)), 2)
            coming = batch, _to_host(logits)
            if ready is not None:
                yield ready[0], ready[1]()
            ready = coming
    if ready is not None:
        yield ready[0], ready[1]()


def logits_of_views(
    network: nn.Module, weights: Tensors, pool: Samples, batch: slice, recipe: Recipe, streams: Streams
) -> Iterator[Float[Tensor, "m batch class"]]:
    """Yields the logits of m models on each view of a batch."""
    for x in views(pool.raw(batch), recipe.query_views, recipe.query_stride):
        yield compute(network, weights, pool.normalised(x)[None], streams)


def write_query(
    file: h5py.File,
    queried: Iterator[tuple[slice, np.ndarray]],
    shape: tuple[int, int, int],
    batch_size: int,
    labels: np.ndarray,
    stored_classes: int | None,
    pace: Pace,
) -> None:
    """Writes φ, and the logits if ``stored_classes`` is given, batch by batch to bound the memory."""
    chunks = shape[0], min(batch_size, shape[1]), shape[2]
    phi, logits = hdf5.dataset(file, "phi", shape, np.float32, chunks=chunks), None
    if stored_classes:
        every = (stored_classes,)
        logits = hdf5.dataset(file, "logits", shape + every, np.float32, chunks=chunks + every)
    models, samples = shape[:2]
    pace.start()
    for batch, values in queried:
        phi[:, batch] = np.stack([scaled_logit(model, labels[batch]) for model in values])
        if logits is not None:
            logits[:, batch] = values
        done = min(batch.stop, samples)
        share, left = (done - batch.start) / samples, 1 - done / samples
        pace.tell(pace.query, models * share, models * left, f"query: {done} of {samples} samples")


def _to_host(logits: Tensor) -> Callable[[], np.ndarray]:
    """Starts to copy logits from the device, and returns a function that waits for the copy."""
    if logits.dtype == torch.bfloat16:  # which NumPy lacks
        logits = logits.float()
    if not logits.is_cuda:
        return logits.numpy
    host = torch.empty(logits.shape, dtype=logits.dtype, pin_memory=True)
    host.copy_(logits, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(logits.device))

    def wait() -> np.ndarray:
        copied.synchronize()
        return host.numpy()

    return wait


@contextmanager
def full_float32() -> Iterator[None]:
    """Turns off TF32, which keeps only 10 of the 23 bits of float32's mantissa."""
    kept = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept
