"""Checks that a network from elsewhere repeats itself: what a training step changes must be saved with the model."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lira.config import Recipe
from lira.core.errors import NetworkError
from lira.datasets import Part
from lira.shadows.models import initialise
from lira.shadows.models.single import Single, blaming
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import Samples, logits_of, start, train_step
from lira.shadows.training.optimizers import Tensors
from lira.shadows.training.progress import State

log = logging.getLogger(__name__)

FEW = 4
MODES = {False: "evaluation", True: "training"}


def check_repeating(network: Single, recipe: Recipe, part: Part) -> None:
    """Takes steps on a few samples, and the last once more from what a checkpoint holds, with another module.

    Args:
        network: Gives the modules; it is left as it is.
        recipe: How the models are trained.
        part: Gives the samples.

    Raises:
        NetworkError: The second module computes other values; or one gives probabilities.
    """
    recipe = recipe.model_copy(update={"precision": "float32"})
    last = slice(max(len(part.y) - FEW, 0), None)
    head, tail = (Samples(replace(part, x=part.x[few], y=part.y[few]), "cpu") for few in (slice(FEW), last))
    first, second = network.remade(0), network.remade(1)
    if _same(*(list(made.state_dict().values()) for made in (first, second))):
        log.warning("%s: all shadow models start from the same weights", network.name)
    state = start(first, initialise(first, [generator(0, 0, INITIAL)]), recipe, 1).state
    for seed in (0, 1):
        _step(first, state, recipe, head, seed)
    stored, again = state.take([0]), state.take([0])
    # One call more: at the end, the first had 5 calls, 4 of them in training mode, and the second 6 and 3. What counts
    # calls differs then, whichever it counts, and so does what every other call switches.
    _logits(second.eval(), stored, tail)
    fresh = _evaluate(second, stored, tail)
    losses = [_step(own, of, recipe, tail, seed=2) for own, of in ((first, state), (second, again))]
    later, _ = _evaluate(first, stored, tail), _evaluate(second, stored, tail)
    unsaved = dict(_unsaved(second.module))
    if differing := [name for name, value in _unsaved(first.module) if not _same(value, unsaved.get(name))]:
        raise NetworkError(
            f"{network.name} changes {', '.join(differing)} in training, or draws it at random, and has it in no "
            "state_dict, so that checkpoints and the best epoch would lose it: make it a tensor of register_buffer()"
        )
    if not _same([vars(state), losses[0], later], [vars(again), losses[1], fresh]):
        raise NetworkError(
            f"{network.name} does not repeat itself, given the same weights and random numbers: register all layers, "
            "keep what changes in buffers, and draw random numbers from torch's global generator alone"
        )
    _check_logits(network.name, fresh, _check_changing(network, second, stored, tail))


def _step(network: Single, state: State, recipe: Recipe, samples: Samples, seed: int) -> Tensor:
    network.train()
    index, streams = torch.arange(len(samples))[None], Streams(seed, [0])
    return train_step(network, state, recipe, samples, index, streams, 0, np.ones(1, np.int64))


@torch.no_grad()
def _evaluate(network: Single, state: State, samples: Samples) -> list[Tensor]:
    """Computes logits in both modes, and leaves the state as it is."""
    found = []
    for training in MODES:
        found.append(_logits(network.train(training), state, samples))
    return found


@torch.no_grad()
def _logits(network: nn.Module, state: State, samples: Samples) -> Tensor:
    weights = {name: value.clone() for name, value in (state.parameters | state.buffers).items()}
    return logits_of(network, weights, samples, slice(None), Streams(0, [0]))


def _unsaved(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yields the names and values of attributes and buffers that are in no state_dict."""
    common = vars(nn.Module()).keys()
    for place, part in module.named_modules():
        values = {name: value for name, value in vars(part).items() if name not in common and "dynamo" not in name}
        values |= {name: part._buffers.get(name) for name in part._non_persistent_buffers_set}
        yield from ((f"{place}.{name}".lstrip("."), value) for name, value in values.items())


def _same(one: Any, other: Any, *, met: set[tuple[int, int]] | None = None) -> bool:
    """Compares values bit by bit, NaN with NaN; objects whose content is not known count as the same.

    Args:
        one: A value.
        other: Another.
        met: Pairs whose comparison has begun, as a list may hold itself.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor) and one.layout != torch.strided:
        one, other = one.to_dense(), other.to_dense()
    if isinstance(one, Tensor | np.ndarray):
        return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())
    if isinstance(one, dict | list | tuple):
        met, pair = met or set(), (id(one), id(other))
        if pair in met or len(one) != len(other):
            return pair in met
        met.add(pair)
        if isinstance(one, dict):
            return one.keys() == other.keys() and all(_same(value, other[key], met=met) for key, value in one.items())
        return all(_same(*values, met=met) for values in zip(one, other, strict=True))
    return not isinstance(one, int | float | complex | str | bytes | set) or one == other or one != one


def _check_changing(network: Single, used: Single, state: State, samples: Samples) -> list[Tensor]:
    """Checks that weights count as they are, though they were others a call before; returns logits of disturbed ones.

    Args:
        network: Gives a module that was never called.
        used: One that was.
        state: Weights; other parameters are put in their place.
        samples: Samples to evaluate.
    """
    _logits(used.eval(), state, samples)
    state.parameters = _disturbed(state.parameters)
    found = _evaluate(used, state, samples)
    unused = network.remade(2)
    own, weights = unused.state_dict(), state.parameters | state.buffers
    replaced = {name: value for name, value in own.items() if not _same(value, weights[name])}
    for name, value in _disturbed(replaced, seed=1).items():  # as initial zeros or ones, read by mistake, are alike
        own[name].copy_(value)
    if not _same(found, _evaluate(unused, state, samples)):
        raise NetworkError(
            f"{network.name} gives logits of weights that it had in an earlier call, or that it also keeps in a list "
            "or another attribute: compute with its registered parameters and buffers anew"
        )
    for mode in (False, True, False):
        before = {name: value.clone() for name, value in unused.state_dict().items()}
        with blaming(f"{network.name} fails in train({mode})", "it must switch modes at any time"):
            unused.train(mode)
        if changed := [name for name, value in unused.state_dict().items() if not _same(value, before[name])]:
            raise NetworkError(
                f"{network.name} changes {changed[0].removeprefix('module.')} in train() or eval(), which are called "
                "without the weights that are trained: compute it in forward"
            )
    return found


def _disturbed(values: Tensors, seed: int = 0) -> Tensors:
    draws = torch.Generator().manual_seed(seed)
    changes = {name: 1000 * torch.randn(value.shape, generator=draws) for name, value in values.items()}
    return {name: (value + changes[name]).to(value.dtype) for name, value in values.items()}


def _check_logits(name: str, logits: list[Tensor], disturbed: list[Tensor]) -> None:
    """Checks for probabilities: between 0 and 1 whatever the parameters are, or with a sum of 1 too."""
    for mode, found, changed in zip(MODES.values(), logits, disturbed, strict=True):
        if (found == changed.flatten()[0]).all():
            raise NetworkError(f"{name} gives the same logits in {mode} mode for all samples, classes and parameters")
        within = [bool(((values >= 0) & (values <= 1)).all()) for values in (found, changed)]
        if all(within) or (within[0] and bool(((found.sum(-1) - 1).abs() < 1e-3).all())):
            raise NetworkError(
                f"{name} returns probabilities in {mode} mode: return logits, without a softmax or sigmoid at the end"
            )
