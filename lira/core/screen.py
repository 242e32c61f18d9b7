"""What Snakemake shows on a terminal besides its own output: a bar for each training job, and little after Ctrl-C.

Nothing is drawn where its output is no terminal, and nothing at all is changed where another logger prints it.
"""

import logging
import signal
import sys
import warnings
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any

from tqdm import tqdm
from tqdm.contrib import DummyTqdmFile

from lira.core.pace import draw, is_terminal, read_told

DRAW_SECONDS = 2.0
STOPPING = "Terminating processes"
"""How Snakemake says that it waits for its jobs to stop."""


class Screen(logging.Handler):
    """Follows the jobs of which Snakemake says that they begin and end.

    Attributes:
        interrupted: Whether Ctrl-C was typed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.interrupted, self._said = False, "no job was started, and nothing has changed"
        self._jobs: dict[int, tuple[str, list[Path]]] = {}
        self._bars: dict[int, tqdm] = {}
        self._shown: logging.Handler = self
        self._ended = Event()
        sys.excepthook = self._end

    def watch(self, logger: logging.Logger) -> None:
        """Starts with a run of Snakemake, of whose logger it is one more handler."""
        self._said = "what is finished is kept, and the same command goes on from here"
        for shown in logger.handlers:
            if isinstance(shown, logging.StreamHandler) and shown.stream in (sys.stdout, sys.stderr):
                shown.addFilter(self._passes)
                self._shown = shown
                if is_terminal(shown.stream):
                    shown.setStream(DummyTqdmFile(shown.stream))  # writes above the bars
                    logger.addHandler(self)
                    Thread(target=self._draw, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a job up when it begins, and drops it when it ends."""
        said: dict[str, Any] = vars(record)
        match said.get("event"):
            case "job_info" if self._shown.filter(record):  # not with --quiet
                name = said["rule_msg"] or said["rule_name"]
                self._jobs[said["jobid"]] = f"; {name}", [Path(file) for file in said["output"]]
            case "job_finished" | "job_error":
                self._drop(said["job_id"] if "job_id" in said else said["jobid"])

    def close(self) -> None:
        """Removes all bars."""
        self._ended.set()
        self.acquire()
        for number in list(self._jobs):
            self._drop(number)
        self.release()
        super().close()

    def _drop(self, number: int) -> None:
        self._jobs.pop(number, None)
        if bar := self._bars.pop(number, None):
            bar.close()
            bar.fp.write("\r")  # what tqdm leaves out for all bars but the first

    def _draw(self) -> None:
        while not self._ended.wait(DRAW_SECONDS):
            for number, (name, outputs) in list(self._jobs.items()):
                unfinished = (file for path in outputs for file in path.parent.glob(f".{path.name}.*"))
                told = next(filter(None, map(read_told, unfinished)), None)
                self.acquire()
                if told and number in self._jobs:
                    self._bars[number] = draw(self._bars.get(number), told, name)
                self.release()

    def _passes(self, record: logging.LogRecord) -> bool:
        """Drops what Snakemake says after Ctrl-C of the jobs that it stops: they have not failed.

        From then on it takes no notice of Ctrl-C. The jobs are told by the terminal, and need time to store their work.
        """
        if self.interrupted or not record.getMessage().startswith(STOPPING):
            return not self.interrupted
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.close()
        return True

    def _end(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Ends with one line where Snakemake itself does not listen, as while it plans."""
        if not issubclass(kind, KeyboardInterrupt):
            return sys.__excepthook__(kind, error, trace)
        warnings.simplefilter("ignore")  # of Snakemake's coroutines and event loop, which are left as they are
        sys.unraisablehook = lambda left: None
        sys.stderr.write(f"Stopped: {self._said}.\n")
