"""Wraps ordinary torch modules, timm's and the user's own, as cohorts of one model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lira.core.errors import ConfigError, LiraError, NetworkError, said
from lira.core.preemption import Preempted
from lira.shadows.models.layers import overruns
from lira.shadows.rng import Streams
from lira.shadows.training.device import is_out_of_memory

SEEDS = 2**62
STORED = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
"""Types of values that training can index, and that files can hold."""


class Single(nn.Module):
    """One module whose parameters and buffers have an additional leading axis of length one.

    Such a module draws its random numbers from torch's global generator. During each call this generator is seeded
    from the model's own stream, so that dropout is as reproducible as in the cohort networks. Without a stream, it is
    seeded in evaluation mode alone, always alike.

    Args:
        factory: Makes the module with initial values; it maps ``[batch, ...]`` to logits ``[batch, classes]``. They may
            also be the output's ``logits`` or the first of a tuple; for two classes, one logit of class 1 is enough.
        channels_last: Store images and kernels with channels last, the fastest layout for convolutions; not every
            module accepts such images. Left out for a module whose gradients would overrun torch's memory then.
        name: What errors call the network.
        classes: Number of classes, if the output's shape is to be checked.
        seed: Of the module that is made here; its parameters and saved buffers are not used in training.

    Raises:
        NetworkError: The module cannot be trained here. Calls raise it if the module fails, or returns no logits.
    """

    def __init__(
        self,
        factory: Callable[[], nn.Module],
        channels_last: bool = False,
        name: str = "the network",
        classes: int | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.factory, self.name, self.classes = factory, name, classes
        with seeded(torch.Generator().manual_seed(seed)):
            self.module = factory()
        self.channels_last = channels_last and not any(map(_overruns, self.module.modules()))
        if reason := _unsupported(self.module):
            raise NetworkError(f"{name} {reason}")
        for value in self.state_dict(keep_vars=True).values():
            value.data = self._laid_out(_dense(value.data))[None]
        self.places = _places(self.module)
        self.last: list[tuple[dict, str, Tensor]] = []

    def reset(self, generators: list[torch.Generator]) -> None:
        """Sets parameters and buffers to the initial values of a newly made module."""
        if len(generators) > 1:
            raise ConfigError(f"cohort is {len(generators)}: allowed is 1, as such a network trains alone")
        with seeded(generators[0]):
            fresh = self.factory().state_dict()
        self._check_alike({name: value[None] for name, value in fresh.items()})
        for name, value in self.module.state_dict().items():
            value.copy_(fresh[name][None])

    def remade(self, seed: int) -> "Single":
        """Makes another such network, whose module is drawn from another seed.

        Raises:
            NetworkError: It has other parameters or buffers, or is the same module.
        """
        made = Single(self.factory, self.channels_last, self.name, self.classes, seed)
        if made.module is self.module:
            raise NetworkError(f"{self.name} returns the same module in each call: make a new one each time")
        self._check_alike(made.module.state_dict())
        return made

    def _check_alike(self, state: Mapping[str, Tensor]) -> None:
        shapes = [{name: value.shape for name, value in each.items()} for each in (self.module.state_dict(), state)]
        if other := shapes[0].items() ^ shapes[1].items():
            raise NetworkError(
                f"{self.name} has other parameters or buffers each time, as to {min(name for name, _ in other)}: make "
                "all layers in __init__, always of the same sizes"
            )

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Maps samples ``[1, batch, ...]`` to logits ``[1, batch, classes]``."""
        own = streams.host[0] if streams else None if self.training else torch.Generator().manual_seed(0)
        drawing = seeded(own) if own else nullcontext()
        x = self._laid_out(x.squeeze(0))
        mode = "training" if self.training else "evaluation"
        failed = f"{self.name} cannot take samples of shape {tuple(x.shape[1:])}, {len(x)} at a time in {mode} mode"
        needed = "it must take them, and nothing else, as float32 in batches of any size, in both modes"
        with self._without_axis(), drawing, blaming(failed, needed):
            return self._logits(self.module(x), len(x), mode)[None]

    def _logits(self, output: Any, batch: int, mode: str) -> Tensor:
        """Finds the logits in what the module returned."""
        found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
        found = found[0] if isinstance(found, tuple | list) and found else found
        if not isinstance(found, Tensor) or not found.is_floating_point():
            raise NetworkError(
                f"{self.name} returns {_described(output)} in {mode} mode: logits [batch, classes] are needed, a "
                "tensor of floating point; or an output that has them as .logits or as its first part"
            )
        if self.classes == 2 and found.numel() == batch:
            found = found.reshape(batch, 1)
            return torch.cat([torch.zeros_like(found), found], 1)
        if self.classes is not None and found.shape != (batch, self.classes):
            shapes = f"of shape {tuple(found.shape)} for {batch} samples, they must be {(batch, self.classes)}"
            raise NetworkError(f"{self.name} gives logits {shapes}")
        return found

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last and x.dim() == 4 else x

    @contextmanager
    def _without_axis(self) -> Iterator[None]:
        """Lets the module see its parameters and buffers without the leading axis.

        ``torch.func.functional_call`` does the same, but takes as long as the launch of a large network's kernels.
        """
        held = [(place, name, place[name], place[name].squeeze(0)) for place, name in self.places]
        with self._put([(place, name, alone) for place, name, _, alone in held]):
            yield
            for place, name, value, alone in held:
                now = place[name]
                if now is not alone or now.data_ptr() != value.data_ptr():  # the module assigned a new value
                    self._take_over(name, value, now, now is alone)
        self.last = [(place, name, alone) for place, name, _, alone in held] if self.training else []

    def _take_over(self, name: str, value: Tensor, now: Tensor | None, same: bool) -> None:
        """Stores a value that the module assigned to a parameter or buffer in a call."""
        fits = isinstance(now, Tensor) and (now.shape, now.dtype) == (value.shape[1:], value.dtype)
        if now is None or not fits or (value.requires_grad and not same):
            what = "a parameter" if value.requires_grad and fits else "another shape or type"
            raise NetworkError(
                f"{self.name} gives {name} {what} in forward: change its values in place, and nothing else of it"
            )
        value.data.copy_(now.data[None])  # not counted as a change by autograd, which has kept what it needs

    @contextmanager
    def _put(self, values: Sequence[tuple[dict, str, Tensor]]) -> Iterator[None]:
        held = [(place, name, place[name]) for place, name, _ in values]
        for place, name, value in values:
            place[name] = value
        try:
            yield
        finally:
            for place, name, value in held:
                place[name] = value

    def again(self) -> AbstractContextManager[None]:
        """Puts the parameters of the last call in place, as gradient checkpointing computes it again."""
        return self._put(self.last)


