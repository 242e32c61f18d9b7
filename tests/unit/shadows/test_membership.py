import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira.core.errors import ConfigError
from lira.shadows.membership import balanced_membership


@given(samples=st.integers(0, 40), models=st.integers(2, 20), fraction=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_every_sample_is_a_member_of_as_many_models(samples, models, fraction, seed):
    member = balanced_membership(samples, models, fraction, seed)
    assert member.shape == (models, samples)
    assert (member.sum(axis=0) == int(fraction * models)).all()


def test_seed_and_generator_decide():
    one = balanced_membership(50, 8, 0.5, 1)
    np.testing.assert_array_equal(one, balanced_membership(50, 8, 0.5, 1))
    assert (one != balanced_membership(50, 8, 0.5, 2)).any()
    assert (one != balanced_membership(50, 8, 0.5, 1, generator="legacy")).any()


def test_legacy_draws_are_those_of_the_global_generator():
    state = np.random.get_state()
    np.random.seed(7)
    draws = np.random.uniform(0, 1, size=(6, 30))
    np.random.set_state(state)
    expected = draws.argsort(axis=0) < 3
    np.testing.assert_array_equal(balanced_membership(30, 6, 0.5, 7, generator="legacy"), expected)


def test_one_model_is_a_plain_draw():
    member = balanced_membership(1000, 1, 0.3, 0)
    assert member.shape == (1, 1000)
    assert 200 < member.sum() < 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": 0}, "models is 0: allowed are whole numbers from 1"),
        ({"models": 8.5}, "models is 8.5: allowed are whole numbers"),
        ({"samples": -1}, "samples is -1: allowed are whole numbers from 0"),
        ({"fraction": -1}, "fraction is -1: allowed is a share of members from 0"),
        ({"fraction": np.nan}, "fraction is nan"),
        ({"fraction": "0.5"}, "fraction is '0.5'"),
        ({"seed": None}, "seed is None: allowed are whole numbers"),
        ({"seed": -1}, "seed is -1: allowed are whole numbers"),
        ({"seed": 2**32, "generator": "legacy"}, "from 0 to 4294967295"),
        ({"generator": "mt"}, "allowed are 'default_rng' and 'legacy'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        balanced_membership(**{"samples": 5, "models": 4, "fraction": 0.5, "seed": 0, **arguments})
