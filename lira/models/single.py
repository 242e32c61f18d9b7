"""Ordinary torch modules as cohorts of one: timm's models and the user's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lira.errors import ConfigError
from lira.streams import Streams

SEEDS = 2**62


class Single(nn.Module):
    """One module whose parameters and buffers have gained a leading axis of length one.

    What the module draws while it is built or trains comes from torch's global generator, which is seeded from the
    model's own stream for the time of the call: its dropout is as reproducible as that of the cohort networks.

    Args:
        factory: Makes the module, ``[batch, ...]`` to logits ``[batch, classes]``, with initial values.

    Raises:
        ConfigError: two names share a parameter.
    """

    def __init__(self, factory: Callable[[], nn.Module]):
        super().__init__()
        self.factory = factory
        with seeded(torch.Generator().manual_seed(0)):
            self.module = factory()
        if len(self.state_dict()) > len({id(value) for value in self.state_dict(keep_vars=True).values()}):
            raise ConfigError(f"{type(self.module).__name__} shares a parameter between layers, which is not supported")
        for value in self.state_dict(keep_vars=True).values():
            value.data = value.data[None]

    def reset(self, generators: list[torch.Generator]) -> None:
        """Takes the initial values of a newly made module."""
        if len(generators) > 1:
            raise ConfigError(f"cohort: {len(generators)} is not allowed: such a network trains alone, use 1")
        with seeded(generators[0]):
            fresh = self.factory().state_dict()
        for name, value in self.module.state_dict().items():
            value.copy_(fresh[name][None])

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Samples ``[1, batch, ...]`` to logits ``[1, batch, classes]``."""
        state = {name: value.squeeze(0) for name, value in self.module.state_dict(keep_vars=True).items()}
        if streams is None:
            return functional_call(self.module, state, (x.squeeze(0),))[None]
        with seeded(streams.host[0]):
            return functional_call(self.module, state, (x.squeeze(0),))[None]


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Torch's global generators start from a draw of ``generator``, and are as before afterwards."""
    with torch.random.fork_rng(range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
        torch.manual_seed(int(torch.randint(SEEDS, (), generator=generator)))
        yield
