"""A site that takes the node away, and a Snakemake that dies while its job lives on."""

import time

import h5py
import pytest
from checkout import OWN, SHARDS, assert_same_models

EPOCHS, BATCH = (OWN["regimes"]["baseline"][name] for name in ("epochs", "batch_size"))


def wait_for(ready, seconds=120):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def preempt(own, mode, grace):
    """Sends a shard to a partition whose node somebody else's job takes away, in the middle of the first epoch.

    Returns Snakemake's process, and the batches that were trained until then.
    """
    call, batches, slow = own.cluster.call, own.folder / "batches", own.folder / "slow"
    call("scontrol", "update", "PartitionName=spot", f"PreemptMode={mode}", f"GraceTime={grace}")
    slow.touch()
    process = own.submit("--set-resources", "train_shadows:slurm_partition=spot", "--", SHARDS[0])
    own.wait_until(batches.exists, process)
    other = call("sbatch", "--parsable", "-p", "urgent", "-c", "4", "-o", "/dev/null", "--wrap", "sleep 900")
    own.wait_until(lambda: call("squeue", "-h", "-j", other, "-o", "%T") == "RUNNING", process)
    slow.unlink()
    trained = len(batches.read_text())
    assert not own.kept()
    call("scancel", other)
    return process, trained


def assert_nothing_was_lost(own, undisturbed, trained):
    """The job was stopped after so many batches; none was done twice, and the models do not tell."""
    with h5py.File(own.shard(0)) as shard:
        in_epoch = shard["member"][:].sum(axis=1) // BATCH
    assert 0 < trained < in_epoch[0]
    assert len((own.folder / "batches").read_text()) == EPOCHS * in_epoch.sum()
    own.take(undisturbed, 2)
    assert_same_models(own, undisturbed)


@pytest.mark.parametrize("mode", ["CANCEL", pytest.param("REQUEUE", marks=pytest.mark.campaign)])
def test_a_job_preempted_with_a_grace_time_ends_by_itself_and_is_sent_again(own, undisturbed, mode):
    """SLURM sends SIGTERM to the job's steps; what it does after the grace time does not matter."""
    process, trained = preempt(own, mode, grace=60)
    assert own.states()[0] == "FAILED"
    own.finish(process)
    assert own.states() == ["FAILED", "COMPLETED"] and "exit status 75" in own.output()
    assert_nothing_was_lost(own, undisturbed, trained)


@pytest.mark.campaign
@pytest.mark.parametrize("mode", ["CANCEL", "REQUEUE"])
def test_a_job_preempted_without_a_grace_time_goes_on_once_it_is_requeued(own, undisturbed, mode):
    """KillWait is the grace then. Snakemake waits for a requeueing, by hand where the partition does not do it."""
    process, trained = preempt(own, mode, grace=0)
    if mode == "CANCEL":
        assert own.states() == ["PREEMPTED"]
        own.wait_until(lambda: "We leave it to SLURM to resume your job(s)" in own.output(), process)
        own.cluster.call("scontrol", "requeue", own.jobs()[0]["JobId"])
    else:
        assert own.states() == ["PENDING"]
    own.finish(process)
    assert [(job["JobState"], job["Restarts"]) for job in own.jobs()] == [("COMPLETED", "1")]
    assert_nothing_was_lost(own, undisturbed, trained)


@pytest.mark.campaign
def test_after_snakemake_was_killed_its_job_ends_by_itself_and_the_study_goes_on(own, undisturbed):
    own.hold()
    process = own.submit(SHARDS[0])
    own.wait_until(own.kept, process)
    process.kill()
    process.wait(60)
    assert own.states() == ["RUNNING"]
    locked = own.submit(*SHARDS.values())
    assert locked.wait(300) != 0 and "Directory cannot be locked" in own.output()
    own.release()
    wait_for(lambda: own.states()[0] == "COMPLETED")
    own.finish(own.submit("--unlock"))
    own.finish(own.submit(*SHARDS.values()))
    assert own.states()[0] == "COMPLETED"
    assert_same_models(own, undisturbed)
