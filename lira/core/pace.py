"""How far a training job is, and how long the rest of it takes at the speed that was measured so far.

A job tells it in its log, or on a terminal by a bar, and in a file that others read while it is at work.
"""

import json
import logging
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from tqdm import tqdm

log = logging.getLogger(__name__)

LOG_SECONDS, SHOW_SECONDS = 30.0, 2.0
LONGEST = 1000  # characters that a job tells
PASSES_TRAINED = 3  # a training step in forward passes: forward, backward for weights, backward for activations


class Told(NamedTuple):
    """What a job told last.

    Attributes:
        said: The step that it is at.
        done: Fraction of its time that is over.
        left: Seconds that the rest takes; None before any were measured.
        model: Seconds to train and query one model, likewise.
        begun: Models of which work is done that no file holds yet; half of the work counts as half a model.
    """

    said: str
    done: float = 0.0
    left: float | None = None
    model: float | None = None
    begun: float = 0.0


@dataclass
class Stage:
    """Training, or query, of a job's models; amounts are in models, half the epochs of two models are one.

    Attributes:
        passes: Forward passes of a sample that a model takes, by which an unmeasured stage follows a measured one.
        left: What is left of the cohort at work.
        measured: What was done in ``seconds``.
        seconds: Time of that.
    """

    passes: float = 1.0
    left: float = 0.0
    measured: float = 0.0
    seconds: float = 0.0


class Pace:
    """The work of a job, cohort by cohort; nothing is told before the first is begun.

    Args:
        models: Number of models that the job trains.
        file: File to tell it in, if any.

    Attributes:
        training: The epochs of its models.
        query: Their queries.
    """

    def __init__(self, models: int = 0, file: Path | None = None):
        self.training, self.query = Stage(), Stage()
        self._models, self._waiting, self._cohort, self._file, self._name = models, models, 0, file, ""
        self._since = self._logged = self._shown = 0.0
        self._bar: tqdm | None = None
        self._draws = is_terminal(sys.stderr)

    def begin(self, name: str, models: int, epochs: int, members: float, tested: int, queried: int = 0) -> None:
        """Begins a cohort.

        Args:
            name: What it is called.
            models: Number of its models.
            epochs: Epochs of each.
            members: Samples that each trains on.
            tested: Samples that each is evaluated on after every epoch.
            queried: Views of all samples that each is queried on.
        """
        self._name, self._cohort, self._waiting = name, models, self._waiting - models
        self.training.passes, self.query.passes = epochs * (PASSES_TRAINED * members + tested), queried
        self.training.left, self.query.left = models, models if queried else 0
        self._show(self._told(name))

    def start(self) -> None:
        """Starts the clock of what is told next."""
        self._since = time.monotonic()

    def tell(self, stage: Stage, done: float, left: float, step: str, more: str = "") -> None:
        """Tells what was done since the clock was started, and starts it again.

        Args:
            stage: ``training`` or ``query``.
            done: Models' worth of it that was done.
            left: Models' worth of it that is left in this cohort.
            step: What is done, as ``epoch 3 of 9``.
            more: What the log says besides.
        """
        if not self._cohort:
            return
        now = time.monotonic()
        first, stage.left, stage.measured = not stage.measured, left, stage.measured + done
        stage.seconds, self._since = stage.seconds + now - self._since, now
        if stage is self.query:
            self.training.left = 0
        told = self._told(step)
        if now - self._shown >= SHOW_SECONDS:
            self._show(told)
        if not self._draws and (first or now - self._logged >= LOG_SECONDS):
            self._logged = now
            log.info("%s, %s%s; %s left in this job", self._name, step, more, duration(told.left or 0))
        if self._bar and not self.training.left + self.query.left:  # room for what the log says of the cohort
            self._bar.close()
            self._bar = None

    def _told(self, said: str) -> Told:
        stages = [self.training, self.query]
        seconds = sum(stage.seconds for stage in stages)
        if not seconds:
            return Told(said)
        rate = seconds / sum(stage.measured * stage.passes for stage in stages)
        each = [stage.seconds / stage.measured if stage.measured else rate * stage.passes for stage in stages]
        model, here = sum(each), sum(time * stage.left for time, stage in zip(each, stages, strict=True))
        left = here + model * self._waiting
        return Told(said, 1 - left / (model * self._models), left, model, self._cohort - here / model)

    def _show(self, told: Told) -> None:
        """Draws the bar and writes the file; a job does not fail because it cannot."""
        self._shown = time.monotonic()
        if self._draws:
            self._bar = draw(self._bar, told)
        if self._file:
            with suppress(OSError):
                self._file.write_text(json.dumps(told._asdict()), encoding="utf-8")


def read_told(file: Path) -> Told | None:
    """Reads what a job told last; None if there is nothing yet, or it is just being written, or is another file."""
    with suppress(OSError, ValueError, TypeError), file.open(encoding="utf-8") as told:
        return Told(**json.loads(told.read(LONGEST)))
    return None


def draw(bar: tqdm | None, told: Told, name: str = "") -> tqdm:
    """Draws a bar anew; the first time, a new one below the others."""
    bar = tqdm(total=1.0, leave=False, dynamic_ncols=True, bar_format=BAR) if bar is None else bar
    bar.n = min(max(told.done, 0.0), 1.0)
    time_left = "" if told.left is None else f"{duration(told.left)} left, "
    bar.set_description_str(f"{time_left}{told.said}{name}")
    return bar


def is_terminal(stream: TextIO) -> bool:
    """Whether bars can be drawn there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


BAR = "{percentage:3.0f}%|{bar:12}| {desc}"
"""The time comes first: a narrow terminal cuts what is last."""


def duration(seconds: float) -> str:
    """Returns a time as text of about two digits."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