def _places(module: nn.Module) -> list[tuple[dict, str]]:
    """Returns the dictionary and name of each parameter and each saved buffer in the module."""
    places: list[tuple[dict, str]] = []
    for part in module.modules():
        places += [(part._parameters, name) for name, value in part._parameters.items() if value is not None]
        saved = part._buffers.keys() - part._non_persistent_buffers_set
        places += [(part._buffers, name) for name in part._buffers if name in saved and part._buffers[name] is not None]
    return places


def _unsupported(module: nn.Module) -> str:
    """Says what of a module would be lost in training; empty if nothing would be."""
    saved = module.state_dict(keep_vars=True)
    parameters = dict(module.named_parameters(remove_duplicate=False))
    buffers = dict(module.named_buffers(remove_duplicate=False))
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        return "is or holds a TorchScript module, which is not supported: return the module that was scripted or traced"
    foreign = [name for name, value in saved.items() if not isinstance(value, Tensor)]
    foreign += sorted(saved.keys() ^ (saved.keys() & buffers.keys() | parameters.keys()))
    if foreign:
        return f"has a state_dict of its own, as to {foreign[0]}: it must hold all parameters, and buffers, alone"
    for name, value in saved.items():
        if nn.parameter.is_lazy(value):
            return f"leaves the shape of {name} open: give the layer its input size, which follows from shape"
        if value.is_meta:
            return f"has no values in {name}: make it on the CPU, and not on torch's device meta"
        if name in parameters and value.requires_grad and not value.is_floating_point():
            return f"trains {name} of {value.dtype}: parameters must be real numbers"
        if value.is_complex():
            return f"has complex numbers in {name}, which files of weights have not: keep real and imaginary parts"
        if value.layout != torch.strided or value.is_nested or str(value.dtype).removeprefix("torch.") not in STORED:
            kind = "nested" if value.is_nested else f"{value.dtype}, {value.layout}"
            return f"has {name} as a tensor ({kind}) that is not supported: make it dense, of {', '.join(STORED)}"
    for name, value in parameters.items():
        if value._backward_hooks or getattr(value, "_post_accumulate_grad_hooks", None):
            return f"has a gradient hook on {name}, which is not supported: do in forward what the hook does"
    if shared := _shared(saved):
        remedy = "use the one in both places of forward, or give each its own memory, with clone()"
        return f"shares a parameter or buffer, {shared}, which is not supported: {remedy}"
    return ""


