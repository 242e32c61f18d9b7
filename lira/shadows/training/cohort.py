"""The training loop: m shadow models as one batched computation, each with its own members, order and stopping."""

import logging
import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from lira.config import Recipe
from lira.core import preemption
from lira.core.errors import ConfigError
from lira.core.pace import Pace
from lira.datasets import Part
from lira.shadows.augment import augment, mix
from lira.shadows.models.single import differentiate
from lira.shadows.models.turns import compute, joined, turns
from lira.shadows.rng import Streams, send
from lira.shadows.training.optimizers import Tensors, initial_state, update
from lira.shadows.training.precision import SCALE, autocast, loss_scales
from lira.shadows.training.progress import HISTORY, Checkpoint, Pass, Progress, State
from lira.shadows.training.schedules import rate_and_momentum

log = logging.getLogger(__name__)

EVALUATION_BATCH = 256


class Samples:
    """A part of a dataset on the device, stored as it is; batches are scaled and normalised when they are used."""

    def __init__(self, part: Part, device: str):
        self.x, self.y = torch.as_tensor(part.x).to(device), torch.as_tensor(part.y).to(device)
        shape = (-1, *[1] * (part.x.ndim - 2))
        self.mean, self.std = (
            torch.as_tensor(v, dtype=torch.float32, device=device).view(shape) for v in (part.mean, part.std)
        )
        self.scale, self.device = part.scale, device

    def __len__(self) -> int:
        return len(self.x)

    def raw(self, index: Int[Tensor, "..."] | slice) -> Tensor:
        """Returns samples, scaled but not normalised (images: values from 0 to 1)."""
        return self.x[index].float() / self.scale

    def normalised(self, x: Tensor) -> Tensor:
        """Normalises scaled samples to zero mean and unit variance over the pool, per channel or feature."""
        return (x - self.mean) / self.std


def train_cohort(
    network: nn.Module,
    initial: Tensors,
    recipe: Recipe,
    pool: Samples,
    test: Samples,
    member: Bool[np.ndarray, "m pool"],
    streams: Streams,
    checkpoint: Checkpoint | None = None,
    tested: Bool[np.ndarray, "m test"] | None = None,
) -> Progress:
    """Trains m models and keeps each at the epoch of ``recipe.target_model``: the best by test accuracy, or another.

    Args:
        network: Built for any number of models; its own parameters are not used.
        initial: Starting parameters and buffers, each ``[m, ...]``.
        recipe: How to train.
        pool: Samples to train on.
        test: Samples that choose the best epoch.
        member: Which pool samples each model trains on.
        streams: The models' random streams.
        checkpoint: Where to store the progress, if at all.
        tested: Which samples of ``test`` choose each model's best epoch; by default, all.

    Returns:
        The finished progress: ``best`` has the kept parameters and buffers, ``history`` a value per model and epoch
        (NaN after a model stopped).

    Raises:
        ConfigError: A model has fewer members than one batch.
        Preempted: The job was told to stop; the progress is in the checkpoint.
    """
    check_members(recipe, member)
    members = [torch.as_tensor(np.flatnonzero(row)) for row in member]
    progress = checkpoint and checkpoint.load(streams, pool.device)
    progress = progress or start(network, initial, recipe, len(member))
    saved = time.monotonic()
    try:
        for epoch in _epochs(progress, recipe.epochs, checkpoint.pace if checkpoint else Pace()):
            alive = progress.alive
            if progress.current is None:
                progress.current = Pass.of([members[row] for row in alive], streams.take(alive))
            loss = train_epoch(network, progress.state, recipe, pool, progress.current, streams.take(alive), epoch)
            _finish_epoch(network, progress, recipe, test, None if tested is None else tested[alive], loss)
            if checkpoint and time.monotonic() - saved >= checkpoint.seconds:
                checkpoint.save(progress, streams)
                saved = time.monotonic()
    except preemption.Preempted:
        if checkpoint:
            checkpoint.save(progress, streams)
        raise
    if checkpoint:  # the query may take longer than the training
        checkpoint.save(progress, streams)
    return progress


def check_members(recipe: Recipe, member: Bool[np.ndarray, "m pool"]) -> None:
    """Raises ConfigError if a model has fewer members than one batch."""
    fewest = member.sum(1).min()
    if fewest < recipe.batch_size:
        raise ConfigError(f"batch_size is {recipe.batch_size}: allowed are at most the {fewest} members of a model")


