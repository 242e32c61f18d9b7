"""Random streams: one pair per (seed, model), so that a model never depends on the models beside it."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def generator(seed: int, model: int, purpose: int, device: str = "cpu") -> torch.Generator:
    """The generator of one model for one purpose, statistically independent of all others."""
    state = np.random.SeedSequence((seed, model, purpose)).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))


INITIAL, TRAINING, QUERY = 0, 1, 3
PURPOSES = 5


def of_attempt(purpose: int, attempt: int) -> int:
    """The purpose for a model that is trained anew: 0 for its first training."""
    return purpose + PURPOSES * attempt


def send(values: Tensor | np.ndarray, device: str | torch.device) -> Tensor:
    """Copies host values to a device without waiting for what it is computing."""
    host = torch.as_tensor(values)
    return host if torch.device(device).type == "cpu" else host.pin_memory().to(device, non_blocking=True)


class Streams:
    """The streams that m models draw from while they train, or while they are queried.

    Scalars and orders come from the host, masks and offsets from the device. Every draw stacks one draw of each
    model, so a model's sequence is the same in any company.

    Args:
        seed: The run's seed.
        models: Indices of the m models.
        device: Where noise is drawn.
        purpose: ``TRAINING``, of an attempt, or ``QUERY``; the noise has the purpose after it.
    """

    def __init__(self, seed: int, models: Iterable[int], device: str = "cpu", purpose: int = TRAINING):
        models = list(models)
        self.host = [generator(seed, model, purpose) for model in models]
        self.noise = [generator(seed, model, purpose + 1, device) for model in models]
        self.device = device

    def take(self, rows: Sequence[int]) -> "Streams":
        """The streams of some of the models, shared with this object."""
        part = object.__new__(Streams)
        part.host, part.noise = [self.host[row] for row in rows], [self.noise[row] for row in rows]
        part.device = self.device
        return part

    def uniform(self, shape: Sequence[int]) -> Float[Tensor, "m ..."]:
        """U(0, 1) on the device."""
        draws = torch.empty(len(self.noise), *shape, device=self.device)
        for draw, stream in zip(draws, self.noise, strict=True):
            torch.rand(tuple(shape), generator=stream, out=draw)
        return draws

    def scalars(self) -> Float[np.ndarray, " m"]:
        """U(0, 1), one number per model, on the host."""
        return np.array([torch.rand((), generator=stream, dtype=torch.float64).item() for stream in self.host])

    def orders(self, sizes: Sequence[int]) -> list[Int[Tensor, " size"]]:
        """A permutation per model, on the host."""
        return [torch.randperm(int(size), generator=stream) for size, stream in zip(sizes, self.host, strict=True)]

    def state(self) -> list[Tensor]:
        """What :meth:`restore` needs to continue every stream where it is now."""
        return [stream.get_state() for stream in (*self.host, *self.noise)]

    def restore(self, state: list[Tensor]) -> None:
        """Continues from a stored state."""
        for stream, saved in zip((*self.host, *self.noise), state, strict=True):
            stream.set_state(saved)
