"""CIFAR-10: 50,000 + 10,000 colour images of 32x32, 10 classes (Krizhevsky 2009)."""

from pathlib import Path

from lira.config import Dataset
from lira.datasets import FOLDER, _cifar
from lira.datasets._arrays import Arrays

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def fetch(folder: Path) -> dict[str, str]:
    """Downloads ``cifar-10-batches-py`` if it is missing, and checks it."""
    return _cifar.fetch_cifar("CIFAR10", folder)


def load(settings: Dataset, seed: int) -> Arrays:
    """Reads training and test images, with the paper's normalisation constants."""
    return _cifar.read_cifar("CIFAR10", Path(settings.path or FOLDER), 10, MEAN, STD)