def _shared(saved: Mapping[str, Tensor]) -> str:
    """Says what lies in the memory of something else, which training would part; empty if nothing does."""
    before: list[tuple[int, str, Tensor]] = []
    for name, value in sorted(saved.items(), key=lambda item: item[1].data_ptr()):
        if not value.numel():
            continue
        begin = value.data_ptr()
        span = 1 + sum((size - 1) * step for size, step in zip(value.shape, value.stride(), strict=True))
        if value.requires_grad and span < value.numel():
            return f"{name} among its own values"
        before = [other for other in before if other[0] > begin]
        for _, other, beside in before:
            if not value.is_cpu or np.shares_memory(_bits(value), _bits(beside)):
                return f"{name} with {other}"
        before.append((begin + span * value.element_size(), name, value))
    return ""


def _bits(value: Tensor) -> np.ndarray:
    """Returns a tensor's memory as an array; numpy has no bfloat16."""
    return value.detach().view(getattr(torch, f"int{8 * value.element_size()}")).numpy()


def _dense(value: Tensor) -> Tensor:
    """Copies a tensor whose values do not lie side by side, as those of expand() do not; others stay as they are."""
    return value if torch.empty_like(value).stride() == value.stride() else value.clone()


def _overruns(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.Conv2d):
        return False
    return overruns(max(layer.kernel_size), max(layer.stride), layer.in_channels // layer.groups)


def _described(output: Any) -> str:
    keys = f" with keys {', '.join(map(repr, output))}" if isinstance(output, Mapping) else ""
    dtype = f" of {output.dtype}" if isinstance(output, Tensor) else ""
    return f"{type(output).__name__}{keys}{dtype}"


@contextmanager
def blaming(failed: str, needed: str) -> Iterator[None]:
    """Turns what a user's network raises into one sentence; a lack of memory is left as it is.

    Raises:
        NetworkError: The block failed.
    """
    try:
        yield
    except LiraError:
        raise
    except (Exception, SystemExit) as error:  # the network may do anything
        if isinstance(error, Preempted) or is_out_of_memory(error):
            raise
        raise NetworkError(f"{failed} ({said(error)}): {needed}") from error


def differentiate(network: nn.Module, value: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Returns the gradients of a value, None for a parameter that it does not depend on.

    Raises:
        NetworkError: A network from elsewhere has none.
    """
    name, again = (
        getattr(network, "name", "the network"),
        network.again() if isinstance(network, Single) else nullcontext(),
    )
    with again, blaming(f"{name} has no gradient", "its output must be differentiable"):
        slopes = torch.autograd.grad(value, parameters, allow_unused=True)
        if any(slope is not None and slope.is_sparse for slope in slopes):
            raise NetworkError(f"{name} has sparse gradients: set sparse=False where it has embeddings")
        return slopes


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Seeds torch's global generators with a draw from ``generator``, and restores their states afterwards."""
    with torch.random.fork_rng(range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []):
        torch.manual_seed(int(torch.randint(SEEDS, (), generator=generator)))
        yield
