"""A site that takes the node away, and a Snakemake that dies while its job lives on."""

import shutil
import time

import h5py
import pytest
from checkout import OWN, SHARDS
from test_jobs import assert_same_models, states

EPOCHS, BATCH = (OWN["regimes"]["baseline"][name] for name in ("epochs", "batch_size"))


def wait_for(ready, seconds=120):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_job_told_to_stop_stores_the_cohort_in_flight_and_is_sent_again(own, undisturbed):
    """What a preempting site does first: SIGTERM to the job's steps, here in the middle of an epoch."""
    (own.folder / "slow").touch()
    process = own.submit(SHARDS[0])
    own.wait_until((own.folder / "batches").exists, process)
    own.cluster.call("scancel", "--signal=TERM", own.jobs()[0]["JobId"])
    own.wait_until(lambda: states(own)[0] == "FAILED", process)
    assert not own.kept() and [file.name for file in own.folder.glob("results/**/*.parts/*")] == ["0.pt"]
    (own.folder / "slow").unlink()
    own.finish(process)
    assert states(own) == ["FAILED", "COMPLETED"] and "exit status 75" in own.output()
    with h5py.File(own.shard(0)) as shard:
        in_whole = sum(EPOCHS * (members // BATCH) for members in shard["member"][:].sum(axis=1))
    assert len((own.folder / "batches").read_text()) == in_whole  # none was done twice
    shutil.copy(undisturbed.shard(2), own.shard(2))
    assert_same_models(own, undisturbed)


@pytest.mark.campaign
def test_after_snakemake_was_killed_its_job_ends_by_itself_and_the_study_goes_on(own, undisturbed):
    own.hold()
    process = own.submit(SHARDS[0])
    own.wait_until(own.kept, process)
    process.kill()
    process.wait(60)
    assert states(own) == ["RUNNING"]
    locked = own.submit(*SHARDS.values())
    assert locked.wait(300) != 0 and "Directory cannot be locked" in own.output()
    own.release()
    wait_for(lambda: states(own)[0] == "COMPLETED")
    own.finish(own.submit("--unlock"))
    own.finish(own.submit(*SHARDS.values()))
    assert states(own)[0] == "COMPLETED"
    assert_same_models(own, undisturbed)
