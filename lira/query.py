"""The query: every shadow model on every pool sample and view, as logits and as scaled logits."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from lira.config import Recipe
from lira.training.cohort import Samples, batches
from lira.training.optimizers import Tensors

TINY = 1e-45
SHIFTS = {1: 0, 2: 0, 18: 1, 50: 2}


def scaled_logit(
    logits: Float[np.ndarray, "sample view class"], labels: Int[np.ndarray, " sample"]
) -> Float[np.ndarray, "sample view"]:
    """log(p_y) − log(sum of the other probabilities), in float64 (paper, section 1).

    Args:
        logits: Finite or not; a non-finite row gives NaN.
        labels: True class of each sample.

    Raises:
        ValueError: the shapes do not fit.
    """
    if logits.ndim != 3 or len(labels) != len(logits):
        raise ValueError(f"logits [sample, view, class] and labels [sample], not {logits.shape} and {labels.shape}")
    with np.errstate(invalid="ignore"):
        scaled = logits.astype(np.float64)
        scaled -= scaled.max(-1, keepdims=True)
        probability = np.exp(scaled, out=scaled)
        probability /= probability.sum(-1, keepdims=True)
    true = labels[:, None, None]
    p_true = np.take_along_axis(probability, true, -1)[..., 0]
    np.put_along_axis(probability, true, 0, -1)
    return np.log(p_true + TINY) - np.log(probability.sum(-1) + TINY)


def views(x: Tensor, count: int) -> Iterator[Tensor]:
    """Query views of images: mirrored last, then horizontal shift, then vertical shift, reflect-padded.

    Args:
        x: Images ``[batch, channels, height, width]``; other samples have one view.
        count: 1, 2, 18 or 50.
    """
    shift = SHIFTS[count]
    height, width = x.shape[-2:]
    for image in (x, x.flip(-1))[: 2 if count > 1 else 1]:
        padded = functional.pad(image, (shift,) * 4, mode="reflect") if shift else image
        for dx in range(2 * shift + 1):
            for dy in range(2 * shift + 1):
                yield padded[..., dy : dy + height, dx : dx + width]


@torch.no_grad()
def query(
    network: nn.Module, weights: Tensors, pool: Samples, recipe: Recipe
) -> Iterator[tuple[slice, int, Float[np.ndarray, "m batch class"]]]:
    """Yields ``(samples, view, logits)``, float32, in dataset order and in batches of the training size.

    BatchNorm uses the statistics of the batch or the running ones, as the recipe says; dropout is off.
    """
    network.train(recipe.query_batchnorm == "batch")
    weights = {name: value.clone() for name, value in weights.items()}  # batch statistics overwrite the running ones
    models = len(next(iter(weights.values())))
    for batch in batches(len(pool), recipe.batch_size):
        for view, x in enumerate(views(pool.raw(batch), recipe.query_views)):
            x = pool.normalised(x)
            yield batch, view, functional_call(network, weights, (x.expand(models, *x.shape),)).cpu().numpy()
