"""Writes and reads the HDF5 files of a study; each is written whole or not at all.

Every chunk of an array has a checksum, and so has everything else in a file: damage is found when the file is read. The
attributes ``encoding-type`` and ``encoding-version`` say what a file holds, ``encoding-writer`` which version of the
suite wrote it, others where it came from (see :func:`describe_environment`). Files of the encoding versions in
:data:`READERS` are read. Arrays: M models, N samples, A views, C classes.

=========  =====================================================================================
data       ``pool|test|public/{x, y, source}``; ``source`` holds the index in the original dataset; text in UTF-8 if
           known: ``{id, group}`` of each sample, ``pool/class_names [C]``
shard      ``logits [m, N, A, C]`` (optional), ``phi [m, N, A]``, ``member [m, N]``,
           ``utility/* [m]``, ``history/* [m, epoch]``, ``weights/* [m, ...]`` (optional: parameters and buffers as
           attacked, of 16 bits as float32; names as in URLs) of models ``first`` to ``last``
shadows    ``phi [M, N, A]`` float32 (imported scores: maybe float64), ``member [M, N]``, ``labels [N]`` (imported:
            if known), ``utility/* [M]`` (imported: maybe NaN); ``id, group [N]`` and ``class_names [C]`` if known
scores     one float64 ``[M, N]`` array per attack, and ``member [M, N]``
target     ``phi [1, N, A]`` of a given model, and ``member [1, N]`` if known
=========  ====================================================================================="""

import errno
import glob
import hashlib
import json
import math
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lira.core.errors import StoreError, VersionError
from lira.core.validation import check_path

ENCODING_VERSION = "1.2"
FORMAT = "v110"  # the first in which HDF5 itself keeps checksums of everything but the arrays
LIBRARIES = ("torch", "numpy", "h5py")
LEFT_SECONDS = 86_400
"""Age at which another node's unfinished file counts as left behind by a killed job."""

JSON = (
    "recipe",
    "versions",
    "network",
    "code",
    "split",
    "definition",
    "own",
    "remarks",
    "duplicates",
    "attacks",
    "not_scored",
    "targets",
)
"""Attributes that are stored as JSON text."""

SEVERAL = ", "
"""Separates the versions, devices or revisions of a run whose models were made with more than one."""

UTILITY = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
"""Measures of each model's utility that every run has; they are NaN where they are unknown."""

CHECKSUM = "attributes-sha256"
PROMISED: dict[str, int] = {}
"""Bytes of the arrays in each file that is being written; HDF5 takes the disk space only when they are filled."""


def _of_encoding_1_1(found: dict[str, Any]) -> dict[str, Any]:
    """Files of models had no ``code``, ``identity`` and ``seconds``, scores no ``own``: the user's code is unknown."""
    unknown: dict[str, Any] = {"code": {}} if "network" in found else {}
    return unknown | ({"own": {}} if found["encoding-type"] == "scores" else {}) | found


READERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    ENCODING_VERSION: lambda found: found,
    "1.1": _of_encoding_1_1,
}
"""By encoding version: makes what a file of it says what :func:`attributes` returns. Arrays have not changed."""

HDF5_SAYS = ("Can't ", "Unable to ", "Object visitation failed", "Unspecified error")


def scratch(folder: Path) -> Path:
    """Returns ``$TMPDIR`` if it is on another file system than the folder, as on a cluster's nodes; else the folder."""
    given = os.environ.get("TMPDIR")
    if given and Path(given).is_dir() and Path(given).stat().st_dev != folder.stat().st_dev:
        return Path(given)
    return folder


@contextmanager
def atomic(path: Path | str, on_node: bool = False) -> Iterator[Path]:
    """Yields a path to write to; the file gets the name ``path`` when the block ends without an error.

    Args:
        path: The file to make. It is renamed within its own folder, so that it is whole or absent even over NFS.
        on_node: Whether to write in :func:`scratch` and copy the finished file, for formats that are not written from
            front to back.

    Raises:
        StoreError: The disk is full, or the folder may not be written to.
    """
    path = Path(path)
    folder_of(path)
    place = scratch(path.parent) if on_node else path.parent
    try:
        with temporary(path, path.parent) as beside, temporary(path, place) as written:
            yield written
            if written != beside:
                shutil.copyfile(written, beside)
            with beside.open("rb") as whole:
                os.fsync(whole.fileno())
            beside.replace(path)
    except (OSError, RuntimeError) as error:
        reason = _unwritable(error, path.parent)
        if not reason:
            raise
        remedy = "make room or allow writing there, and run the same command again"
        raise StoreError(f"{path} cannot be written ({reason}): {remedy}") from error


