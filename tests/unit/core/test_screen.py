"""What Snakemake's process shows besides its own output."""

import logging
import signal
import subprocess
import sys

import pytest

from lira.core import screen
from lira.core.screen import Screen

CODE = """
from lira.core.screen import Screen
screen = Screen()
{body}
raise {error}
"""
BODIES = {
    "planned": ("", "no job was started, and nothing has changed"),
    "at work": ("import logging; screen.watch(logging.getLogger())", "what is finished is kept, and the same command"),
}


def ended(body, error):
    code = CODE.format(body=body, error=error)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("body", "said"), BODIES.values(), ids=BODIES)
def test_an_interrupt_that_snakemake_does_not_take_is_one_line(body, said):
    done = ended(body, "KeyboardInterrupt")
    assert done.returncode == -signal.SIGINT and done.stderr.startswith(f"Stopped: {said}")
    assert done.stderr.count("\n") == 1


def test_any_other_error_is_shown_as_ever():
    assert "Traceback" in ended("", "ValueError").stderr


@pytest.fixture
def interrupted(monkeypatch):
    """A logger of Snakemake's kind, and what it printed; Ctrl-C is listened to again after the test."""
    before, shown = signal.getsignal(signal.SIGINT), []
    logger, printer = logging.Logger("snakemake", logging.INFO), logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(printer, "emit", lambda record: shown.append(record.getMessage()))
    logger.addHandler(printer)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield logger, shown
    signal.signal(signal.SIGINT, before)


def test_after_an_interrupt_nothing_is_said_of_jobs(interrupted):
    logger, shown = interrupted
    watched = Screen()
    watched.watch(logger)
    logger.error("Error in rule train_shadows")
    logger.info(f"{screen.STOPPING} on user request, this might take some time.")
    logger.error("RuleException")
    assert watched.interrupted
    assert shown == ["Error in rule train_shadows", f"{screen.STOPPING} on user request, this might take some time."]
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
