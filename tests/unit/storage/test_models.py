"""Training jobs that are at work, by the files that they hold."""

import os
import platform
import subprocess
import sys
import time

import pytest

from lira.storage.models import finished_models, running_jobs

HERE = platform.node()


@pytest.fixture
def ended():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_jobs_of_this_node_run_while_their_process_lives(tmp_path, ended):
    (tmp_path / "0-1.0123.h5").touch()
    assert len(running_jobs(tmp_path, 900)) == 0
    (tmp_path / f".0-1.json.{HERE}-{ended}.json").touch()
    assert len(running_jobs(tmp_path, 900)) == 0
    receipt = tmp_path / f".2-3.json.{HERE}-{os.getpid()}.json"
    receipt.touch()
    os.utime(receipt, (0, 0))
    assert len(running_jobs(tmp_path, 900)) == 1
    assert len(running_jobs(tmp_path / "nowhere", 900)) == 0


def test_jobs_of_other_nodes_run_while_they_write(tmp_path):
    receipt, checkpoint, other = (tmp_path / name for name in (".0-3.json.far-1.json", "2-2.0123.pt", "4-4.0123.pt"))
    receipt.touch()
    assert len(running_jobs(tmp_path, 900)) == 1
    os.utime(receipt, (0, 0))
    other.touch()
    assert len(running_jobs(tmp_path, 900)) == 0
    checkpoint.touch()
    assert len(running_jobs(tmp_path, 900)) == 1
    os.utime(checkpoint, (time.time() - 1000, time.time() - 1000))
    assert len(running_jobs(tmp_path, 900)) == 0


def test_a_file_that_another_job_removes_while_it_is_looked_at_does_not_count(tmp_path, monkeypatch):
    (tmp_path / "0-1.0123.h5").touch()
    monkeypatch.setattr("lira.storage.models.hdf5.read", lambda path, _: (tmp_path / "gone").open())
    assert finished_models(tmp_path, "0123") == []
