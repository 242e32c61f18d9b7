"""A task that fails, dies or hangs costs its own rows alone."""

import os
import time

import pytest
from tasks import Task, Worker


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.stop()


def rows(worker, do, arguments, number=3, seconds=60):
    return list(worker.carry_out(Task([(row,) for row in range(number)], do, arguments), seconds))


def good(worker):
    return rows(worker, iter, ([("a",), ("b",), ("c",)],)) == [("a",), ("b",), ("c",)]


AFTER = "left out after the row above"


@pytest.mark.parametrize(
    ("do", "arguments", "found"),
    [
        (map, (int, "1x3"), [1, "failed: ValueError: invalid literal for int() with base 10: 'x'", AFTER]),
        (map, (os._exit, [3]), ["failed: the process ended with 3", AFTER, AFTER]),
        (iter, ([("a",)],), [("a",), "failed: took too long", AFTER]),
        (map, (time.sleep, [600]), ["failed: took too long", AFTER, AFTER]),
    ],
    ids=["raises", "dies", "gives too few rows", "hangs"],
)
def test_a_failure_is_said_in_its_rows_and_the_next_task_is_carried_out(worker, do, arguments, found):
    assert good(worker)
    seconds = 1 if "failed: took too long" in found else 60
    assert rows(worker, do, arguments, seconds=seconds) == found
    assert worker.process is None
    assert good(worker)


def test_without_time_nothing_is_begun(worker):
    assert rows(worker, os._exit, (3,), seconds=0) == ["left out: no time left"] * 3


def test_tasks_share_a_process_as_long_as_none_fails(worker):
    assert good(worker)
    process = worker.process
    assert good(worker)
    assert worker.process is process
