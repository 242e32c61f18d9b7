"""Reads the originals of Shokri et al. 2017: CSV files without a header, the label first, in archives or alone."""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8

from lira.core.errors import DataError, reason


def read_original(path: Path, name: str, columns: int) -> UInt8[np.ndarray, "sample column"]:
    """Returns all rows of small whole numbers.

    Args:
        path: The CSV file, or its archive, of which nothing is unpacked to the disk.
        name: Name of the CSV file in the archive.
        columns: Number of columns.

    Raises:
        DataError: It is damaged, or holds something else.
    """
    from pyarrow import ArrowException, csv, uint8

    types = csv.ConvertOptions(column_types={f"f{column}": uint8() for column in range(columns)})
    read = csv.ReadOptions(use_threads=False, autogenerate_column_names=True)
    try:
        with _text_of(path, name) as text, csv.open_csv(text, read, convert_options=types) as blocks:
            return np.concatenate([np.stack([column.to_numpy() for column in block.columns], 1) for block in blocks])
    except DataError:
        raise
    except (ArrowException, OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        what = f"{columns} whole numbers from 0 to 255 in each line, the label first"
        raise DataError(f"{path} cannot be read as {name}, {what}: {reason(error)}") from error


@contextmanager
def _text_of(path: Path, name: str) -> Iterator[IO[bytes]]:
    if path.suffix != ".tgz":
        with path.open("rb") as file:
            yield file
        return
    with tarfile.open(path) as archive:
        member = next((one for one in archive if one.isfile() and Path(one.name).name == name), None)
        text = archive.extractfile(member) if member else None
        if text is None:
            raise DataError(f"{path} has no file {name}: get the original's archive anew")
        yield text
