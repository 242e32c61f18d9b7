"""Training jobs on a real SLURM: what they get, and that nothing which befalls them costs finished work or accuracy."""

import time

import pytest
import torch
from checkout import SHARDS, assert_same_models

GPU = ("--set-resources", "train_shadows:gpu=1", "--")


def log(checkout, first):
    return (
        checkout.folder / "results/own/logs/train_shadows" / f"digits/own/baseline/seed0/{first}-{first + 1}.log"
    ).read_text()


def test_two_gpu_jobs_queue_for_one_gpu_and_outlive_the_controller(own, undisturbed):
    own.hold()
    process = own.submit(*GPU, *SHARDS.values())
    own.wait_until(own.kept, process)
    assert own.states() == ["RUNNING", "PENDING"]
    assert own.jobs()[1]["Reason"] == "Resources"
    own.cluster.stop_controller()
    time.sleep(1)
    own.cluster.start_controller()
    assert own.states() == ["RUNNING", "PENDING"]
    own.release()
    own.finish(process)
    first, second = own.jobs()
    assert (first["JobState"], second["JobState"]) == ("COMPLETED", "COMPLETED")
    assert second["StartTime"] >= first["EndTime"]
    assert_same_models(own, undisturbed)
    for job in own.seen():
        described, environment = job["scontrol"], job["environment"]
        assert described["TresPerJob"] == "gres:gpu:1" and environment["CUDA_VISIBLE_DEVICES"] == "0"
        assert described["Partition"] == environment["SLURM_JOB_PARTITION"] == "gpu"
        assert described["NumCPUs"] == environment["SLURM_CPUS_ON_NODE"] == "1"
        assert 4000 <= int(described["MinMemoryNode"].removesuffix("M")) < 4010  # 4 GB and twice the data's 0.5 MB
        assert described["TimeLimit"] == "04:00:00"


def test_a_job_past_its_time_limit_is_sent_again_with_more_and_goes_on(own, undisturbed):
    own.hold()
    process = own.submit(SHARDS[0])
    own.wait_until(own.kept, process)
    own.cluster.call("scontrol", "update", f"JobId={own.jobs()[0]['JobId']}", "TimeLimit=1")
    own.wait_until(lambda: own.states()[0] == "TIMEOUT", process, seconds=400)
    own.release()
    own.finish(process)
    assert own.states() == ["TIMEOUT", "COMPLETED"]
    assert [job["TimeLimit"] for job in own.jobs()] == ["00:01:00", "08:00:00"]
    first, again = (int(job["MinMemoryNode"].removesuffix("M")) for job in own.jobs())
    assert again >= 2 * first
    assert "models 0-1: 1 to train, the others are finished" in log(own, 0) and "models 1-1: test accuracy" in log(
        own, 0
    )
    own.take(undisturbed, 2)
    assert_same_models(own, undisturbed)


def test_a_cancelled_shard_is_sent_again_and_the_other_is_left_alone(own, undisturbed):
    own.hold()
    process = own.submit(*SHARDS.values())
    own.wait_until(lambda: len(own.kept()) == 2, process)
    own.cluster.call("scancel", own.jobs()[0]["JobId"])
    own.release()
    own.finish(process)
    assert own.states() == ["CANCELLED", "COMPLETED", "COMPLETED"]
    cancelled, other, again = own.jobs()
    assert cancelled["Comment"] == again["Comment"] != other["Comment"]
    first = 0 if cancelled["Comment"].endswith("0_1") else 2
    assert f"models {first}-{first + 1}: 1 to train, the others are finished" in log(own, first)
    assert "1 to train" not in log(own, 2 - first)
    assert_same_models(own, undisturbed)


def test_an_interrupted_study_cancels_its_jobs_and_repeats_nothing_that_is_finished(own, undisturbed):
    own.finish(own.submit(SHARDS[0]))
    finished = own.shard(0).stat().st_mtime_ns
    own.hold()
    process = own.submit(*SHARDS.values())
    own.wait_until(own.kept, process)
    assert own.interrupt(process) != 0
    assert own.states() == ["COMPLETED", "CANCELLED"]
    own.release()
    own.finish(own.submit(*SHARDS.values()))
    assert own.states() == ["COMPLETED", "CANCELLED", "COMPLETED"]
    assert own.shard(0).stat().st_mtime_ns == finished
    assert "models 2-3: 1 to train, the others are finished" in log(own, 2)
    assert_same_models(own, undisturbed)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("mem_mb=10000000", "Requested node configuration is not available"),
        ("gpu=2", "Requested node configuration is not available"),
        ("slurm_partition=weekend", "invalid partition specified: weekend"),
    ],
)
def test_a_request_that_no_partition_can_serve_ends_at_once_with_the_reason(own, request_, reason):
    process = own.submit("--set-resources", f"train_shadows:{request_}", "--", SHARDS[0])
    assert process.wait(300) != 0
    assert reason in own.output()
    assert "Stopped. What failed is said above" in own.output()
    assert set(own.states()) <= {"FAILED"} and not own.seen()


def test_a_gpu_study_on_a_node_without_one_ends_with_one_sentence(own):
    """The cluster's GPU is not real: the job gets it and torch sees none."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    process = own.submit("--retries", "0", "--config", "device=cuda", "--", SHARDS[0])
    assert process.wait(300) != 0
    assert "device: cuda was asked for and this job sees no GPU" in own.output()
    assert "Traceback" not in own.output()
    assert [(job["Partition"], job["TresPerJob"], job["JobState"]) for job in own.jobs()] == [
        ("gpu", "gres:gpu:1", "FAILED")
    ]
