"""The command line."""

import logging
import sys
from io import TextIOWrapper

from lira.cli import audits, drawn, steps, studies
from lira.cli.options import app, log
from lira.core import preemption
from lira.core.errors import LiraError

__all__ = ["app", "audits", "drawn", "main", "steps", "studies"]


def main() -> None:
    """Runs a command.

    A :class:`~lira.core.errors.LiraError` ends it with one line instead of a traceback. SIGTERM ends it with the exit
    code :data:`lira.core.preemption.AGAIN` and a line that says how to continue.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what the terminal's encoding lacks, as ε, is no reason to end
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")
    try:
        with preemption.listening():
            app()
    except (LiraError, MemoryError) as error:
        log.debug("traceback", exc_info=True)
        full = f"out of memory ({error}): docs/limits.md says what each step takes"
        sys.exit(f"error: {LiraError(full) if isinstance(error, MemoryError) else error}")
    except preemption.Preempted:
        logging.warning("told to stop: finished work is stored, the same command continues from here")
        raise
