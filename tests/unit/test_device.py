"""Devices: the one asked for or an error, and no two jobs on one."""

import threading

import pytest
import torch

from lira.errors import LiraError
from lira.training import device


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
