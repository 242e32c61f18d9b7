"""Reserves the device of a training job: the requested kind or an error; GPUs are shared only on request."""

import ctypes
import fcntl
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lira.core.errors import LiraError

WAIT_SECONDS = 5.0
M_TRIM_THRESHOLD, M_MMAP_MAX, MOST = -1, -4, 2**31 - 1
"""Parameters of glibc's ``mallopt``, from its malloc.h, and the largest value."""


@contextmanager
def lease(kind: str, jobs_per_gpu: int = 1) -> Iterator[str]:
    """Yields a torch device and reserves it until the block ends.

    On a machine with several GPUs, each job takes one that no other job of this user holds, and makes it the current
    one; the lock ends with the job. If a scheduler has given the job a GPU of its own, the job sees no other.

    Args:
        kind: ``cpu`` or ``cuda``.
        jobs_per_gpu: Number of jobs that may share one GPU.

    Raises:
        LiraError: A GPU is requested, but the job sees none.
    """
    if kind == "cpu":
        torch.set_num_threads(1)  # a model must not depend on how many cores ran it
        keep_freed_memory()
        yield "cpu"
        return
    if not torch.cuda.is_available():
        raise LiraError("device: cuda was asked for and this job sees no GPU: set device: cpu, or ask for a GPU node")
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is float32
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    with take(names, jobs_per_gpu) as index, torch.cuda.device(index):
        yield f"cuda:{index}"


def keep_freed_memory() -> None:
    """Lets the C library keep what is freed, for the next step, instead of asking the system for clean pages each time.

    On a CPU, convolutional networks train up to a fifth faster. Other C libraries than glibc are left alone.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change and platform.libc_ver()[0] == "glibc":
        for parameter, value in ((M_TRIM_THRESHOLD, MOST), (M_MMAP_MAX, 0)):
            change(parameter, value)


def name_of(device: str) -> str:
    """Returns the device's name as results record it, since models differ by rounding between kinds of devices."""
    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)


@contextmanager
def memory_advice(cohort: int, device: str) -> Iterator[None]:
    """Turns an out-of-memory error into advice; a cohort is never made smaller silently, as results would differ.

    Raises:
        LiraError: The block ran out of memory with ``cohort`` models at a time.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        smaller = f"set a cohort smaller than {cohort} for this run (its models then differ by rounding), or "
        way_out = (smaller if cohort > 1 else "") + "give the job more memory"
        raise LiraError(f"{cohort} models at a time do not fit into the memory of {device}: {way_out}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error says that the machine's or the device's memory is full."""
    if not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError):
        return isinstance(error, MemoryError | torch.OutOfMemoryError)
    return any(words in str(error) for words in ("can't allocate memory", "ALLOC_FAILED", "CUDA error: out of memory"))


@contextmanager
def take(names: list[str], jobs_each: int, folder: Path | None = None) -> Iterator[int]:
    """Waits for a name that fewer than ``jobs_each`` processes hold, then holds it and yields its position."""
    folder = folder or Path(tempfile.gettempdir())
    while True:
        for slot in range(jobs_each):
            for position, name in enumerate(names):
                lock = (folder / f"lira-{os.getuid()}-{name}-{slot}.lock").open("w")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.close()
                    continue
                with lock:
                    yield position
                return
        time.sleep(WAIT_SECONDS)
