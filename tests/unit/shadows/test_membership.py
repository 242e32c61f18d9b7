from fractions import Fraction
from hashlib import sha256

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
    ("generator", "arguments", "checksum"),
    [
        ("default_rng", (50, 8, 0.5, 1), "b1f1cc014e114c45"),
        ("default_rng", (40, 10, 0.3, 7), "b6daeb8cfe79484e"),
        ("default_rng", (30, 1, 0.25, 3), "9288dc457f7eb8c5"),
        ("legacy", (50, 8, 0.5, 1), "b0ee6b647aa763fc"),
        ("legacy", (40, 10, 0.3, 7), "d2dddf004a88913d"),
        ("legacy", (30, 1, 0.25, 3), "46647faaaad82f88"),
        ("nested", (50, 8, 0.5, 1), "701b8618e54ed991"),
        ("nested", (40, 10, 0.3, 7), "ff2690a5fed68bfb"),
    ],
)
def test_matrices_stay_what_they_are(generator, arguments, checksum):
    """Finished models are known by the membership that they were trained with."""
    assert sha256(balanced_membership(*arguments, generator=generator).tobytes()).hexdigest()[:16] == checksum


SHARES = st.builds(lambda q, p: Fraction(p % q, q), q=st.integers(2, 20), p=st.integers(1, 19)).filter(bool)


@given(share=SHARES, blocks=st.integers(1, 4), more=st.integers(0, 3), samples=st.integers(0, 40), seed=st.integers(0))
def test_nested_draws_are_balanced_in_every_block_and_keep_the_first_models(share, blocks, more, samples, seed):
    members, block = share.numerator, share.denominator
    few = balanced_membership(samples, blocks * block, members / block, seed, generator="nested")
    many = balanced_membership(samples, (blocks + more) * block, members / block, seed, generator="nested")
    np.testing.assert_array_equal(many[: len(few)], few)
    assert few.shape == (blocks * block, samples)
    assert (many.reshape(blocks + more, block, samples).sum(axis=1) == members).all()


def test_nested_halves_are_complementary():
    member = balanced_membership(400, 12, 0.5, 5, generator="nested")
    np.testing.assert_array_equal(member[::2], ~member[1::2])
    assert len(np.unique(member, axis=0)) == 12
    assert (member != balanced_membership(400, 12, 0.5, 6, generator="nested")).any()


@pytest.mark.parametrize("fraction", [0.5, 0.25, 0.7, 1 / 3, 0.333333333333])
def test_nested_draws_are_as_many_and_as_independent_as_those_of_the_published_design(fraction):
    """How many members a model has is binomial, and models of different blocks share as many as chance lets them."""
    block = Fraction(fraction).limit_denominator(20).denominator
    member = balanced_membership(10_000, 50 * block, fraction, 0, generator="nested")
    numbers = member.sum(axis=1)
    deviation = np.sqrt(10_000 * fraction * (1 - fraction))
    assert abs(numbers - 10_000 * fraction).max() < 5 * deviation
    assert 0.7 < numbers.std() / deviation < 1.3
    first = member[::block].astype(float)
    shared = np.corrcoef(first)[np.triu_indices(len(first), 1)]
    assert abs(shared).max() < 0.05 and abs(shared.mean()) < 0.002


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
        (
            {"models": 3, "generator": "nested"},
            "shadow_models is 3: .* are multiples of 2, .* 1 models in every block of 2",
        ),
        ({"models": 1, "generator": "nested"}, "shadow_models is 1: .* are multiples of 2"),
        (
            {"fraction": 0.3, "generator": "nested"},
            "shadow_models is 4: .* multiples of 10, .* 3 models .* block of 10$",
        ),
        ({"fraction": 0.37, "generator": "nested"}, "member_fraction is 0.37: .* p/q with q up to 20, such as 0.5"),
        ({"fraction": 0.333, "models": 3, "generator": "nested"}, "member_fraction is 0.333: "),
        ({"fraction": 1 / 21, "models": 21, "generator": "nested"}, "member_fraction is 0.047619"),
        ({"generator": "mt"}, "allowed are 'default_rng', 'legacy' and 'nested'$"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        balanced_membership(**{"samples": 5, "models": 4, "fraction": 0.5, "seed": 0, **arguments})
