"""How a study scales: its graph played through on a model of a cluster, event by event.

Prints the table of docs/scale.md::

    python benchmarks/scale.py studies/paper.yaml

The model: each of G GPUs takes one training job at a time. A job that is sent waits in the queue for an exponential
time, then for a GPU if it needs one. While it holds a GPU it dies at a constant rate, is sent again, and goes on from
its last checkpoint. Cores, the network and the file system are never short.
"""

import argparse
import contextlib
import heapq
import io
import itertools
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent

STEP_SECONDS = 60.0
"""Of a step that trains nothing; the longest of the paper's takes 7 seconds of its own (benchmarks/README.md)."""

START_SECONDS = 15.0
"""Of a job before its first step: two Snakemake and, per step, Python with its libraries; about 5 s on local disks."""


@dataclass
class Job:
    """A job as the cluster sees it.

    Attributes:
        seconds: Work, without start-up.
        needs: Names of the jobs whose files it reads.
        gpu: Whether it needs a GPU.
        local: Whether it runs where Snakemake does, without waiting or dying.
    """

    seconds: float
    needs: set[str] = field(default_factory=set)
    gpu: bool = False
    local: bool = False


@dataclass(frozen=True)
class Cluster:
    """The model's parameters; the last three are of ``slurm/config.yaml`` and the training code.

    Attributes:
        gpus: G.
        queue_seconds: Mean wait of a job that was sent, before it may take a GPU.
        failures_per_hour: Deaths per hour of a GPU job: nodes, preemption.
        sent_at_once: Jobs queued or running, ``jobs`` of the profile.
        notice_seconds: Until Snakemake sees that a job has ended.
        checkpoint_seconds: Between two checkpoints of a training job.
    """

    gpus: int
    queue_seconds: float = 600.0
    failures_per_hour: float = 0.01
    sent_at_once: int = 100
    notice_seconds: float = 60.0
    checkpoint_seconds: float = 300.0


@dataclass
class Outcome:
    """Seconds to finish, GPU seconds spent for nothing (start-ups and work since a checkpoint), submissions, deaths."""

    seconds: float = 0.0
    lost: float = 0.0
    sent: int = 0
    deaths: int = 0


def simulate(jobs: dict[str, Job], cluster: Cluster, seed: int = 0) -> Outcome:
    """Plays a graph of jobs through on a cluster.

    Args:
        jobs: By name; in their order of priority.
        cluster: The model.
        seed: Of queue waits and deaths.
    """
    rng, outcome = np.random.default_rng(seed), Outcome()
    missing = {name: len(job.needs) for name, job in jobs.items()}
    wanted_by = {name: [] for name in jobs}
    for name, job in jobs.items():
        for needed in job.needs:
            wanted_by[needed].append(name)
    left = {name: job.seconds for name, job in jobs.items()}
    ready, waiting = deque(name for name in jobs if not missing[name]), deque()
    free, sent, events, order = cluster.gpus, 0, [], itertools.count()

    def at(seconds: float, event: str, name: str) -> None:
        heapq.heappush(events, (seconds, next(order), name, event))

    def begin(now: float, name: str) -> None:
        needed, death = START_SECONDS + left[name], float("inf")
        if jobs[name].gpu and cluster.failures_per_hour:
            death = rng.exponential(3600 / cluster.failures_per_hour)
        if death >= needed:
            outcome.lost += START_SECONDS if jobs[name].gpu else 0
            at(now + needed, "done", name)
            return
        kept = max(0.0, (death - START_SECONDS) // cluster.checkpoint_seconds * cluster.checkpoint_seconds)
        left[name] -= kept
        outcome.lost += death - kept
        outcome.deaths += 1
        at(now + death, "died", name)

    def go_on(now: float) -> None:
        nonlocal free, sent
        while ready and (sent < cluster.sent_at_once or jobs[ready[0]].local):
            name = ready.popleft()
            if jobs[name].local:
                at(now + jobs[name].seconds, "seen", name)
                continue
            sent += 1
            outcome.sent += 1
            wait = rng.exponential(cluster.queue_seconds) if cluster.queue_seconds else 0.0
            at(now + wait, "eligible", name)
        while waiting and free:
            free -= 1
            begin(now, waiting.popleft())

    now = 0.0
    go_on(now)
    while events:
        now, _, name, event = heapq.heappop(events)
        job = jobs[name]
        if event == "eligible":
            waiting.append(name) if job.gpu else begin(now, name)
        elif event in ("done", "died"):
            free += job.gpu
            at(now + cluster.notice_seconds, "seen" if event == "done" else "again", name)
        elif event == "again":
            sent -= 1
            ready.appendleft(name)
        else:
            sent -= not job.local
            for wanting in wanted_by[name]:
                missing[wanting] -= 1
                if not missing[wanting]:
                    ready.append(wanting)
        go_on(now)
    outcome.seconds = now
    return outcome


def planned(study_file: Path) -> list:
    """The jobs Snakemake plans for a fresh start of a study, as its graph holds them."""
    from snakemake.api import ConfigSettings, ResourceSettings, SnakemakeApi, StorageSettings, WorkflowSettings

    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, SnakemakeApi() as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[study_file.resolve()]),
            storage_settings=StorageSettings(),
            workflow_settings=WorkflowSettings(),
            snakefile=ROOT / "Snakefile",
            workdir=Path(folder),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            workflow.dag().summary()
        os.chdir(here)
        dag = workflow._workflow.dag
        return [(job, list(dag.dependencies[job])) for job in dag.jobs]


