"""Random streams, a pair for each seed and model, so that no model depends on the models trained beside it."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def generator(seed: int, model: int, purpose: int, device: str = "cpu") -> torch.Generator:
    """Returns the generator of one model for one purpose, statistically independent of all others."""
    state = np.random.SeedSequence((seed, model, purpose)).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))


INITIAL, TRAINING, QUERY = 0, 1, 3
PURPOSES = 5


def of_attempt(purpose: int, attempt: int) -> int:
    """Returns the purpose number for the given attempt to train a model; the first attempt is 0."""
    return purpose + PURPOSES * attempt


def send(values: Tensor | np.ndarray, device: str | torch.device) -> Tensor:
    """Copies values from the host to a device, without waiting for its running computations."""
    host = torch.as_tensor(values)
    return host if torch.device(device).type == "cpu" else host.pin_memory().to(device, non_blocking=True)


class Streams:
    """The random streams of m models for training or for a query.

    Scalars and orders are drawn on the host, masks and offsets on the device. Each draw stacks one draw from every
    model's own stream, so that a model's sequence does not depend on the other models.

    Args:
        seed: The run's seed.
        models: Indices of the m models.
        device: Device on which masks and offsets are drawn.
        purpose: ``TRAINING`` of some attempt, or ``QUERY``; draws on the device use the purpose after it.
    """

    def __init__(self, seed: int, models: Iterable[int], device: str = "cpu", purpose: int = TRAINING):
        models = list(models)
        self.host = [generator(seed, model, purpose) for model in models]
        self.noise = [generator(seed, model, purpose + 1, device) for model in models]
        self.device = device

    def take(self, rows: Sequence[int] | np.ndarray) -> "Streams":
        """Returns the streams of some of the models, shared with this object."""
        part = Streams(0, (), self.device)
        part.host, part.noise = [self.host[row] for row in rows], [self.noise[row] for row in rows]
        return part

    def uniform(self, shape: Sequence[int]) -> Float[Tensor, "m ..."]:
        """Draws from U(0, 1) on the device, an array of this shape per model."""
        draws = torch.empty(len(self.noise), *shape, device=self.device)
        for draw, stream in zip(draws, self.noise, strict=True):
            torch.rand(tuple(shape), generator=stream, out=draw)
        return draws

    def scalars(self) -> Float[np.ndarray, " m"]:
        """Draws from U(0, 1) on the host, one number per model."""
        return np.array([torch.rand((), generator=stream, dtype=torch.float64).item() for stream in self.host])

    def orders(self, sizes: Sequence[int]) -> list[Int[Tensor, " _"]]:
        """Draws a permutation per model, on the host."""
        return [torch.randperm(int(size), generator=stream) for size, stream in zip(sizes, self.host, strict=True)]

    def state(self) -> list[Tensor]:
        """Returns the states from which :meth:`restore` continues every stream."""
        return [stream.get_state() for stream in (*self.host, *self.noise)]

    def restore(self, state: list[Tensor]) -> None:
        """Continues from a stored state."""
        for stream, saved in zip((*self.host, *self.noise), state, strict=True):
            stream.set_state(saved)
