"""Told to stop, a job ends with the exit code that means again, at once or where it may."""

import os
import signal
import subprocess
import sys

import pytest

CODE = """
import os, signal
from lira import cli
from lira.core import preemption
def step():
    {body}
    print("done")
cli.app = step
cli.main()
"""
TERM = "os.kill(os.getpid(), signal.SIGTERM)"
BODIES = {
    "anywhere": TERM,
    "interrupted": TERM.replace("TERM", "INT"),
    "twice": f"""
    try:
        {TERM}
    finally:
        {TERM}
        print("cleaned up")""",
    "in a callback of a library": f"""
    try:
        {TERM}
    except SystemExit as stop:
        raise SystemError("returned a result with an exception set") from stop""",
    "deferred": f"""
    with preemption.deferred():
        {TERM}
        print("cleaned up")
        preemption.may_stop()
        print("not reached")""",
    "deferred to the end": f"""
    with preemption.deferred():
        {TERM}
        print("cleaned up")""",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_job_told_to_stop_ends_with_the_code_for_again(body):
    done = subprocess.run([sys.executable, "-c", CODE.format(body=body)], capture_output=True, text=True, check=False)
    assert done.returncode == os.EX_TEMPFAIL == 75, done.stderr
    assert done.stdout == ("cleaned up\n" if "cleaned up" in body else "")
    assert "told to stop" in done.stderr and "Traceback" not in done.stderr


def test_a_job_that_is_not_told_ends_as_ever():
    done = subprocess.run([sys.executable, "-c", CODE.format(body="pass")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # only a job listens, not who imports the library
