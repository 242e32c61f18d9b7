"""Location-30: 5,010 users of Foursquare in Bangkok, 446 binary features, 30 classes (Shokri et al. 2017)."""

from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lira.config import Dataset
from lira.core.errors import DataError, reason
from lira.datasets import FOLDER
from lira.datasets._arrays import Arrays
from lira.datasets._originals import read_original

ARCHIVE = Path("location", "dataset_location.tgz")
URL = "https://github.com/privacytrustlab/datasets/raw/master/dataset_location.tgz"
ORIGINAL = "bangkok"
"""Name of the CSV file, also in its archive."""

SHAPE = (5_010, 447)
CLASSES = 30
SHA256 = "f7c324c428bcf41055291ad76414f70da12921e31998c7376187187bed78105b"
"""Of the rows as bytes, label first: the file's own sum would depend on how it is written and packed."""


def fetch(folder: Path) -> dict[str, str]:
    """Downloads the archive if neither it nor its file is there, and checks the rows.

    Raises:
        DataError: It cannot be downloaded, or its rows are others.
    """
    path = _find(folder)
    if not path.is_file():
        _download(path)
    return {str(path.relative_to(folder)): f"sha256 of the rows {_checksum(_rows(path))}"}


def load(settings: Dataset, seed: int) -> Arrays:
    """Loads all rows, which have no split of their own."""
    path = _find(Path(settings.path or FOLDER))
    rows = _rows(path)
    return Arrays(rows[:, 1:], rows[:, 0].astype(np.int64) - 1, str(path), 1.0, CLASSES)


def _find(folder: Path) -> Path:
    """Returns the file if it is there, else its archive."""
    alone = folder / ARCHIVE.with_name(ORIGINAL)
    return alone if alone.is_file() else folder / ARCHIVE


def _download(path: Path) -> None:
    from torchvision.datasets.utils import download_url

    try:
        download_url(URL, path.parent, path.name)
    except Exception as error:  # a download can fail in any way
        path.unlink(missing_ok=True)
        raise DataError(
            f"{path} does not exist and cannot be downloaded ({reason(error)}): put {path.name} from {URL} into "
            f"{path.parent} and run again"
        ) from error


def _rows(path: Path) -> UInt8[np.ndarray, "sample column"]:
    if not path.is_file():
        raise DataError(f"{path} does not exist: put {path.name} from {URL} into {path.parent}")
    rows = read_original(path, ORIGINAL, SHAPE[1])
    if rows.shape != SHAPE or _checksum(rows) != SHA256:
        raise DataError(
            f"{path} has other rows than Location-30 ({len(rows):,} of {SHAPE[0]:,}, or other values): delete it, and "
            "run again"
        )
    return rows


def _checksum(rows: np.ndarray) -> str:
    return sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
