"""Agreement of attacks over seeds, against plain loops and sets whose answer is known."""

from itertools import combinations, permutations

import numpy as np
import pytest

from lira.evaluation.stability import measure_stability


def jaccard(one, other):
    return (one & other).sum() / (one | other).sum()


def test_one_attack_over_seeds_is_the_mean_of_its_pairs():
    sets = np.random.default_rng(0).random((4, 500)) < 0.1
    found = measure_stability(sets)
    assert found.across == pytest.approx(np.mean([jaccard(*pair) for pair in combinations(sets, 2)]))
    assert np.isnan(found.within) and found.low <= found.across <= found.high


def test_two_attacks_over_seeds_leave_out_the_same_seed():
    rng = np.random.default_rng(1)
    first, second = rng.random((3, 400)) < 0.2, rng.random((3, 400)) < 0.05
    found = measure_stability(first, second)
    across = [jaccard(first[i], second[j]) for i, j in permutations(range(3), 2)]
    assert found.across == pytest.approx(np.mean(across))
    assert found.within == pytest.approx(np.mean([jaccard(*pair) for pair in zip(first, second, strict=True)]))


def test_random_sets_are_at_chance_and_equal_ones_at_one():
    sets = np.random.default_rng(2).random((5, 20_000)) < 0.1
    found = measure_stability(sets)
    assert found.low <= found.chance <= found.high
    assert found.chance == pytest.approx(0.01 / 0.19, rel=0.05)
    same = measure_stability(np.repeat(sets[:1], 3, axis=0))
    assert same.across == same.high == 1 > same.low > 0.995


def test_runs_that_flag_nothing_have_no_jaccard_and_two_runs_no_interval():
    sets = np.zeros((3, 50), dtype=bool)
    assert np.isnan(measure_stability(sets).across)
    assert np.isnan(measure_stability(np.random.default_rng(3).random((2, 50)) < 0.5).low)


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize(("number", "apart", "across"), [(3, True, 0.0), (1, False, 1.0)])
def test_small_sets_are_no_surer_than_one_sample(number, apart, across, two):
    """Neither draws of the samples nor leaving out a run moves the Jaccard of sets that are all apart or the same."""
    sets = np.zeros((3, 4000), dtype=bool)
    for run, row in enumerate(sets):
        row[number * run * apart + np.arange(number)] = True
    found = measure_stability(sets, sets if two else None)
    assert found.across == across
    error = 1 / (2 * number if apart else number)  # one of the samples in the union
    expected = np.clip(across + np.array([-1.959964, 1.959964]) * error, 0, 1)
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_a_pair_that_flags_nothing_does_not_count_in_the_union():
    sets = np.zeros((4, 100), dtype=bool)
    sets[:2, :4] = True
    found = measure_stability(sets)
    assert found.across == pytest.approx(1 / 5)
    left_out = np.array([0, 0, 1 / 3, 1 / 3])
    least = np.sqrt(1 / 16 + 3 * left_out.var())
    assert found.high == pytest.approx(1 / 5 + 1.959964 * least)


def test_intervals_hold_the_agreement_of_new_runs():
    """Each record has its own probability of being flagged, which all runs share."""
    rng, held, truth = np.random.default_rng(4), 0, []
    for _ in range(60):
        chance = rng.beta(0.3, 2, 400)
        found = measure_stability(rng.random((5, 400)) < chance)
        truth.append(found)
    centre = np.mean([one.across for one in truth])
    held = np.mean([one.low <= centre <= one.high for one in truth])
    assert held > 0.85
