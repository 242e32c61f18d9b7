"""A copy of the repository with a study in it, where a user would type ``snakemake --profile slurm``."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import yaml
from cluster import Cluster
from receipts import models_of

CHECKOUT = ("Snakefile", "rules", "envs", "profiles", "slurm", "studies", "workflow_config.yaml")
QUICK = ("--slurm-init-seconds-before-status-checks", "2")

OWN = {
    "study": "own",
    "shadow_models": 4,
    "shard_size": 2,
    "seeds": [0],
    "datasets": {"digits": {"source": "digits", "test": 100, "public": 1497}},
    "architectures": {"own": {"family": "held:network"}},
    "regimes": {"baseline": {"epochs": 2, "batch_size": 16}},
    "runs": {"digits/own/baseline": {}},
}
"""Two jobs of two models, each model a cohort, of a network that waits while there is a file called ``hold``."""

SHARDS = {first: f"results/own/runs/digits/own/baseline/seed0/shards/{first}-{first + 1}.json" for first in (0, 2)}
"""What each job makes, by its first model."""


class Checkout:
    """A copy of the repository's root with a study of its own, where ``snakemake --profile slurm`` is typed."""

    def __init__(self, root: Path, folder: Path, cluster: Cluster | None, study: dict | None = None):
        self.folder, self.cluster, self.processes = folder, cluster, []
        for name in CHECKOUT:
            copy = shutil.copytree if (root / name).is_dir() else shutil.copy
            copy(root / name, folder / name)
        if study:
            (folder / "workflow_config.yaml").write_text(yaml.safe_dump(study))
            shutil.copy(Path(__file__).with_name("held.py"), folder)

    def start(self, *arguments) -> subprocess.Popen:
        environment = self.cluster.environment if self.cluster else None
        with (self.folder / "output").open("a") as output:
            self.processes.append(
                subprocess.Popen(
                    ["snakemake", *map(str, arguments)],
                    cwd=self.folder,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    preexec_fn=_interruptible,
                )
            )
        return self.processes[-1]

    def end(self):
        """Interrupts what is still running, which cancels its jobs."""
        for process in self.processes:
            if process.poll() is None:
                self.interrupt(process)

    def submit(self, *arguments) -> subprocess.Popen:
        return self.start("--profile", "slurm", *QUICK, *arguments)

    def finish(self, process: subprocess.Popen, seconds: float = 900) -> str:
        """Waits for a call that should succeed."""
        code = process.wait(seconds)
        assert code == 0, self.output()
        return self.output()

    def interrupt(self, process: subprocess.Popen) -> int:
        process.send_signal(signal.SIGINT)
        return process.wait(300)

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def hold(self):
        (self.folder / "hold").touch()

    def release(self):
        (self.folder / "hold").unlink()

    def shard(self, first: int) -> Path:
        """The file with the models of a job."""
        (file,) = models_of(self.folder / SHARDS[first])
        return file

    def take(self, other: "Checkout", first: int):
        """Takes over the models of a job from another study of the same, with their receipt."""
        for file in (other.shard(first), other.folder / SHARDS[first]):
            shutil.copy(file, self.folder / SHARDS[first].rpartition("/")[0])

    def seen(self) -> list[dict]:
        """What each job of this study saw of itself, in the order they were submitted."""
        files = sorted((self.folder / "seen").glob("*.json"), key=lambda file: int(file.stem))
        return [json.loads(file.read_text()) for file in files]

    def jobs(self) -> list[dict[str, str]]:
        """What the controller knows of this study's training jobs."""
        here = [job for job in self.cluster.jobs() if job["WorkDir"] == str(self.folder)]
        return [job for job in here if job["Comment"].startswith("rule_train_shadows")]

    def states(self) -> list[str]:
        """Of the training jobs."""
        return [job["JobState"] for job in self.jobs()]

    def wait_until(self, ready, process: subprocess.Popen, seconds: float = 300):
        deadline = time.monotonic() + seconds
        while not ready():
            assert process.poll() is None and time.monotonic() < deadline, self.output()
            time.sleep(0.1)

    def kept(self) -> list[Path]:
        """Cohorts that are finished, of shards that are not."""
        return [file for model in range(4) for file in self.folder.glob(f"results/**/shards/{model}-{model}.*.h5")]


def _interruptible():
    """SIGINT counts also where the tests run in the background of a shell, which makes their children ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def assert_same_models(one, two):
    for first in SHARDS:
        with h5py.File(one.shard(first)) as a, h5py.File(two.shard(first)) as b:
            for name in ("phi", "member", "utility/train_loss", "utility/test_accuracy"):
                np.testing.assert_array_equal(a[name][:], b[name][:])
