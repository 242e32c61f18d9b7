"""What rehearsals found, and what jobs ask for by it."""

import numpy as np
import pytest

from lira.storage.rehearsals import Rehearsal, read_rehearsal, stored_bytes

FOUND = Rehearsal("d/a/r", "r.1.json", "cpu", seconds=90.0, memory=3000.0, disk=1e6)


def test_it_is_read_as_it_was_written(tmp_path):
    FOUND.write(tmp_path / "r.json")
    assert read_rehearsal(tmp_path / "r.json") == FOUND


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "d/a/r", "spec": "", "device": "cpu", "other": 1}'])
def test_what_is_no_rehearsal_is_none(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    assert read_rehearsal(tmp_path / "r.json") is None and read_rehearsal(tmp_path / "none.json") is None


def test_jobs_ask_for_a_third_more_memory_and_twice_the_time():
    assert FOUND.job_memory() == 5000
    assert FOUND.job_minutes(20) == 2 * 30 + 10


def test_bytes_of_a_model_are_those_of_its_arrays():
    pool, views, classes, values = 50, 3, 4, 7
    phi = np.zeros((pool, views), np.float32).nbytes + np.zeros(pool, bool).nbytes
    arrays = {"logits": 0, "phi": 2 * phi, "scores": 5 * np.zeros(pool).nbytes + pool, "weights": 0}
    assert stored_bytes(pool, views, classes, values, []) == arrays
    kept = stored_bytes(pool, views, classes, values, ["logits", "weights"])
    assert kept["logits"] == np.zeros((pool, views, classes), np.float32).nbytes and kept["weights"] == 4 * values
    assert stored_bytes(pool, views, classes, values, ["imported"])["phi"] == phi
