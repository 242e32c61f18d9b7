"""Wraps ordinary torch modules, timm's and the user's own, as cohorts of one model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from lira.core.errors import ConfigError
from lira.shadows.rng import Streams

SEEDS = 2**62


class Single(nn.Module):
    """One module whose parameters and buffers have an additional leading axis of length one.

    Such a module draws its random numbers from torch's global generator. During each call this generator is seeded
    from the model's own stream, so that dropout is as reproducible as in the cohort networks.

    Args:
        factory: Makes the module with initial values; it maps ``[batch, ...]`` to logits ``[batch, classes]``.
        channels_last: Store images and kernels with channels last, the fastest layout for convolutions; not every
            module accepts such images.

    Raises:
        ConfigError: Two names share a parameter.
    """

    def __init__(self, factory: Callable[[], nn.Module], channels_last: bool = False):
        super().__init__()
        self.factory, self.channels_last = factory, channels_last
        with seeded(torch.Generator().manual_seed(0)):
            self.module = factory()
        if len(self.state_dict()) > len({id(value) for value in self.state_dict(keep_vars=True).values()}):
            raise ConfigError(f"{type(self.module).__name__} shares a parameter between layers, which is not supported")
        for value in self.state_dict(keep_vars=True).values():
            value.data = self._laid_out(value.data)[None]
        self.places = _places(self.module)

    def reset(self, generators: list[torch.Generator]) -> None:
        """Sets parameters and buffers to the initial values of a newly made module."""
        if len(generators) > 1:
            raise ConfigError(f"cohort is {len(generators)}: allowed is 1, as such a network trains alone")
        with seeded(generators[0]):
            fresh = self.factory().state_dict()
        for name, value in self.module.state_dict().items():
            value.copy_(fresh[name][None])

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Maps samples ``[1, batch, ...]`` to logits ``[1, batch, classes]``."""
        drawing = nullcontext() if streams is None else seeded(streams.host[0])
        with self._without_axis(), drawing:
            return self.module(self._laid_out(x.squeeze(0)))[None]

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last and x.dim() == 4 else x

    @contextmanager
    def _without_axis(self) -> Iterator[None]:
        """Lets the module see its parameters and buffers without the leading axis.

        ``torch.func.functional_call`` does the same, but takes as long as the launch of a large network's kernels.
        """
        held = [(place, name, place[name], place[name].squeeze(0)) for place, name in self.places]
        for place, name, _, alone in held:
            place[name] = alone
        try:
            yield
            for place, name, value, alone in held:
                if place[name] is not alone:  # the module assigned a new value
                    value.copy_(place[name].detach()[None])
        finally:
            for place, name, value, _ in held:
                place[name] = value


def _places(module: nn.Module) -> list[tuple[dict, str]]:
    """Returns the dictionary and name of each parameter and each saved buffer in the module."""
    places: list[tuple[dict, str]] = []
    for part in module.modules():
        places += [(part._parameters, name) for name, value in part._parameters.items() if value is not None]
        saved = part._buffers.keys() - part._non_persistent_buffers_set
        places += [(part._buffers, name) for name in part._buffers if name in saved and part._buffers[name] is not None]
    return places


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Seeds torch's global generators with a draw from ``generator``, and restores their states afterwards."""
    with torch.random.fork_rng(range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
        torch.manual_seed(int(torch.randint(SEEDS, (), generator=generator)))
        yield
