"""Purchase-like samples for tests at scale: binary features that vary around a random prototype of each class."""

import numpy as np

from lira.config import Dataset
from lira.datasets._arrays import Arrays

FLIPPED = 0.25
"""Probability that a feature of a sample differs from its class's prototype."""


def load(settings: Dataset, seed: int) -> Arrays:
    """Draws all samples, in random order and with class sizes that differ by at most one."""
    samples, features = settings.synthetic_shape
    rng = np.random.default_rng(seed)
    prototypes = rng.random((settings.classes, features)) < 0.5
    y = rng.permutation(np.arange(samples) % settings.classes)
    x = np.empty((samples, features), np.uint8)
    for start in range(0, len(y), 4096):  # a row at a time would be slow, all rows at once would not fit
        rows = slice(start, start + 4096)
        x[rows] = prototypes[y[rows]] ^ (rng.random(x[rows].shape, np.float32) < FLIPPED)
    none = np.zeros(features), np.ones(features)
    return Arrays(x, y, "synthetic", 1.0, settings.classes, None, None, *none)
