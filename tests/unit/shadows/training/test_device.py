"""Devices: the one asked for or an error, and no two jobs on one."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from lira.core.errors import LiraError
from lira.shadows.training import device


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LiraError, match="cuda was asked for and this job sees no GPU"), device.lease("cuda"):
        pass


def test_the_cpu_runs_one_thread():
    with device.lease("cpu") as chosen:
        assert chosen == "cpu" and torch.get_num_threads() == 1


def test_jobs_take_different_devices_and_then_share_as_asked(tmp_path):
    names = ["a", "b"]
    with device.take(names, 2, tmp_path) as one, device.take(names, 2, tmp_path) as two:
        assert (one, two) == (0, 1)
        with device.take(names, 2, tmp_path) as three, device.take(names, 2, tmp_path) as four:
            assert (three, four) == (0, 1)


def test_a_job_waits_for_a_device(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "WAIT_SECONDS", 0.01)
    order, waiting = [], threading.Event()

    def second():
        waiting.set()
        with device.take(["a"], 1, tmp_path):
            order.append("second")

    with device.take(["a"], 1, tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        thread.join(0.1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


CPU = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12")


FULL = RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported")


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), CPU, FULL])
def test_a_cohort_that_does_not_fit_ends_with_advice(error):
    fit = "models at a time do not fit into the memory of cpu:"
    with pytest.raises(LiraError, match=f"4 {fit} set a cohort smaller than 4"), device.memory_advice(4, "cpu"):
        raise error
    with pytest.raises(LiraError, match=f"1 {fit} give the job more memory"), device.memory_advice(1, "cpu"):
        raise error


def test_other_errors_are_not_taken_for_want_of_memory():
    with pytest.raises(RuntimeError, match="shape"), device.memory_advice(4, "cpu"):
        raise RuntimeError("shape mismatch")


def test_a_job_on_a_cpu_keeps_the_memory_that_it_frees():
    """Otherwise each array comes from the system anew, with a fault for every page."""
    code = (
        "import resource, sys, torch\n"
        "from lira.shadows.training.device import lease\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(5):\n"
        "        torch.ones(2**24)  # 64 MB, which the C library by itself never keeps\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults()\n"
        "before = faults()\n"
        "with lease('cpu'):\n"
        "    print(before, min(faults() for _ in range(6)))\n"
    )
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc changes it as it goes, if none is set
    run = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    before, after = map(int, run.stdout.split())
    assert after < before / 10