def _finish_epoch(
    network: nn.Module,
    progress: Progress,
    recipe: Recipe,
    test: Samples,
    tested: Bool[np.ndarray, "alive test"] | None,
    loss: Float[np.ndarray, " alive"],
) -> None:
    """Evaluates the models that train, keeps those that are to be attacked, and drops those out of patience."""
    epoch, weights = progress.epoch, progress.state.parameters | progress.state.buffers
    with autocast(recipe, test.device):
        test_loss, test_accuracy = evaluate(network, weights, test, tested)
    for name, values in zip(HISTORY, (loss, test_loss, test_accuracy), strict=True):
        progress.history[name][progress.alive, epoch] = values
    _keep(progress, weights, test_accuracy, recipe)
    progress.epoch, progress.current = epoch + 1, None
    _drop_stopped(progress, epoch, recipe.patience)


def _epochs(progress: Progress, epochs: int, pace: Pace) -> Iterator[int]:
    """Yields the remaining epochs; after each, tells how far the models are."""
    pace.start()
    for epoch in range(progress.epoch, epochs):
        if not progress.alive:
            return
        models, whole = len(progress.alive), progress.current is None
        yield epoch
        if not whole:  # an earlier attempt took a part of it
            pace.start()
            continue
        left = len(progress.alive) * (epochs - epoch - 1)
        more = f": {len(progress.alive)} models training, best accuracy {progress.best_accuracy.mean():.4f} (mean)"
        pace.tell(pace.training, models / epochs, left / epochs, f"epoch {epoch + 1} of {epochs}", more)


def start(network: nn.Module, initial: Tensors, recipe: Recipe, models: int) -> Progress:
    """Returns the state before the first step; parameters that need no gradient are kept like buffers."""
    parameters = {name: initial[name].clone() for name, own in network.named_parameters() if own.requires_grad}
    buffers = {name: value.clone() for name, value in initial.items() if name not in parameters}
    scales = loss_scales(recipe, models, next(iter(initial.values())).device)
    state = State(parameters, buffers, initial_state(parameters, recipe) | scales, np.zeros(models, np.int64))
    return Progress(
        state,
        alive=list(range(models)),
        best={name: value.clone() for name, value in initial.items()},
        best_accuracy=np.full(models, -np.inf),
        best_epoch=np.full(models, -1),
        history={name: np.full((models, recipe.epochs), np.nan) for name in HISTORY},
    )


