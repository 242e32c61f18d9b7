"""Networks and images that train in a moment."""

import numpy as np
import torch
from plain.networks import load
from torch.func import functional_call

from lira.config import Architecture
from lira.datasets import Part
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, generator
from lira.shadows.training.cohort import Samples


def started(architecture, models, shape, classes=4, dropout=0.0, **options):
    """A network and the initial values of some models."""
    network = build(architecture, len(models), shape, classes, dropout, **options)
    return network, initialise(network, [generator(0, model, INITIAL) for model in models])


def assert_ordinary(network, weights, x, plain):
    """Each model computes what the ordinary module does with its weights, in both modes of batch normalisation."""
    for training in (True, False):
        network.train(training)
        logits = functional_call(network, {name: value.clone() for name, value in weights.items()}, (x,))
        for model in range(len(x)):
            alone = load(plain, {name: value[model] for name, value in weights.items()}).train(training)
            torch.testing.assert_close(logits[model], alone(x[model]), atol=1e-5, rtol=1e-5)


FCN = Architecture(family="fcn", hidden=[12, 8], activation="relu", flatten=True)


def images(samples, seed=0):
    """Of three classes that differ in brightness."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, samples)
    x = (rng.integers(0, 9, (samples, 1, 8, 8)) + 3 * y[:, None, None, None]).astype(np.uint8)
    return Samples(Part(x, y, 16.0, np.array([0.4]), np.array([0.3]), 3), "cpu")


POOL, TEST = images(60), images(20, seed=1)
