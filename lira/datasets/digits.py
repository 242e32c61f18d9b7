"""scikit-learn's bundled handwritten digits: 1,797 grey images of 8x8 with values 0 to 16, 10 classes."""

import numpy as np

from lira.config import Dataset
from lira.datasets._arrays import Arrays


def load(settings: Dataset, seed: int) -> Arrays:
    """Loads all digits (the test set of the UCI handwritten digits)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, np.newaxis]
    return Arrays(images, digits.target.astype(np.int64), "scikit-learn's digits", scale=16.0, classes=10)
