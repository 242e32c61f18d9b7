"""What a job that is started again keeps of its earlier attempts: its log, and the time of all of them."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def attempt(output: Path, log: Path | None, runtime: Path | None) -> Iterator[Callable[[float], None]]:
    """In the block, a job goes on with its log; it calls what it is given with the seconds of all its attempts.

    Args:
        output: What the job makes; beside it the log is kept.
        log: As for :func:`keep_log`, if there is one.
        runtime: As for :func:`write_runtime`, if there is one.
    """
    if log:
        keep_log(output.with_suffix(".log"), log)
    yield lambda seconds: write_runtime(runtime, seconds) if runtime else None


def keep_log(kept: Path, log: Path) -> None:
    """Appends what this process says to a file that stays, of which ``log`` becomes a second name.

    Snakemake removes the log of a job before it starts the job again: then only this name is lost.

    Args:
        kept: The file that stays.
        log: Where the log is looked for. What it holds already was said before this call, and goes to the end.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    same = log.is_file() and kept.is_file() and log.samefile(kept)
    said = log.read_bytes() if log.is_file() and not same else b""
    with kept.open("ab") as file:
        file.write(said)
        file.flush()
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    if log.resolve() == kept.resolve():  # it has one name alone
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    try:
        os.link(kept, log)
    except OSError:  # a file system that has no second names
        log.write_text(f"The log is in {kept}\n", encoding="utf-8")


def write_runtime(path: Path, seconds: float) -> None:
    """Writes what a job took, with the names of columns that Snakemake's own records of other jobs have.

    Args:
        path: The table of one row: ``s``, seconds; ``max_rss``, the peak memory of this attempt in MB.
        seconds: Time of all attempts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    path.write_text(f"s\tmax_rss\n{seconds:.4f}\t{memory:.2f}\n", encoding="utf-8")
