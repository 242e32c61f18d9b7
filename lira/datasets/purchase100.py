"""Purchase-100: 197,324 shoppers, 600 binary features, 100 classes (Shokri et al. 2017)."""

from pathlib import Path

import numpy as np

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import FOLDER
from lira.datasets._arrays import Arrays, check_labels
from lira.datasets._forms import not_npy

FILE = Path("purchase", "features_labels.npy")
SHAPE = (197_324, 601)
CLASSES = 100
TRAIN = 0.7


def fetch(folder: Path) -> dict[str, str]:
    """Raises DataError unless the array exists and has the right shape; it has no public address for a download."""
    return {str(FILE): f"{_open(folder / FILE).dtype} {list(SHAPE)}"}


def load(settings: Dataset, seed: int) -> Arrays:
    """Loads all rows; torch's ``random_split`` draws 70 % of them as training samples, which stay in the order drawn.

    With a pool of train+test there is no split, and the rows keep their order.
    """
    path = Path(settings.path or FOLDER) / FILE
    rows = _open(path)
    y = check_labels(rows[:, 0], f"{path}: column 0", rows) - 1
    if len(wrong := np.flatnonzero((y < 0) | (y >= CLASSES))):
        raise DataError(f"{path}: the label in row {wrong[0]} is {y[wrong[0]] + 1}: allowed are 1 to {CLASSES}")
    train, test = (np.arange(len(rows)), None) if settings.pool == "train+test" else _split(len(rows), seed)
    none = np.zeros(rows.shape[1] - 1), np.ones(rows.shape[1] - 1)
    return Arrays(rows[:, 1:], y, str(path), 1.0, CLASSES, train, test, *none)


def _split(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    import torch

    sizes = [int(TRAIN * count), count - int(TRAIN * count)]
    rows = torch.utils.data.TensorDataset(torch.arange(count))
    train, test = torch.utils.data.random_split(rows, sizes, torch.Generator().manual_seed(seed))
    return np.asarray(train.indices), np.asarray(test.indices)


def _open(path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: put features_labels.npy of Purchase-100 into {path.parent}, an array of shape "
            f"{list(SHAPE)} with the label, from 1, in column 0"
        )
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise not_npy(path, f", and its shape must be {list(SHAPE)}") from error
    if not isinstance(rows, np.ndarray) or rows.shape != SHAPE or rows.dtype.kind not in "buif":
        found = f"{rows.dtype} {list(rows.shape)}" if isinstance(rows, np.ndarray) else "an archive"
        raise DataError(f"{path} holds {found}, expected numbers of shape {list(SHAPE)}, the label in column 0")
    return rows
