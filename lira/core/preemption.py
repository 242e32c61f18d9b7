"""Told to stop, as by a scheduler that takes the machine away: a job keeps what it has and ends with :data:`AGAIN`.

Files appear whole or not at all, so most of a step may be left at any moment. Training is left between two batches,
where its state can be stored.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = os.EX_TEMPFAIL
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Preempted(SystemExit):
    """The job was told to stop; uncaught, the process ends with :data:`AGAIN`."""

    def __init__(self):
        super().__init__(AGAIN)


class _Order:
    """Whether the process was told to stop, and whether it may stop anywhere."""

    given = False
    deferred = False


@contextmanager
def listening() -> Iterator[None]:
    """From now on SIGTERM and SIGINT raise :class:`Preempted` once: at once, or at a :func:`may_stop` if deferred."""
    for number in SIGNALS:
        signal.signal(number, _take)
    try:
        yield
    except Exception:
        may_stop()  # raised in a callback of a library, it arrives as that library's error
        raise


def _take(number: int, frame: object) -> None:
    first, _Order.given = not _Order.given, True
    if first and not _Order.deferred:
        raise Preempted


@contextmanager
def deferred() -> Iterator[None]:
    """Inside the block the job stops at a :func:`may_stop` alone."""
    _Order.deferred = True
    try:
        yield
    finally:
        _Order.deferred = False
    may_stop()


def may_stop() -> None:
    """A place where the job may stop.

    Raises:
        Preempted: it was told to.
    """
    if _Order.given:
        raise Preempted
