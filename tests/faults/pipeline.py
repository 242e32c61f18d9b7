"""A small study on the real pipeline, in a folder of its own, and what may happen to it."""

import os
import shutil
import subprocess
import time
from contextlib import suppress

import numpy as np
import psutil
import yaml
from array_files import read_arrays
from receipts import models_of

from lira.core import preemption

RUN = ("runs", "digits", "fcn", "baseline", "seed0")
RECEIPT = (*RUN, "shards", "0-3.json")
STUDY = {
    "study": "faults",
    "shadow_models": 8,
    "shard_size": 4,
    "fprs": [0.1],
    "priors": [0.5],
    "datasets": {"digits": {"source": "digits", "test": 100, "public": 1497}},
    "architectures": {"fcn": {"family": "fcn", "hidden": [16], "activation": "relu", "flatten": True}},
    "regimes": {"baseline": {"epochs": 60, "patience": 60, "batch_size": 16, "dropout": 0.1, "cohort": 2}},
    "runs": {"digits/fcn/baseline": {"seeds": [0]}},
}
TABLE = "results/faults/paper/tables/optimistic.csv"  # rests on every step
DEADLINE = 600


def wait_for(condition):
    """What the condition gives when it first gives something."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
    return found


def assert_same(one, two):
    """Two files hold the same arrays, bit for bit."""
    one, two = read_arrays(one), read_arrays(two)
    assert one.keys() == two.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name], err_msg=name)


class Pipeline:
    """The study in a folder; ``changes`` are top-level keys of its study file."""

    def __init__(self, root, folder, **changes):
        self.root, self.folder, self.environment = root, folder, dict(os.environ)
        self.change(**changes)

    def change(self, **changes):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "study.yaml").write_text(yaml.safe_dump(STUDY | changes))

    def copy(self, folder, without=(), **changes):
        """The same study in another folder, less some of its results."""
        shutil.copytree(self.folder, folder)
        other = Pipeline(self.root, folder, **changes)
        for name in without:
            for path in list(other.path().glob(name)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return other

    def path(self, *parts):
        return self.folder.joinpath("results", STUDY["study"], *parts)

    def command(self, *arguments):
        place = ["--snakefile", self.root / "Snakefile", "--directory", self.folder]
        return [str(part) for part in ("snakemake", *arguments, *place, "--configfile", self.folder / "study.yaml")]

    def start(self, *arguments):
        """Snakemake in a process group of its own; it and its jobs write to ``said``."""
        with (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                ["env", "--default-signal=INT", *self.command("--cores", "2", *arguments)],  # else a background job's
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self.environment,
            )

    def run(self, *arguments):
        """Runs to the end; returns whether all went well and what was said."""
        return self.end(self.start(*arguments))

    def end(self, process):
        code = process.wait()
        return code == 0, (self.folder / "said").read_text()

    def finish(self, *arguments):
        """Runs to the end, where all must go well."""
        done, said = self.run(*arguments, TABLE)
        assert done, said

    def fail(self, target=TABLE):
        """Runs, where something must go wrong; returns what was said."""
        done, said = self.run(target)
        assert not done, said
        return said

    def models(self):
        """The file with the first job's models."""
        (file,) = models_of(self.path(*RECEIPT))
        return file

    def tables(self):
        """The table in all its forms, and every CSV file that it rests on."""
        files = [*self.path("paper", "tables").iterdir(), *self.path("runs").rglob("*.csv")]
        return {path.relative_to(self.path()): path.read_bytes() for path in sorted(files)}

    def job(self, process, step, known=()):
        """The process of a step, as soon as Snakemake has started it: one that is not ``known``. None at the end."""

        def found():
            if process.poll() is not None:
                return [None]
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    words = child.cmdline()
                    if step in words and "-c" not in words and child.pid not in known:
                        return [child]
            return []

        return wait_for(found)[0]

    def leftovers(self):
        """Files that should not be there when all is done."""
        return [
            path
            for path in self.path().rglob("*")
            if path.name.startswith(".") or path.suffix == ".part" or (path.suffix == ".pt" and "shards" in path.parts)
        ]


def run_step(step, log, *arguments, **options):
    """What the command line does for a step, in a process that has imported its libraries already."""
    with log.open("a") as file:
        os.dup2(file.fileno(), 2)
    with preemption.listening():
        step(*arguments, **options)
