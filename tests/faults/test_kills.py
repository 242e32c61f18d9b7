"""Jobs and Snakemake itself, killed: what is finished is kept, and in the end all is as if nothing had happened."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import time
from itertools import cycle

import psutil
import pytest
import torch
from pipeline import RECEIPT, RUN, STUDY, TABLE, Pipeline, assert_same, run_step, wait_for

from lira.config import load_study
from lira.core import preemption
from lira.shadows.jobs import pretrain_model, train_shadows

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["lira.shadows.jobs"])
AGAIN = "goes on, bit for bit"
SAME = "the next run completes it"


def _import_once():
    """The first process waits for the imports, which are no part of what a kill costs."""
    (process := FORKS.Process(target=os.getpid)).start()
    process.join()


class Job:
    """A training job of the pipeline's first shard, started again as often as one likes."""

    def __init__(self, pipeline):
        study, key = load_study(STUDY), "digits/fcn/baseline"
        (data,) = pipeline.path("data").glob("*.h5")
        self.pipeline, self.output, self.log = pipeline, pipeline.path(*RECEIPT), pipeline.folder / "log"
        self.arguments = study.training_settings(key), study.describe_run(key, 0), data, 0, 3, self.output

    def start(self, checkpoint_seconds):
        options = {"checkpoint_seconds": checkpoint_seconds}
        process = FORKS.Process(target=run_step, args=(train_shadows, self.log, *self.arguments), kwargs=options)
        process.start()
        return process

    def half_written(self):
        """An HDF5 file that is being written."""
        return list(self.output.parent.glob(".*.h5*"))

    def cohorts(self):
        return [*self.output.parent.glob("0-1.*.h5"), *self.output.parent.glob("2-3.*.h5")]

    def forget(self):
        """Removes what it made."""
        self.pipeline.models().unlink()
        self.output.unlink()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("tries", [3, pytest.param(20, marks=pytest.mark.campaign)])
