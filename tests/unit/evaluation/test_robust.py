import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from lira.evaluation.robust import influence, regress, trimmed_mean

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(VALUES)
def test_trimmed_mean(values):
    assert trimmed_mean(np.array(values)) == pytest.approx(trim_mean(values, 0.1), rel=1e-9, abs=1e-6)
    assert trimmed_mean(np.array([*values, np.nan])) == trimmed_mean(np.array(values))


@given(VALUES)
def test_influence_is_the_mean_less_the_mean_of_the_others(values):
    values = np.array(values)
    found = influence(values)
    for target in range(len(values)):
        others = np.delete(values, target)
        if others.size:
            assert found.shift[target] == pytest.approx(values.mean() - others.mean(), rel=1e-6, abs=1e-6)
        else:
            assert np.isnan(found.shift[target])


def test_one_broken_target_is_flagged():
    """A target with an FPR of 7.5 % among 255 that have 0.004 % moves the mean by many of its standard errors."""
    rng = np.random.default_rng(0)
    values = rng.poisson(1, 256) / 25_000
    values[17] = 0.075
    found = influence(values)
    assert np.flatnonzero(found.flagged).tolist() == [17]
    assert found.shift[17] == pytest.approx(values.mean() - np.delete(values, 17).mean())
    assert np.std(values, ddof=1) / 16 > found.shift[17] * 0.99, "the error with the target itself would hide it"


def test_ordinary_values_are_not_flagged():
    rng = np.random.default_rng(0)
    assert not any(influence(rng.normal(size=64)).flagged.any() for _ in range(200))
    assert not influence(np.full(256, 0.1)).flagged.any()
    assert not influence(np.array([1.0, 5.0])).flagged.any()


def test_undefined_values_have_no_influence():
    found = influence(np.array([1.0, np.nan, 1.1, 0.9, 50.0]))
    assert np.isnan(found.shift).tolist() == [False, True, False, False, False]
    assert found.flagged.tolist() == [False, False, False, False, True]
    assert np.isnan(influence(np.array([np.nan, 1.0])).shift).all()
    assert np.isnan(trimmed_mean(np.array([np.nan])))


def test_lines_are_those_of_numpy():
    x, y = np.random.default_rng(1).normal(size=(2, 4, 9))
    found = regress(x, y)
    for i in range(4):
        assert found.slope[i] == pytest.approx(np.polyfit(x[i], y[i], 1)[0])
        assert found.correlation[i] == pytest.approx(np.corrcoef(x[i], y[i])[0, 1])


@pytest.mark.parametrize("value", [0.1, 1e-3, 1 / 3, 1e9 + 0.1])
def test_what_is_constant_has_no_line_though_its_mean_is_rounded(value):
    varied, same = np.random.default_rng(2).normal(size=(1, 7)), np.full((1, 7), value)
    up = regress(same, varied)
    assert np.isnan(up.correlation).all() and np.isnan(up.slope).all()
    along = regress(varied, same)
    assert np.isnan(along.correlation).all() and along.slope == pytest.approx([0], abs=1e-9 * value)
    assert np.isnan(regress(same, same).correlation).all()