@contextmanager
def temporary(path: Path, folder: Path) -> Iterator[Path]:
    """Yields a path in ``folder`` that no other job uses, for a file or folder needed while ``path`` is made.

    What killed jobs left at such paths is removed first, and this job's own path when the block ends.
    """
    for left in folder.glob(f".{glob.escape(path.name)}.*{path.suffix}"):
        if not is_written(left, left.name.removesuffix(path.suffix).removeprefix(f".{path.name}.")):
            _remove(left)
    own = folder / f".{path.name}.{platform.node()}-{os.getpid()}{path.suffix}"
    try:
        yield own
    finally:
        _remove(own)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def folder_of(path: Path) -> Path:
    """Returns the folder of a file that is to be written, and makes it if it is missing.

    Raises:
        StoreError: The folder cannot be made, or ``path`` is itself a folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        reason = os.strerror(errno.EISDIR) if path.is_dir() else ""
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
    if reason:
        raise StoreError(f"{path} cannot be written ({reason}): name a file in a folder that exists or can be made")
    return path.parent


def is_written(path: Path, job: str, seconds: float = LEFT_SECONDS) -> bool:
    """Tells whether the job that writes an unfinished file lives: its process, or on another node by the file's age.

    Args:
        path: The file, named by :func:`temporary`.
        job: What its name says of the job, ``<node>-<process>``.
        seconds: Age from which another node's file counts as left behind.
    """
    node, _, process = job.rpartition("-")
    if node in ("", platform.node()):
        return bool(node) and _is_running(process)
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime <= seconds
    return True


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _unwritable(error: BaseException, folder: Path) -> str:
    """Returns why a file cannot be written, or "" if the error has another cause; HDF5 gives the code as text only."""
    stated = re.search(r"errno = (\d+)", str(error))
    code: int = getattr(error, "errno", None) or (int(stated[1]) if stated else 0)
    denied = code in (errno.EACCES, errno.EPERM) and str(folder) in str(error)
    if denied or code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENAMETOOLONG):
        return os.strerror(code)
    return _unwritable(error.__context__, folder) if error.__context__ else ""


@contextmanager
def create(path: Path | str, encoding: str, attributes: dict[str, Any]) -> Iterator[h5py.File]:
    """Opens a new HDF5 file of an encoding; it gets the name ``path`` when the block ends without an error."""
    options = {"libver": (FORMAT, FORMAT), "locking": False}  # parallel file systems refuse locks
    with atomic(path, on_node=True) as written, h5py.File(written, "w", **options) as file:
        PROMISED[file.filename] = 0
        try:
            file.attrs["encoding-type"] = encoding
            file.attrs["encoding-version"] = ENCODING_VERSION
            file.attrs["encoding-writer"] = f"lira {version('lira-mia')} of revision {_revision()}"
            for key, value in attributes.items():
                file.attrs[key] = stored(value)
            yield file
            file.attrs[CHECKSUM] = _checksum(file.attrs)
            file.flush()
        except BaseException:
            with open(os.devnull, "wb") as nowhere:  # HDF5 crashes when it closes a file that it cannot write
                os.dup2(nowhere.fileno(), file.id.get_vfd_handle())
            with suppress(OSError, RuntimeError):
                file.close()
            raise
        finally:
            del PROMISED[str(written)]


def dataset(
    group: h5py.Group, name: str, shape: Any = None, dtype: Any = None, *, data: Any = None, chunks: Any = True
) -> h5py.Dataset:
    """Makes a dataset with a checksum for each chunk; the arguments are those of ``create_dataset``.

    Raises:
        OSError: The disk has no room for it. HDF5 would crash when the data is written.
    """
    shape, dtype = (shape, np.dtype(dtype)) if data is None else (data.shape, data.dtype)
    file = Path(group.file.filename)
    PROMISED[str(file)] += math.prod(shape) * dtype.itemsize
    if PROMISED[str(file)] > shutil.disk_usage(file.parent).free + file.stat().st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
    stored = {"chunks": chunks, "fletcher32": True} if math.prod(shape) else {}  # HDF5 has no empty chunks
    return group.create_dataset(name, shape, dtype, data=data, **stored)


@contextmanager
def read(path: Path | str, encoding: str, receipt: Path | None = None) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading.

    Args:
        path: The file.
        encoding: What it must hold.
        receipt: What says that the file is there, and must go with it to have it made again.

    Raises:
        StoreError: The file is missing, not HDF5, of another encoding, or damaged where the block reads it.
        VersionError: It is of an encoding version that is not read here.
    """
    path = check_path(path, "file")
    if not path.is_file():
        remedy = f"rm {receipt}, and run the same command again" if receipt else "run the rule that makes it"
        raise StoreError(f"{path} does not exist: {remedy}")
    with sound(path, receipt), h5py.File(path, "r", locking=False) as file:
        check_version(file)
        found = (file.attrs.get("encoding-type"), file.attrs.get("encoding-version"))
        if found[0] != encoding:
            raise StoreError(
                f"{path} holds {found[0]} {found[1]}, expected {encoding} {ENCODING_VERSION}: give another file, or "
                "move this one away if it is in the wrong place, and run the same command again"
            )
        check_attributes(file)
        yield file


