"""Says what form a file has that cannot be read, by its first bytes; what libraries say of it misleads."""

import os
from codecs import getincrementaldecoder
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from lira.core.errors import DataError

NPY, NPZ, HDF5 = "a single .npy array", "an .npz file", "an HDF5 file"
PARQUET, TEXT, ENCODED = "a parquet file", "text, such as CSV", "text that is not in UTF-8"
STARTS = {
    b"\x93NUMPY": NPY,
    b"\x89HDF": HDF5,
    b"PAR1": PARQUET,
    b"\x1f\x8b": "compressed by gzip",
    b"\x80": "a pickle",
    b"\xff\xfe": ENCODED,
    b"\xfe\xff": ENCODED,
}
START = 512  # bytes
CONTROLS = {*range(32)} - {*b"\t\n\v\f\r\x1a\x1b"}  # which text has not
DELIMITERS = ",;\t|"


def form_of(path: Path) -> str:
    """Returns the form of a file, to go on from ``it is``."""
    if path.is_dir():
        return "a folder"
    if not os.access(path, os.R_OK):
        return "not allowed to be read"
    with path.open("rb") as file:
        start = file.read(START)
    if not start:
        return "empty"
    if start.startswith(b"PK"):
        return _form_of_zip(path)
    if found := next((form for magic, form in STARTS.items() if start.startswith(magic)), None):
        return found
    text = getincrementaldecoder("utf-8")("replace").decode(start)  # which may end within a character
    if set(start) & CONTROLS:
        return "of an unknown form"
    return ENCODED if "\ufffd" in text else TEXT


def absent(path: Path, needed: str) -> DataError:
    """Returns the error of a path that is no file."""
    return DataError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}: {needed} is needed")


def delimiter_of(path: Path) -> str:
    """Returns what separates the values of a CSV file, by its first line."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return max(DELIMITERS, key=file.readline().count)


def not_npy(path: Path, besides: str = "") -> DataError:
    """Returns the error of a file that numpy cannot read as one array of numbers."""
    form = form_of(path) if path.is_file() else "no file"
    said = "damaged, not whole, or an array of objects" if form == NPY else form
    return DataError(f"{path} is not a readable .npy array, it is {said}: numpy.save makes one of numbers{besides}")


def _form_of_zip(path: Path) -> str:
    try:
        with ZipFile(path) as file:
            arrays = [name for name in file.namelist() if name.endswith(".npy")]
    except BadZipFile:
        return NPZ
    return NPZ if arrays else "a zip archive without arrays, as torch.save and spreadsheets make it"
