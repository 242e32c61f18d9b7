"""Which models of a cohort a network computes at once, and which in turns.

Small networks are limited by the number of operations, so all models go into one. On a CPU, convolutions of larger
images are limited by arithmetic, and torch computes them faster, and in less memory, one model after the other. The
choice depends on the network, the size of its images and the kind of device alone, so that models stay the same.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from lira.shadows.rng import Streams

LARGE = 4096
"""Values of a layer of one image from which a CPU computes convolutions in turns, as measured (docs/training.md)."""


def turns(network: nn.Module, models: int, device: str | torch.device) -> Iterator[slice]:
    """Yields the models that the network computes at once: all of them, or one in each turn."""
    alone = torch.device(device).type == "cpu" and getattr(network, "layer_values", 0) >= LARGE
    size = 1 if alone else models
    return (slice(first, first + size) for first in range(0, models, size))


def compute(
    network: nn.Module, weights: Mapping[str, Tensor], x: Float[Tensor, "#m batch ..."], streams: Streams | None = None
) -> Float[Tensor, "m batch classes"]:
    """Computes the logits of m models, each on its own samples or all on the same.

    Args:
        network: Built for any number of models.
        weights: Parameters and buffers ``[m, ...]``; batch statistics update the running ones in place.
        x: Samples of each model; if the leading axis is of length 1, of all.
        streams: Random streams of the m models.
    """
    models = len(next(iter(weights.values())))
    x = x.expand(models, *x.shape[1:])
    rounds = list(turns(network, models, x.device))
    if len(rounds) == 1:
        # without tie_weights=False, torch spends milliseconds on a search for shared parameters, which do not exist
        return functional_call(network, dict(weights), (x, streams), tie_weights=False)
    parts = []
    for rows in rounds:
        own = {name: value[rows] for name, value in weights.items()}
        parts.append(compute(network, own, x[rows], streams and streams.take(range(models)[rows])))
    return joined(parts)


def joined(parts: Sequence[Float[Tensor, "_ ..."]]) -> Float[Tensor, "m ..."]:
    """Returns what several turns computed in one tensor; of one turn, what it computed, without a copy."""
    return torch.cat(list(parts)) if len(parts) > 1 else parts[0]
