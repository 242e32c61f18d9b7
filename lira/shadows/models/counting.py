"""Counts what a network computes, on the network itself."""

from typing import NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lira.config import Architecture
from lira.core.errors import ConfigError
from lira.shadows.models import build

BATCH = 2  # layers that normalise over a batch refuse to train on one sample


class Counted(NamedTuple):
    """Multiply-adds of one sample's forward pass, and the number of parameters and saved buffers."""

    multiply_adds: float
    values: int


def count(architecture: Architecture, shape: tuple[int, ...], classes: int) -> Counted:
    """Builds a network once and counts its convolutions and matrix products; those of recurrent layers are not seen.

    Args:
        architecture: Family and size.
        shape: Shape of one sample.
        classes: Number of classes.

    Raises:
        ConfigError: It cannot be built, or fails, or nothing is counted.
    """
    network = build(architecture, 1, shape, classes, 0.0)
    # Attention as plain matrix products: the counter does not know the kernel of CPUs.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        try:
            network(torch.zeros(1, BATCH, *shape))
        except Exception as error:  # the user's network may do anything
            raise ConfigError(
                f"{architecture.name or architecture.family} fails on samples of zeros: {error}"
            ) from error
    multiply_adds = counter.get_total_flops() / 2 / BATCH
    if not multiply_adds:
        raise ConfigError(f"{architecture.name or architecture.family} has no convolution or matrix product")
    return Counted(multiply_adds, sum(value.numel() for value in network.state_dict().values()))
