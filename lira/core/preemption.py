"""Handles requests to stop, as from a scheduler: a job stores what it has and exits with :data:`AGAIN`.

Files appear whole or not at all, so most steps can stop at any moment. Training stops between two batches, where its
state can be stored.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = os.EX_TEMPFAIL
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Preempted(SystemExit):
    """Tells that the job must stop; if it is not caught, the process exits with :data:`AGAIN`."""

    def __init__(self):
        super().__init__(AGAIN)


class _Order:
    """Records whether the process was told to stop, and whether it must wait for :func:`may_stop`."""

    given = False
    deferred = False


@contextmanager
def listening() -> Iterator[None]:
    """Lets SIGTERM and SIGINT raise :class:`Preempted` once: immediately, or at :func:`may_stop` if deferred."""
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
    """Lets the job stop only at calls of :func:`may_stop` inside the block."""
    _Order.deferred = True
    try:
        yield
    finally:
        _Order.deferred = False
    may_stop()


def may_stop() -> None:
    """Raises :class:`Preempted` if the job was told to stop."""
    if _Order.given:
        raise Preempted
