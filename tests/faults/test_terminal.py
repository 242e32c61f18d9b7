"""What a person sees: a bar for each job, and after Ctrl-C one line that says what is kept and what to type."""

import os
import pty
import re
import shlex
import signal
import subprocess
import termios

from pipeline import RUN, STUDY, Pipeline, wait_for

LONG = {"regimes": {"baseline": STUDY["regimes"]["baseline"] | {"epochs": 2000, "patience": 2000, "cohort": 4}}}
RECEIPTS = ["/".join(("results/faults", *RUN, "shards", name)) for name in ("0-3.json", "4-7.json")]


class Terminal:
    """Snakemake in the foreground of a terminal."""

    def __init__(self, pipeline):
        self.said, words = "", pipeline.command("--cores", "2", *RECEIPTS)
        self.process, self.screen = pty.fork()
        if not self.process:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs the tests may ignore it, as a background job does
            termios.tcsetwinsize(0, (40, 120))
            os.execvpe(words[0], words, pipeline.environment)

    def read(self):
        try:
            self.said += os.read(self.screen, 65536).decode(errors="replace")
        except OSError:  # Linux says so when the other end is closed
            return False
        return True

    def until(self, pattern):
        while not re.search(pattern, self.said, re.DOTALL):
            assert self.read(), self.said

    def type(self, keys):
        self.said = ""
        os.write(self.screen, keys)

    def end(self):
        while self.read():
            pass
        os.close(self.screen)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def assert_goes_on(pipeline, said):
    """What is advised is typed: every job takes up where it was."""
    assert len(list(pipeline.path(*RUN, "shards").glob("0-3.*.pt"))) == 1
    (advised,) = re.findall(r"to go on from here, type: ([^\r\n]+)", said)
    done = subprocess.run(shlex.split(advised), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for log in pipeline.path("logs").rglob("?-?.log"):
        first, again = re.findall(r"models \d-\d, epoch (\d+) of 2000: .* left in this job", log.read_text())[:2]
        assert int(first) == 1 < int(again)
        assert re.search(r"models \d-\d, query: \d+ of \d+ samples; \S+ \w+ left in this job", log.read_text())


def test_ctrl_c_on_a_terminal(request, tmp_path, found):
    """Typed three times, as people do."""
    pipeline = Pipeline(request.config.rootpath, tmp_path / "study", **LONG)
    terminal = Terminal(pipeline)
    for models in ("0 to 3", "4 to 7"):
        terminal.until(
            rf"%\|.{{12}}\| \S+ \w+ left, epoch \d+ of 2000; Training digits fcn baseline, seed 0: models {models}"
        )
    terminal.type(b"\x03")
    terminal.until("Terminating")
    os.write(terminal.screen, b"\x03\x03")
    code = terminal.end()
    after = terminal.said.partition("Terminating processes on user request")[2]  # before it, a bar may be drawn yet
    lines = re.sub(r"\x1b\[\d*\w|\^C", "", after).split("\n")[1:]
    (shown,) = (line for line in (line.strip() for line in lines) if line)
    assert shown.startswith("Stopped. results/faults keeps 0 of 8 models, 2 checkpoints of unfinished ones and every")
    assert code == 1
    assert_goes_on(pipeline, terminal.said)
    found("Ctrl-C on a terminal", "one line says what is kept and what to type; typed, it goes on", [0.0])


def test_nothing_is_drawn_where_there_is_no_terminal(request, tmp_path):
    pipeline = Pipeline(request.config.rootpath, tmp_path / "study", **LONG)
    process = pipeline.start(*RECEIPTS)
    wait_for(lambda: len([*pipeline.path("logs").rglob("?-?.log")]) == 2 or process.poll() is not None)
    wait_for(lambda: all("epoch" in log.read_text() for log in pipeline.path("logs").rglob("?-?.log")))
    os.killpg(process.pid, signal.SIGINT)
    done, said = pipeline.end(process)
    assert not done and "\x1b" not in said and "%|" not in said
    assert said.rpartition("Terminating processes")[2].count("\n") == 2, said
    assert_goes_on(pipeline, said)
