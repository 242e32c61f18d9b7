"""Purchase-100: 197,324 shoppers, 600 binary features, 100 classes (Shokri et al. 2017).

It is read as the array that the released code links, or as the original: a CSV file without a header, in an archive.
"""

from pathlib import Path

import numpy as np

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import FOLDER
from lira.datasets._arrays import Arrays, check_labels
from lira.datasets._forms import not_npy
from lira.datasets._originals import read_original

FILE = Path("purchase", "features_labels.npy")
ORIGINAL = "dataset_purchase"
"""Name of the original's CSV file, also in its archive."""
SHAPE = (197_324, 601)
CLASSES = 100
TRAIN = 0.7


def fetch(folder: Path) -> dict[str, str]:
    """Raises DataError unless one of the files exists and has the right shape; neither is downloaded."""
    path = _find(folder)
    return {str(path.relative_to(folder)): f"{_open(path).dtype} {list(SHAPE)}"}


def files_there(folder: Path) -> list[Path]:
    """Returns the files that hold the rows: the first is read, the array before the original."""
    array = folder / FILE
    known = [array, array.with_name(f"{ORIGINAL}.tgz"), array.with_name(ORIGINAL)]
    return [path for path in known if path.is_file()]


def load(settings: Dataset, seed: int) -> Arrays:
    """Loads all rows; torch's ``random_split`` draws 70 % of them as training samples, which stay in the order drawn.

    With a pool of train+test there is no split, and the rows keep their order.
    """
    path = _find(Path(settings.path or FOLDER))
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


def _find(folder: Path) -> Path:
    """Returns the array, or else the original's archive or the file in it."""
    if found := files_there(folder):
        return found[0]
    array = folder / FILE
    raise DataError(
        f"{array} does not exist: put features_labels.npy of Purchase-100 into {array.parent}, an array of shape "
        f"{list(SHAPE)} with the label, from 1, in column 0; or the original, {ORIGINAL}.tgz"
    )


def _open(path: Path) -> np.ndarray:
    rows = _read_array(path) if path.suffix == ".npy" else read_original(path, ORIGINAL, SHAPE[1])
    if not isinstance(rows, np.ndarray) or rows.shape != SHAPE or rows.dtype.kind not in "buif":
        found = f"{rows.dtype} {list(rows.shape)}" if isinstance(rows, np.ndarray) else "an archive"
        raise DataError(f"{path} holds {found}, expected numbers of shape {list(SHAPE)}, the label in column 0")
    return rows


def _read_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise not_npy(path, f", and its shape must be {list(SHAPE)}") from error
