"""Time left: what was measured, times what is left, over all cohorts of a job."""

import logging

import pytest

from lira.core import pace
from lira.core.pace import Pace, read_told


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def epochs(job, clock, done, of, models=2, seconds=10.0):
    """The rest of a cohort's epochs."""
    job.start()
    for epoch in range(done, of):
        clock[0] += seconds
        job.tell(job.training, models / of, models * (of - epoch - 1) / of, f"epoch {epoch + 1} of {of}")
        yield


def test_time_left_is_that_of_measured_epochs_and_queries(clock, tmp_path):
    """Two cohorts of two models. Until a query is measured, its time follows from its forward passes."""
    job = Pace(4, tmp_path / "told")
    job.begin("models 0-1", models=2, epochs=10, members=30, tested=10, queried=250)
    assert read_told(tmp_path / "told").left is None
    training = epochs(job, clock, 0, 10)
    next(training)
    told = read_told(tmp_path / "told")
    assert told.left == pytest.approx(2 * (100 + 25) - 10) and told.model == pytest.approx(125 / 2)
    assert told.done == pytest.approx(10 / 250) and told.begun == pytest.approx(2 * 10 / 125)
    list(training)
    clock[0] += 1000  # the best epoch is evaluated
    job.start()
    clock[0] += 40
    job.tell(job.query, 1.0, 1.0, "query: 50 of 100 samples")
    assert read_told(tmp_path / "told").left == pytest.approx(40 + 100 + 80)
    clock[0] += 40
    job.tell(job.query, 1.0, 0.0, "query: 100 of 100 samples")
    job.begin("models 2-3", models=2, epochs=10, members=30, tested=10, queried=250)
    told = read_told(tmp_path / "told")
    assert (told.left, told.done, told.begun) == pytest.approx((180, 0.5, 0))


def test_a_resumed_job_measures_only_what_it_does_itself(clock, tmp_path):
    job = Pace(2, tmp_path / "told")
    job.begin("models 0-1", models=2, epochs=10, members=30, tested=10)
    next(epochs(job, clock, 8, 10, seconds=7.0))
    assert read_told(tmp_path / "told").left == pytest.approx(7)
    assert read_told(tmp_path / "told").done == pytest.approx(0.9)


def test_the_log_has_the_first_epoch_and_query_and_then_a_line_every_half_minute(clock, caplog):
    caplog.set_level(logging.INFO)
    job = Pace(2)
    job.begin("models 0-1", models=2, epochs=10, members=30, tested=10, queried=250)
    list(epochs(job, clock, 0, 10))
    job.tell(job.query, 1.0, 1.0, "query: 50 of 100 samples")
    lines = [record.message for record in caplog.records]
    assert [line.split(";")[0] for line in lines] == [
        *(f"models 0-1, epoch {n} of 10" for n in (1, 4, 7, 10)),
        "models 0-1, query: 50 of 100 samples",
    ]
    assert lines[0].endswith("; 2 min left in this job")


def test_what_is_being_written_or_is_another_file_tells_nothing(tmp_path):
    for text in ('{"said": "epoch', '{"identity": "0", "files": []}', ""):
        (tmp_path / "told").write_text(text)
        assert read_told(tmp_path / "told") is None
    assert read_told(tmp_path / "nowhere") is None
