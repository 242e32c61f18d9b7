"""Shadow models are as accurate and as overfitted as those of a plain PyTorch training script."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plain.training import Loop, whole
from scipy.stats import t

from lira.config import Architecture, Dataset, Recipe
from lira.datasets import prepare_data, read_part
from lira.shadows.membership import balanced_membership
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import Samples, evaluate, train_cohort

FCN = Architecture(family="fcn", hidden=[128, 64], activation="relu", flatten=True)
RESNET = Architecture(family="resnet", widths=[8, 16])
WIDERESNET = Architecture(family="wideresnet", depth=10, width=1)
RUNS = [
    pytest.param(FCN, Recipe(weight_decay=2e-2, batch_size=64, epochs=20, dropout=0.25), 8, 0.15, id="fcn"),
    pytest.param(
        RESNET,
        Recipe(weight_decay=1e-2, learning_rate=0.05, batch_size=64, epochs=30, dropout=0.25),
        256,
        0.05,
        id="resnet",
        marks=pytest.mark.campaign,
    ),
    pytest.param(
        WIDERESNET,
        Recipe(batch_size=64, epochs=12, dropout=0.1, augment=["crop", "cutout", "cutmix"]),
        256,
        0.05,
        id="wideresnet-augmented",
        marks=pytest.mark.campaign,
    ),
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.h5"
    prepare_data(Dataset(test=597), None, 0, path)
    return {name: read_part(path, name) for name in ("pool", "test")}


@torch.no_grad()
def judged(network, part):
    """Loss and accuracy of an ordinary module."""
    x, y = whole(part).tensors
    logits = network.eval()(x)
    network.train()
    return torch.nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).double().mean().item()


def plain(architecture, recipe, parts, member):
    """Train loss, test loss and test accuracy of each model at its best epoch, one model at a time."""
    found = []
    for seed, row in enumerate(member):
        torch.manual_seed(seed)
        np.random.seed(seed)  # CutMix draws from it
        held = replace(parts["pool"], x=parts["pool"].x[row], y=parts["pool"].y[row])
        loop = Loop(architecture, recipe, held)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(loop.optimiser, recipe.epochs, eta_min=1e-6)
        best = SimpleNamespace(accuracy=-1.0)
        for _ in range(recipe.epochs):
            loop.epoch()
            schedule.step()
            loss, accuracy = judged(loop.network, parts["test"])
            if accuracy > best.accuracy:
                state = {name: value.clone() for name, value in loop.network.state_dict().items()}
                best = SimpleNamespace(accuracy=accuracy, loss=loss, state=state)
        loop.network.load_state_dict(best.state)
        found.append((judged(loop.network, held)[0], best.loss, best.accuracy))
    return np.array(found).T


def ours(architecture, recipe, parts, member):
    """The same of a cohort."""
    pool, test = (Samples(parts[name], "cpu") for name in ("pool", "test"))
    models = range(len(member))
    network = build(architecture, len(member), pool.x.shape[1:], 10, recipe.dropout)
    initial = initialise(network, [generator(0, model, INITIAL) for model in models])
    progress = train_cohort(network, initial, recipe, pool, test, member, Streams(0, models))
    train_loss, _ = evaluate(network, progress.best, pool, member)
    return np.array([train_loss, *evaluate(network, progress.best, test, None)])


def interval(differences, level):
    """Of the mean of paired differences."""
    half = t.ppf((1 + level) / 2, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    return differences.mean() - half, differences.mean() + half


@pytest.mark.parametrize(("architecture", "recipe", "models", "margin"), RUNS)
def test_accuracy_and_loss_ratio_are_those_of_a_plain_loop(architecture, recipe, models, margin, parts):
    """The margins are a point of accuracy and a share of the loss ratio."""
    recipe = recipe.model_copy(update={"patience": recipe.epochs})
    member = balanced_membership(len(parts["pool"].y), models, 0.5, 0)
    one, other = (train(architecture, recipe, parts, member) for train in (ours, plain))
    accuracy = 100 * (one[2] - other[2])
    train_loss = np.log(one[0]) - np.log(other[0])
    ratio = np.log(one[1] / one[0]) - np.log(other[1] / other[0])
    for name, differences in (("accuracy", accuracy), ("log train loss", train_loss), ("log loss ratio", ratio)):
        print(f"{name}: ours less plain, 95 %: {interval(differences, 0.95)}")
    for differences, low, high in ((accuracy, -1, 1), (ratio, np.log(1 - margin), np.log(1 + margin))):
        found = interval(differences, 0.95)
        assert low < found[0] < found[1] < high
        # of two loops that are the same, one in twenty 95 % intervals lacks 0
        lower, upper = interval(differences, 0.99)
        assert lower < 0 < upper