def test_a_training_job_at_random_moments(undisturbed, tmp_path, rng, found, number, tries):
    """In turn: at a random time, between two cohorts, while writing HDF5, and at a random time again."""
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{'/'.join(RUN)}/*", "paper"])
    job = Job(pipeline)
    _import_once()
    start = time.monotonic()
    (process := job.start(60)).join()
    assert process.exitcode == 0
    whole, busy, finished, slowest = time.monotonic() - start, 0.0, 1, 0.0
    assert_same(pipeline.models(), undisturbed.models())
    job.forget()
    kills = 0
    for moment in cycle(["time", "between", "writing", "time"]):
        before, start = len(job.cohorts()), time.monotonic()
        process = job.start(rng.choice([0, 60]))
        if moment == "time":
            process.join(rng.uniform(0, whole))
        elif moment == "between":
            wait_for(lambda n=before, p=process: len(job.cohorts()) > n or p.exitcode is not None)
        else:
            wait_for(lambda p=process: job.half_written() or p.exitcode is not None)
        told = time.monotonic()
        if process.exitcode is None:
            os.kill(process.pid, number)
        process.join()
        busy, slowest = busy + time.monotonic() - start, max(slowest, time.monotonic() - told)
        if process.exitcode == 0:
            finished += 1
            assert_same(pipeline.models(), undisturbed.models())
            job.forget()
            continue
        kills += 1
        # a process that does not listen yet dies of the signal itself
        assert process.exitcode in (-number, preemption.AGAIN if number == signal.SIGTERM else -number), (
            job.log.read_text()
        )
        assert not job.output.exists()
        if kills == tries:
            break
    start = time.monotonic()
    (process := job.start(60)).join()
    busy += time.monotonic() - start
    assert process.exitcode == 0
    assert_same(pipeline.models(), undisturbed.models())
    assert not pipeline.leftovers()
    pipeline.finish()
    assert pipeline.tables() == undisturbed.tables()
    lost = max(0.0, busy - finished * whole) / kills
    outcome = f"ends after {slowest:.1f} s at most; goes on, bit for bit" if number == signal.SIGTERM else AGAIN
    found(f"{number.name} of a training job", outcome, [lost] * kills)


PUBLIC = {
    "regimes": {"tl": STUDY["regimes"]["baseline"] | {"start": "public", "epochs": 5, "patience": 5}},
    "runs": {"digits/fcn/tl": {"seeds": [0]}},
    "pretraining": {"epochs": 30, "patience": 30, "batch_size": 16},
}


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.campaign)], ids=lambda number: number.name
)
@pytest.mark.parametrize("tries", [3, pytest.param(20, marks=pytest.mark.campaign)])
def test_pretraining_at_random_moments(request, tmp_path, rng, found, number, tries):
    """The campaign lets the study run to its end too, as the models that start from it do."""
    whole = Pipeline(request.config.rootpath, tmp_path / "whole", **PUBLIC)
    done, said = whole.run("results/faults/pretrained/digits/fcn.pt")
    assert done, said
    pipeline = whole.copy(tmp_path / "study", without=["pretrained"], **PUBLIC)
    output, log = pipeline.path("pretrained", "digits", "fcn.pt"), pipeline.folder / "log"
    settings = load_study(STUDY | PUBLIC).pretraining_settings("fcn")
    arguments = settings, next(pipeline.path("data").glob("*.h5")), output

    def start():
        process = FORKS.Process(target=run_step, args=(pretrain_model, log, *arguments))
        process.start()
        return process, time.monotonic()

    def forget():
        for file in output.parent.iterdir():
            file.unlink()

    _import_once()
    process, begun = start()
    process.join()
    assert process.exitcode == 0, log.read_text()
    seconds, busy, kills = time.monotonic() - begun, 0.0, 0
    forget()
    while kills < tries:
        process, begun = start()
        process.join(rng.uniform(0, seconds))
        if process.exitcode is None:
            os.kill(process.pid, number)
        process.join()
        busy += time.monotonic() - begun
        if process.exitcode == 0:
            busy -= seconds
            forget()
            continue
        kills += 1
        assert process.exitcode in (-number, preemption.AGAIN if number == signal.SIGTERM else -number), log.read_text()
        assert not output.exists()
    process, begun = start()
    process.join()
    assert process.exitcode == 0, log.read_text()
    expected = torch.load(whole.path("pretrained", "digits", "fcn.pt"), weights_only=True)
    got = torch.load(output, weights_only=True)
    assert got.keys() == expected.keys() and all(torch.equal(got[name], expected[name]) for name in got)
    assert not pipeline.leftovers()
    if tries > 3:
        whole.finish()
        pipeline.finish()
        assert pipeline.tables() == whole.tables()
    lost = max(0.0, busy + time.monotonic() - begun - seconds) / kills
    found(f"{number.name} of pretraining", AGAIN, [lost] * kills)


def test_two_jobs_on_one_shard(undisturbed, tmp_path):
    """As when one outlived its Snakemake: neither disturbs the other."""
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{'/'.join(RUN)}/*", "paper"])
    job = Job(pipeline)
    processes = [job.start(0), job.start(0)]
    for process in processes:
        process.join()
    assert job.output.exists() and 0 in {process.exitcode for process in processes}, job.log.read_text()
    assert_same(pipeline.models(), undisturbed.models())
    assert "Traceback" not in job.log.read_text() and not pipeline.leftovers()


def test_work_kept_from_another_recipe_is_not_taken_up(undisturbed, tmp_path):
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{'/'.join(RUN)}/*", "paper"])
    job = Job(pipeline)
    settings, *rest = job.arguments
    other = settings.recipe.model_copy(update={"learning_rate": 0.01})
    job.arguments = settings.model_copy(update={"recipe": other}), *rest
    process = job.start(0)
    wait_for(lambda: job.cohorts() or process.exitcode is not None)
    process.kill()
    process.join()
    assert job.cohorts()
    job.arguments = settings, *rest
    (process := job.start(0)).join()
    assert process.exitcode == 0
    assert_same(pipeline.models(), undisturbed.models())


STEPS = {
    "train-shadows": ["/*"],
    "gather-shadows": ["/*.*"],
    "score-attacks": ["/[!s]*.*", "/s[!h]*.*"],
    "tabulate": [],
}


def _kill_steps(pipeline, steps, number, rng):
    """Ends a job of each step in turn; Snakemake starts it again. Returns how old each job was."""
    process, ages, killed = pipeline.start("--retries", "3", TABLE), [], set()
    for step in steps:
        if (job := pipeline.job(process, step, killed)) is None:
            break
        start = time.monotonic()
        killed.add(job.pid)
        time.sleep(rng.uniform(0, 1))
        with contextlib.suppress(psutil.NoSuchProcess):
            job.send_signal(number)
            ages.append(time.monotonic() - start)
    done, said = pipeline.end(process)
    assert done and ages, said
    return ages


@pytest.mark.campaign
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("step", STEPS)
def test_a_job_of_each_step(undisturbed, tmp_path, rng, found, step, number):
    without = [f"{'/'.join(RUN)}{name}" for name in STEPS[step]]
    pipeline = undisturbed.copy(tmp_path / "study", without=[*without, "paper"])
    ages = _kill_steps(pipeline, [step] * 3, number, rng)
    assert pipeline.tables() == undisturbed.tables() and not pipeline.leftovers()
    found(f"{number.name} of `lira {step}`", "started again by Snakemake (`--retries`)", ages)


def test_a_job_of_every_step_in_one_run(undisturbed, tmp_path, rng):
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{'/'.join(RUN)}/*", "paper"])
    _kill_steps(pipeline, STEPS, signal.SIGTERM, rng)
    assert pipeline.tables() == undisturbed.tables() and not pipeline.leftovers()


def _everything(process):
    os.killpg(process.pid, signal.SIGKILL)


def _snakemake_alone(process):
    process.kill()


def _told(process):
    process.terminate()


def _interrupted(process):
    os.killpg(process.pid, signal.SIGINT)


WAYS = {
    "SIGKILL of Snakemake and its jobs": _everything,
    "SIGKILL of Snakemake alone, its jobs live on": _snakemake_alone,
    "SIGTERM of Snakemake": _told,
    "Ctrl-C": _interrupted,
}


@pytest.mark.parametrize(
    "way", [name if "alone" in name else pytest.param(name, marks=pytest.mark.campaign) for name in WAYS]
)
def test_snakemake_itself(undisturbed, tmp_path, found, way):
    """The lock that is left says what to type; the same command then goes on."""
    pipeline = undisturbed.copy(tmp_path / "study", without=[f"{'/'.join(RUN)}/*", "paper"])
    process, start = pipeline.start(TABLE), time.monotonic()
    wait_for(lambda: list(pipeline.path(*RUN).rglob("*.h5")) or process.poll() is not None)
    WAYS[way](process)
    process.wait()
    lost = time.monotonic() - start
    if "SIGKILL" in way:
        said = pipeline.fail()
        assert "Directory cannot be locked" in said and "--unlock" in said
        done, said = pipeline.run("--unlock")
        assert done, said
    pipeline.finish()
    assert pipeline.tables() == undisturbed.tables() and not pipeline.leftovers()
    assert_same(pipeline.models(), undisturbed.models())
    found(way, "after `snakemake --unlock`, the same command goes on" if "SIGKILL" in way else SAME, [lost])


def test_two_snakemakes_on_one_study(undisturbed, tmp_path, found):
    pipeline = undisturbed.copy(tmp_path / "study", without=["paper"])
    process = pipeline.start(TABLE)
    first = pipeline.job(process, "tabulate")
    first.suspend()
    second = subprocess.run(pipeline.command("--cores", "1", TABLE), capture_output=True, text=True, check=False)
    first.resume()
    assert second.returncode and "no other Snakemake process" in " ".join(second.stderr.split())
    done, said = pipeline.end(process)
    assert done, said
    assert pipeline.tables() == undisturbed.tables()
    found("Two Snakemakes on one study", "the second is refused, the first is not disturbed", [0.0])
