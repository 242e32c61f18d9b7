"""Which models a network computes at once, and that turns change nothing."""

import numpy as np
import pytest
import torch
from small_networks import started

from lira.config import Architecture, Recipe
from lira.datasets import Part
from lira.shadows.models import build, initialise
from lira.shadows.models.turns import LARGE, compute, joined, turns
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import Samples, train_cohort

RESNET = Architecture(family="resnet", widths=[8, 16])
WIDERESNET = Architecture(family="wideresnet", depth=10, width=1)
FCN = Architecture(family="fcn", hidden=[16])


@pytest.mark.parametrize(
    ("architecture", "pixels", "device", "at_once"),
    [
        (RESNET, 8, "cpu", 3),
        (RESNET, 24, "cpu", 1),
        (RESNET, 24, "cuda", 3),
        (WIDERESNET, 8, "cpu", 3),
        (WIDERESNET, 16, "cpu", 1),
        (FCN, 32, "cpu", 3),
    ],
)
def test_convolutions_of_large_images_take_turns_on_a_cpu(architecture, pixels, device, at_once):
    network = build(architecture, 3, (1, pixels, pixels), 4, 0.0)
    assert [rows.stop - rows.start for rows in turns(network, 3, device)] == [at_once] * (3 // at_once)


def test_what_one_turn_computed_is_not_copied():
    one, other = torch.randn(1, 2), torch.randn(1, 2)
    assert joined([one]) is one
    assert torch.equal(joined([one, other]), torch.stack([one[0], other[0]]))


@pytest.mark.parametrize("architecture", [RESNET, WIDERESNET])
def test_in_turns_or_at_once_the_logits_and_the_running_statistics_are_the_same(architecture, monkeypatch):
    x, found = torch.randn(3, 6, 3, 16, 16), []
    for large in (1, 10**9):
        monkeypatch.setattr("lira.shadows.models.turns.LARGE", large)
        network, weights = started(architecture, [0, 1, 2], (3, 16, 16), dropout=0.5)
        with torch.no_grad():
            logits = compute(network.train(), weights, x, Streams(0, range(3)))
            shared = compute(network.eval(), weights, x[:1])
        found.append({"logits": logits, "shared": shared, **weights})
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-4, atol=1e-5)
    assert not torch.equal(found[0]["shared"][0], found[0]["shared"][1])


def trained(models, recipe, part):
    network = build(WIDERESNET, len(models), part.x.shape[1:], part.classes, recipe.dropout)
    initial = initialise(network, [generator(0, model, INITIAL) for model in models])
    member = np.random.default_rng(0).random((3, len(part.y))) < 0.6
    samples = Samples(part, "cpu")
    return train_cohort(network, initial, recipe, samples, samples, member[models], Streams(0, models))


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_a_model_that_takes_turns_is_the_one_that_trains_alone_bit_for_bit(precision):
    rng = np.random.default_rng(0)
    classes = 7  # the biases of three models fill a vector of the processor, those of one do not
    x, y = rng.integers(0, 256, (40, 3, 16, 16)).astype(np.uint8), rng.integers(0, classes, 40)
    part = Part(x, y, 255.0, np.full(3, 0.5), np.full(3, 0.2), classes)
    assert WIDERESNET.width * 16 * 16 * 16 >= LARGE
    recipe = Recipe(epochs=2, batch_size=8, dropout=0.2, augment=["flip", "crop", "mixup"], precision=precision)
    together = trained([0, 1, 2], recipe, part)
    for model in range(3):
        alone = trained([model], recipe, part)
        for name, value in alone.best.items():
            assert torch.equal(value[0], together.best[name][model]), name
        for name, values in alone.history.items():
            assert np.array_equal(values[0], together.history[name][model]), name