def files(jobs: Iterable) -> int:
    """Files a study leaves on the shared file system, with Snakemake's record of each output and checksums.

    Of a training job there are also its models, the kept log and the record of its time.
    """
    from lira.storage.csv_files import COLUMNS

    jobs = list(jobs)
    total = len({path for job, _ in jobs for path in job.input if "/specs/" in path})
    for job, _ in jobs:
        total += 3 * (job.rule.name in ("train_shadows", "pretrain_model"))
        outputs = [Path(output) for output in job.output]
        checksums = sum(path.suffix == ".csv" and path.stem in COLUMNS for path in outputs)
        total += 2 * len(outputs) + checksums + len(job.log) + (job.benchmark is not None)
    return total


def submissions(plan: list, study, groups: dict[str, str], local: set[str]) -> dict[str, Job]:
    """A planned study as jobs of the cluster: the rules of a group share one, rules that run locally send none."""
    from lira.work import stated_seconds

    def name_of(job) -> str:
        wildcards = "/".join(job.wildcards)
        return f"{groups.get(job.rule.name, job.rule.name)}/{wildcards}"

    found: dict[str, Job] = {}
    for job, needs in plan:
        rule, mine = job.rule.name, name_of(job)
        seconds, gpu = STEP_SECONDS, rule in ("train_shadows", "pretrain_model")
        if rule == "train_shadows":
            key = "/".join(job.wildcards[:3])
            models = int(job.wildcards.last) - int(job.wildcards.first) + 1
            seconds = models * stated_seconds(study, key).seconds
        entry = found.setdefault(mine, Job(0.0, gpu=gpu, local=rule in local or rule == "all"))
        entry.seconds += 0 if rule == "all" else seconds
        entry.needs |= {name_of(needed) for needed in needs} - {mine}
    return dict(sorted(found.items(), key=lambda item: not item[1].gpu))


