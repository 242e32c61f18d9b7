"""How many threads a step opens, and that its numbers do not depend on it."""

import numpy as np
import pandas as pd
import pytest

from lira.attacks.lira import leave_one_out
from lira.core import threads
from lira.evaluation.calibration import calibrate
from lira.evaluation.summary import summarise
from lira.shadows.membership import balanced_membership


@pytest.fixture(autouse=True)
def workstation(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 64)


@pytest.mark.parametrize(
    ("said", "count"), [("1", 1), ("8", 8), ("4,2", 4), ("100", 64), ("", 64), ("0", 64), ("-1", 64), ("many", 64)]
)
def test_a_job_uses_the_cores_that_it_was_given(monkeypatch, said, count):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads.cores() == count


def test_by_hand_all_cores_are_used(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.cores() == 64


def test_numbers_do_not_depend_on_threads(monkeypatch):
    member = balanced_membership(600, 8, 0.5, 0)
    phi = np.random.default_rng(0).normal(size=(8, 600, 2)) + member[:, :, None]
    found = []
    for count in ("1", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        scores = leave_one_out(phi, member)
        rates = calibrate(scores, member, fprs=[0.1], priors=[0.5])
        found.append((scores, rates, summarise(scores, member, rates, draws=50)))
    (scores, *tables), (again, *tables_again) = found
    for attack, values in scores.items():
        np.testing.assert_array_equal(again[attack], values)
    for table, other in zip(tables, tables_again, strict=True):
        pd.testing.assert_frame_equal(table, other, check_exact=True)