def check_version(file: h5py.File) -> None:
    """Checks that a file of the suite is of an encoding version that is read here.

    Raises:
        VersionError: It is not; the message names a version of the suite that reads it.
    """
    found = str(file.attrs.get("encoding-version"))
    if "encoding-type" in file.attrs and found not in READERS:
        writer = file.attrs.get("encoding-writer", f"lira of revision {file.attrs.get('revision', 'unknown')}")
        raise VersionError(
            f"{file.filename} is of encoding version {found}, and this lira reads {' and '.join(sorted(READERS))}: "
            f"read it with {writer}, which wrote it, or with another that reads {found}, or keep it elsewhere"
        )


def check_attributes(file: h5py.File) -> None:
    """Checks a file's attributes against their checksum.

    Raises:
        OSError: They are not what was written.
    """
    if file.attrs.get(CHECKSUM) != _checksum(file.attrs):
        raise OSError("Can't trust the attributes (wrong checksum)")


def _checksum(attributes: Mapping[str, Any]) -> str:
    """Returns the checksum of all other attributes; HDF5 itself has none for text."""
    values = {name: np.asarray(value).tolist() for name, value in attributes.items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@contextmanager
def sound(path: Path | str, receipt: Path | None = None) -> Iterator[None]:
    """Turns HDF5's errors about a damaged file in the block into one sentence about ``path``; as for :func:`read`.

    Raises:
        StoreError: The file is damaged where the block reads it.
        VersionError: It is damaged where it says the version of its format, or HDF5 here is too old for it.
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError) as error:
        said = " ".join(str(error.args[-1] if error.args else error).split())
        if getattr(error, "errno", None) is not None or not said.startswith(HDF5_SAYS):
            raise
        if "version number" in said:
            remedy = "read it with a newer h5py, or keep it elsewhere"
            raise VersionError(f"{path} is damaged, or a newer HDF5 wrote it ({said}): {remedy}") from error
        remedy = f"rm {path}{f' {receipt}' if receipt else ''}, and run the same command again"
        raise StoreError(f"{path} is damaged ({said}): {remedy}") from error


def attributes(file: h5py.File) -> dict[str, Any]:
    """Returns a file's attributes (study, dataset, seed, recipe, ...) as plain values, with JSON text parsed.

    A file of an older encoding version gives those of today's, as far as they are known.
    """
    plain = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in file.attrs.items()}
    found = {key: json.loads(value) if key in JSON else value for key, value in plain.items()}
    return READERS[str(found["encoding-version"])](found)


def describe_environment(device: str = "cpu") -> dict[str, Any]:
    """Describes library versions, device and git revision, as attributes for :func:`create`."""
    versions = {"python": platform.python_version(), "lira": version("lira-mia")}
    return {
        "versions": versions | {name: version(name) for name in LIBRARIES if find_spec(name)},
        "device": device,
        "revision": _revision(),
    }


def _revision() -> str:
    if shutil.which("git") is None:
        return "unknown"
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def stored(value: Any) -> Any:
    """Returns a value as an attribute stores it: lists and dicts as JSON text."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