def profile() -> tuple[dict[str, str], set[str]]:
    """Groups of the SLURM profile, and the rules that run locally."""
    import yaml

    from lira.pages import rule_name
    from lira.report.catalogue import entries

    groups = yaml.safe_load((ROOT / "slurm" / "config.yaml").read_text())["groups"]
    text = "".join(file.read_text() for file in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    blocks = re.findall(r"^localrules:\n((?: .*\n)+)", text, re.MULTILINE)
    shown = {rule_name(entry) for entry in entries() if not entry.reads_scores}
    return groups, set(re.findall(r"\w+", " ".join(blocks))) | shown


@dataclass
class Bytes:
    """What a study leaves on the shared file system, and writes besides: cohorts that go into shards, checkpoints."""

    left: float
    cohorts: float
    checkpoints: float


def written(study, cluster: Cluster) -> Bytes:
    """Bytes on the shared file system, from the sizes of the arrays and the networks' parameters."""
    from lira.cost import costs
    from lira.shadows.models import build
    from lira.shadows.training.optimizers import MOMENTS
    from lira.work import size_of, stated_seconds
    from lira.workflow import Plan

    rows, checkpoints = costs(Plan(study, results="nowhere")), 0.0
    for key in study.runs:
        recipe, size = study.recipe_of(key), size_of(study, key)
        shape = (size.shape[0], *[recipe.image_size] * 2) if recipe.image_size else size.shape
        network = build(study.architectures[key.split("/")[1]], 1, shape, size.classes, recipe.dropout, False)
        values = sum(value.numel() for value in network.state_dict().values())
        copies = 2 + len(MOMENTS[recipe.optimizer])  # now, at the best epoch, and the optimiser's
        cohorts = len(study.seeds_of(key)) * study.shadow_models / recipe.cohort
        times = recipe.cohort * stated_seconds(study, key).seconds // cluster.checkpoint_seconds
        checkpoints += cohorts * times * recipe.cohort * 4 * values * copies
    phi, once = rows["phi"].sum(), rows["logits"].sum() + rows["weights"].sum()
    return Bytes(phi + once + rows["scores"].sum(), phi / 2 + once, checkpoints)


def main() -> None:
    """Prints the table."""
    from lira.config import load_study

    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("study", type=Path)
    arguments.add_argument("--gpus", type=int, nargs="+", default=[1, 4, 16, 64])
    for name in ("queue_seconds", "failures_per_hour", "checkpoint_seconds"):
        arguments.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Cluster, name))
    arguments.add_argument("--repeats", type=int, default=20, help="Plays of which the mean is shown.")
    given = arguments.parse_args()
    assumed = Cluster(1, given.queue_seconds, given.failures_per_hour, checkpoint_seconds=given.checkpoint_seconds)
    study, plan = load_study(given.study), planned(given.study)
    jobs = submissions(plan, study, *profile())
    hours = sum(job.seconds for job in jobs.values() if job.gpu) / 3600
    size = written(study, assumed)
    sent = sum(not job.local for job in jobs.values())
    print(f"{sent} jobs, {files(plan):,} files; {hours:.0f} GPU-hours of training and query by the stated time.")
    print(
        f"{size.left / 1e9:.0f} GB left; written besides: {size.cohorts / 1e9:.0f} GB of cohorts that go into shards, "
        f"{size.checkpoints / 1e9:.0f} GB of checkpoints.\n"
    )
    print("| GPUs | days to finish | GPU time in use | GPU-hours lost | jobs sent | jobs that died | MB/s written |")
    print("|---|---|---|---|---|---|---|")
    for gpus in given.gpus:
        cluster = replace(assumed, gpus=gpus)
        plays = [simulate(jobs, cluster, seed) for seed in range(given.repeats)]
        seconds, lost, sent, deaths = (
            np.mean([getattr(play, name) for play in plays]) for name in ("seconds", "lost", "sent", "deaths")
        )
        used = hours / (gpus * seconds / 3600)
        rate = (size.left + size.cohorts + size.checkpoints) / seconds / 1e6
        row = f"{seconds / 86400:.1f} | {used:.0%} | {lost / 3600:.1f} | {sent:.0f} | {deaths:.1f} | {rate:.1f}"
        print(f"| {gpus} | {row} |")


if __name__ == "__main__":
    main()
