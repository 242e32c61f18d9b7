"""CIFAR-100: 50,000 + 10,000 colour images of 32x32, 100 fine classes (Krizhevsky 2009)."""

from pathlib import Path

from lira.config import Dataset
from lira.datasets import FOLDER, _cifar
from lira.datasets._arrays import Arrays

MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)


def fetch(folder: Path) -> dict[str, str]:
    """Downloads ``cifar-100-python`` if it is missing, and checks it."""
    return _cifar.fetch_cifar("CIFAR100", folder)


def load(settings: Dataset, seed: int) -> Arrays:
    """Reads training and test images with their fine labels, and the paper's normalisation constants."""
    return _cifar.read_cifar("CIFAR100", Path(settings.path or FOLDER), 100, MEAN, STD)
