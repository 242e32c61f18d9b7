"""Measurements in a process of their own, so that one that fails, dies or hangs takes no other with it."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """Some rows of a table.

    Attributes:
        rows: What each row begins with.
        do: Generator of the rest of each row, one after the other.
        arguments: Of ``do``.
    """

    rows: list[tuple]
    do: Callable[..., Iterator[tuple]]
    arguments: tuple


class Worker:
    """A process that carries out tasks; after one that failed, the next task has a new process."""

    def __init__(self):
        self.process: multiprocessing.process.BaseProcess | None = None
        self.pipe: Connection

    def carry_out(self, task: Task, seconds: float) -> Iterator[tuple | str]:
        """Yields the rest of each row of a task, or a sentence that says why it has none."""
        until, failed = time.monotonic() + seconds, ""
        if seconds <= 0:
            failed = "left out: no time left"
        elif self.process is None:
            self._start()
        if not failed:
            self.pipe.send((task.do, task.arguments))
        for _ in task.rows:
            found = failed or self._next(until)
            if isinstance(found, str) and not failed:
                self.stop()
                failed = "left out after the row above"
            yield found

    def stop(self) -> None:
        """Ends the process."""
        if self.process is None:
            return
        self.pipe.close()
        self.process.join(0.1)
        for end in (self.process.terminate, self.process.kill):
            if self.process.is_alive():
                end()
                self.process.join(STOP_SECONDS)
        self.process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,))
        self.process.start()
        theirs.close()  # so that the end of the process is noticed

    def _next(self, until: float) -> tuple | str:
        if not self.pipe.poll(max(0.0, until - time.monotonic())):
            return "failed: took too long"
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join(STOP_SECONDS)
            return f"failed: the process ended with {self.process.exitcode}"


def _work(pipe: Connection) -> None:
    while True:
        try:
            do, arguments = pipe.recv()
        except EOFError:
            return
        try:
            for cells in do(*arguments):
                pipe.send(cells)
        except BaseException as error:
            traceback.print_exc()
            pipe.send(f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
            return
