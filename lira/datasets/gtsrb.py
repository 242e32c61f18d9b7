"""GTSRB: 26,640 + 12,630 photographs of German traffic signs of many sizes, 43 classes (Stallkamp et al. 2012)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from lira.config import Dataset
from lira.core.errors import DataError, reason
from lira.datasets import FOLDER
from lira.datasets._arrays import Arrays

MEAN, STD = (0.3403, 0.3121, 0.3214), (0.2724, 0.2608, 0.2669)
CLASSES = 43
SIZES = {"train": 26_640, "test": 12_630}
SIZE = 32
ARCHIVES = ("GTSRB-Training_fixed.zip", "GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip")


class Photographs:
    """Images that are read from their files on access, uint8 ``[3, height, width]``, each in its own size."""

    def __init__(self, *parts: Any):
        self.files = [(part, index) for part in parts for index in range(len(part))]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "3 height width"]:
        part, position = self.files[index]
        try:
            return np.moveaxis(np.asarray(part[position][0]), 2, 0)
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"{part._samples[position][0]} is not a readable image ({error})") from error


def fetch(folder: Path) -> dict[str, str]:
    """Downloads the archives if they are missing (checked by MD5 sum), and counts the images of each split.

    The unpacked files themselves have no published checksums.

    Raises:
        DataError: Images are missing and cannot be downloaded.
    """
    from torchvision.datasets import GTSRB

    try:
        for split in SIZES:
            GTSRB(folder, split=split, download=True)
    except FileNotFoundError as error:
        raise _unusable(folder, error) from error
    except Exception as error:  # a download can fail in any way
        raise DataError(
            f"{folder / 'gtsrb'} is not complete and GTSRB cannot be downloaded ({reason(error)}): "
            f"put {', '.join(ARCHIVES)} into {folder / 'gtsrb'} and run again"
        ) from error
    return {f"gtsrb/{split}": f"{len(part)} images" for split, part in _open(folder).items()}


def load(settings: Dataset, seed: int) -> Arrays:
    """Loads training and test images, to be resized to 32x32 by default, with the paper's normalisation constants."""
    folder = Path(settings.path or FOLDER)
    parts = _open(folder)
    y = np.array([label for part in parts.values() for _, label in part._samples], np.int64)
    test = np.arange(len(parts["train"]), len(y))
    return Arrays(
        Photographs(*parts.values()), y, str(folder / "gtsrb"), 255.0, CLASSES, test=test, mean=MEAN, std=STD, size=SIZE
    )


def _open(folder: Path) -> dict[str, Any]:
    from torchvision.datasets import GTSRB

    try:
        parts = {split: GTSRB(folder, split=split) for split in SIZES}
    except (RuntimeError, OSError, KeyError, TypeError, ValueError) as error:
        raise _unusable(folder, error) from error
    for split, part in parts.items():
        if len(part) != SIZES[split]:
            raise DataError(
                f"{part._target_folder} has {len(part)} images of {SIZES[split]}: delete {folder / 'gtsrb'}, run again"
            )
    for path, label in parts["train"]._samples:
        if Path(path).parent.name != f"{label:05d}":
            raise DataError(f"{path} is counted as class {label}: the folders must be 00000 to {CLASSES - 1:05d}")
    for path, _ in parts["test"]._samples:
        if not Path(path).is_file():
            raise DataError(f"{path} does not exist but GT-final_test.csv lists it: delete {folder / 'gtsrb'}")
    return parts


def _unusable(folder: Path, error: Exception) -> DataError:
    found = f"no column {error}" if isinstance(error, KeyError) else reason(error)
    return DataError(
        f"{folder / 'gtsrb'} is not a complete GTSRB ({found}): it needs GTSRB/Training, GTSRB/Final_Test/Images and "
        f"GT-final_test.csv, from {', '.join(ARCHIVES)}"
    )