def train_epoch(
    network: nn.Module, state: State, recipe: Recipe, pool: Samples, current: Pass, streams: Streams, epoch: int
) -> Float[np.ndarray, " m"]:
    """Trains each model on its members once, in its own order, and returns each model's mean loss.

    A last short batch is dropped. A model with fewer batches than others takes no part in the last steps.

    Raises:
        Preempted: The job was told to stop; ``current`` records how far the epoch is.
    """
    network.train()
    steps = np.array([len(order) // recipe.batch_size for order in current.orders])
    indices = send(pad_sequence(current.orders, batch_first=True), pool.device)
    while current.step < steps.max():
        preemption.may_stop()
        rows = np.flatnonzero(steps > current.step)
        index = indices[:, current.step * recipe.batch_size : (current.step + 1) * recipe.batch_size]
        total = recipe.epochs * steps[rows]
        if len(rows) == len(steps):
            current.losses += train_step(network, state, recipe, pool, index, streams, epoch, total)
        else:
            part, going = state.take(rows), send(rows, pool.device)
            loss = train_step(network, part, recipe, pool, index[going], streams.take(rows), epoch, total)
            current.losses[going] += loss
            state.put(rows, part)
        current.step += 1
    return current.losses.cpu().numpy() / steps


def train_step(
    network: nn.Module,
    state: State,
    recipe: Recipe,
    pool: Samples,
    index: Int[Tensor, "m batch"],
    streams: Streams,
    epoch: int,
    total: Int[np.ndarray, " m"],
) -> Float[Tensor, " m"]:
    """Takes one optimiser step of m models on their batches and returns the losses.

    As models share no parameters, the gradient of the sum of their losses is each model's own gradient. A parameter
    that this step does not use is left alone, as torch.optim does.

    Raises:
        NetworkError: A network from elsewhere fails.
    """
    rounds = list(turns(network, len(index), pool.device))
    parts = [
        _differentiate(network, state, rows, recipe, pool, index[rows], streams.take(range(len(index))[rows]))
        for rows in rounds
    ]
    loss = joined([part for part, _ in parts])
    gradients = {name: joined([slopes[name] for _, slopes in parts]) for name in parts[0][1]}
    unused = state.parameters.keys() - gradients.keys()
    if unused and not state.step.any():
        log.info("not used in training, and left as they are: %s", ", ".join(unused))
    rate, momentum = rate_and_momentum(recipe, epoch, state.step, total)
    update(state.parameters, gradients, state.optimizer, recipe, state.step, rate, momentum, alone=len(rounds) > 1)
    state.step += 1
    return loss


def _differentiate(
    network: nn.Module,
    state: State,
    rows: slice,
    recipe: Recipe,
    pool: Samples,
    index: Int[Tensor, "m batch"],
    streams: Streams,
) -> tuple[Float[Tensor, " m"], Tensors]:
    """Computes the losses of some of the models and the gradients, times the loss scales, of what they use."""
    y = pool.y[index]
    x = pool.normalised(augment(pool.raw(index), recipe, streams))
    mixed = mix(x, recipe, streams)
    parameters = {name: value[rows].detach().requires_grad_() for name, value in state.parameters.items()}
    weights = parameters | {name: value[rows] for name, value in state.buffers.items()}
    with autocast(recipe, pool.device):
        logits = compute(network, weights, x if mixed is None else mixed.x, streams)
        loss = cross_entropy(logits, y).mean(1)
        if mixed is not None:
            partner = cross_entropy(logits, y.gather(1, mixed.partner)).mean(1)
            loss = mixed.weight * loss + (1 - mixed.weight) * partner
    scaled = loss * state.optimizer[SCALE][rows] if SCALE in state.optimizer else loss
    slopes = differentiate(network, scaled.sum(), list(parameters.values()))
    found = zip(parameters, slopes, strict=True)
    return loss.detach(), {name: slope for name, slope in found if slope is not None}


def cross_entropy(logits: Float[Tensor, "m batch classes"], y: Int[Tensor, "m batch"]) -> Float[Tensor, "m batch"]:
    """Computes the loss of each sample."""
    return functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


@torch.no_grad()
def evaluate(
    network: nn.Module, weights: Tensors, samples: Samples, chosen: Bool[np.ndarray, "m sample"] | None
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Computes the loss and accuracy (a fraction) of m models, as means over samples without augmentation.

    Args:
        network: Built for any number of models.
        weights: Parameters and buffers ``[m, ...]``.
        samples: Samples to evaluate on.
        chosen: Which samples count for each model; all if None.
    """
    network.eval()
    models = len(next(iter(weights.values())))
    counts = send(np.ones((models, len(samples)), bool) if chosen is None else chosen, samples.device)
    loss = torch.zeros(models, dtype=torch.float64, device=samples.device)
    correct = torch.zeros_like(loss)
    for batch in batches(len(samples), EVALUATION_BATCH):
        preemption.may_stop()
        y = samples.y[batch].expand(models, -1)
        logits = logits_of(network, weights, samples, batch)
        loss += torch.where(counts[:, batch], cross_entropy(logits, y), 0).sum(1)
        correct += ((logits.argmax(-1) == y) & counts[:, batch]).sum(1)
    number = counts.sum(1)
    return (loss / number).cpu().numpy(), (correct / number).cpu().numpy()


def diverged(
    loss: Float[np.ndarray, " m"], accuracy: Float[np.ndarray, " m"], classes: int, members: Int[np.ndarray, " m"]
) -> Bool[np.ndarray, " m"]:
    """Marks models whose training failed: the loss is not finite, or accuracy is within 3 standard errors of chance."""
    chance = 1 / classes
    return ~np.isfinite(loss) | (accuracy < chance + 3 * np.sqrt(chance * (1 - chance) / members))


def logits_of(
    network: nn.Module, weights: Tensors, samples: Samples, batch: slice, streams: Streams | None = None
) -> Float[Tensor, "m batch classes"]:
    """Computes the logits of m models on the same batch, without augmentation, in the mode that the network is in."""
    return compute(network, weights, samples.normalised(samples.raw(batch))[None], streams)


def batches(samples: int, size: int) -> Iterator[slice]:
    """Yields slices over the samples in order; the last may be short."""
    return (slice(i * size, (i + 1) * size) for i in range(math.ceil(samples / size)))


def _keep(progress: Progress, weights: Tensors, accuracy: Float[np.ndarray, " alive"], recipe: Recipe) -> None:
    alive, wanted = np.array(progress.alive), recipe.target_model
    better = np.flatnonzero(accuracy > progress.best_accuracy[alive])
    progress.best_accuracy[alive[better]], progress.best_epoch[alive[better]] = accuracy[better], progress.epoch
    if isinstance(wanted, int) and progress.epoch >= wanted:
        return
    chosen = better if wanted == "best" else np.arange(len(alive))
    device = next(iter(weights.values())).device
    places, rows = send(alive[chosen], device), send(chosen, device)
    for name, value in weights.items():
        progress.best[name][places] = value[rows]


def _drop_stopped(progress: Progress, epoch: int, patience: int) -> None:
    going = np.flatnonzero(epoch - progress.best_epoch[progress.alive] < patience).tolist()
    if len(going) < len(progress.alive):
        progress.state = progress.state.take(going)
        progress.alive = [progress.alive[row] for row in going]
