"""Errors of combined numbers, against draws of them."""

import numpy as np
import pytest

from lira.evaluation.estimates import Estimate, log_ratio, mean_of


def test_an_interval_holds_nine_draws_in_ten():
    draws = np.random.default_rng(0).normal(3, 0.5, 100_000)
    low, high = Estimate(3, 0.5).interval()
    assert ((low < draws) & (draws < high)).mean() == pytest.approx(0.9, abs=0.005)


def test_errors_of_a_difference_and_of_a_ratio_are_those_of_draws():
    generator = np.random.default_rng(1)
    one, other = Estimate(10, 0.3), Estimate(4, 0.1)
    drawn = [generator.normal(*estimate, 100_000) for estimate in (one, other)]
    assert (one - other).value == 6
    assert (one - other).error == pytest.approx((drawn[0] - drawn[1]).std(), rel=0.02)
    found = log_ratio(one, other)
    assert found.value == pytest.approx(np.log(2.5))
    assert found.error == pytest.approx(np.log(drawn[0] / drawn[1]).std(), rel=0.02)
    assert np.isnan(log_ratio(one, Estimate(0, 0.1))).all() and np.isnan(log_ratio(Estimate(0, 0.1), one)).all()


def test_a_mean_of_what_moves_together_keeps_the_error():
    assert mean_of([Estimate(1, 0.2), Estimate(3, 0.4)]) == pytest.approx((2, 0.3))
    ratios = [log_ratio(Estimate(4, 0), Estimate(2, 0)).exp(), log_ratio(Estimate(12, 1.2), Estimate(2, 0)).exp()]
    assert mean_of(ratios) == pytest.approx((4, (0 + 6 * 0.1) / 2))
