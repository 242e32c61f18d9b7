"""How many threads a step opens, and that its numbers do not depend on it."""

import numpy as np
import pandas as pd
import pytest

from lira import cores
from lira.attacks import leave_one_out
from lira.calibration import calibrate
from lira.membership import balanced_membership
from lira.summary import summarise


@pytest.fixture(autouse=True)
def workstation(monkeypatch):
    monkeypatch.setattr(cores, "available", lambda: 64)


@pytest.mark.parametrize(
    ("said", "threads"), [("1", 1), ("8", 8), ("4,2", 4), ("100", 64), ("", 64), ("0", 64), ("-1", 64), ("many", 64)]
)
def test_a_job_uses_the_cores_that_it_was_given(monkeypatch, said, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert cores.cores() == threads


def test_by_hand_all_cores_are_used(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert cores.cores() == 64


def test_numbers_do_not_depend_on_threads(monkeypatch):
    member = balanced_membership(600, 8, 0.5, 0)
    phi = np.random.default_rng(0).normal(size=(8, 600, 2)) + member[:, :, None]
    found = []
    for threads in ("1", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        scores = leave_one_out(phi, member)
        rates = calibrate(scores, member, fprs=[0.1], priors=[0.5])
        found.append((scores, rates, summarise(scores, member, rates, draws=50)))
    (scores, *tables), (again, *tables_again) = found
    for attack, values in scores.items():
        np.testing.assert_array_equal(again[attack], values)
    for table, other in zip(tables, tables_again, strict=True):
        pd.testing.assert_frame_equal(table, other, check_exact=True)
