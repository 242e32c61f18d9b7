"""Tests and intervals of one target against plain computations and other libraries."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact, hypergeom

from lira.evaluation.audits.exact import (
    auc,
    holm,
    members_rank_higher,
    more_members_flagged,
    share,
    share_below,
)


def test_flags_are_tested_as_fisher_does():
    rng = np.random.default_rng(0)
    for _ in range(20):
        flagged, member = rng.random(30) < 0.3, rng.random(30) < 0.5
        table = [[(verdict & side).sum() for side in (member, ~member)] for verdict in (flagged, ~flagged)]
        assert more_members_flagged(flagged, member) == pytest.approx(fisher_exact(table, "greater").pvalue)
    assert more_members_flagged(np.zeros(5, bool), np.arange(5) < 2) == 1


def test_ranks_are_tested_as_all_memberships_of_the_same_size_would_give():
    scores, member = np.array([0.1, 0.5, 0.9, 1.2, 2.0, 3.0]), np.array([0, 1, 0, 1, 1, 1], bool)

    def wins(inside):
        return sum(scores[i] > scores[j] for i in inside for j in {*range(6)} - {*inside})

    all_wins = [wins(inside) for inside in combinations(range(6), 4)]
    expected = np.mean([found >= wins(np.flatnonzero(member)) for found in all_wins])
    assert members_rank_higher(scores, member) == pytest.approx(expected)
    assert members_rank_higher(np.ones(6), member) == 1
    huge = np.where(member, np.inf, -np.inf)
    assert members_rank_higher(huge, member) == pytest.approx(1 / 15)


@pytest.mark.parametrize(
    ("members", "tied", "high"), [(9, 3, 1), (10, 10, 2), (20, 3, 1), (30, 10, 2), (500, 3, 3), (100, 400, 55)]
)
def test_where_most_samples_tie_ranks_are_tested_by_permutation(members, tied, high):
    """With two scores alone a rank sum counts the members among the high ones: it is hypergeometric."""
    scores, member = np.arange(1000) < tied, np.zeros(1000, bool)
    member[:high] = member[-(members - high) :] = True
    expected = hypergeom.sf(high - 1, 1000, members, tied)
    error = np.sqrt(expected / 9999)  # of the permutations
    assert members_rank_higher(scores.astype(float), member) == pytest.approx(expected, abs=4 * error)


def test_the_auc_has_the_interval_of_delong():
    rng = np.random.default_rng(1)
    member = rng.random(60) < 0.4
    scores = rng.normal(0.7 * member).round(1)  # with ties
    inside, outside = scores[member], scores[~member]
    wins = np.array([[(i > j) + 0.5 * (i == j) for j in outside] for i in inside])
    variance = wins.mean(1).var(ddof=1) / len(inside) + wins.mean(0).var(ddof=1) / len(outside)
    found = auc(scores, member)
    assert found.value == pytest.approx(wins.mean())
    assert found.high - found.value == pytest.approx(1.959964 * np.sqrt(variance))
    assert found.value - found.low == pytest.approx(1.959964 * np.sqrt(variance))


def test_the_interval_of_a_perfect_auc_is_no_point():
    found = auc(np.arange(10.0), np.arange(10) >= 6)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(binomtest(4, 4).proportion_ci(method="exact").low)


def test_the_auc_covers_the_truth():
    """Two normal distributions a spread apart have an AUC of 76 %."""
    rng, member = np.random.default_rng(2), np.arange(300) < 150
    ends = [auc(rng.normal(size=300) + member, member) for _ in range(400)]
    assert 0.92 < np.mean([found.low <= 0.7602 <= found.high for found in ends]) < 0.98


@pytest.mark.parametrize(("few", "inside"), [(2, True), (8, True), (8, False)])
def test_a_few_records_of_a_side_are_no_surer_than_their_number(few, inside):
    """One crossing leaves the placements a tiny spread, where perfect separation has none and a wide interval."""
    scores, member = np.arange(few + 200.0), np.arange(few + 200) >= 200
    scores[200] -= 1.5  # below one of the others
    found = auc(scores, member) if inside else auc(-scores, ~member)
    assert found.value == pytest.approx(1 - 1 / (few * 200)) and found.high == 1
    assert found.low < auc(np.arange(few + 200.0), member).low


def test_the_auc_of_few_members_covers_the_truth():
    """With DeLong's ends alone 2 in 3 intervals did."""
    rng, member = np.random.default_rng(3), np.arange(203) < 3
    ends = [auc(rng.normal(size=203) + 2.326 * member, member) for _ in range(300)]  # an AUC of 95 %
    assert np.mean([found.low <= 0.95 <= found.high for found in ends]) > 0.95


def test_a_share_has_the_exact_interval_and_none_without_a_trial():
    found, expected = share(3, 40), binomtest(3, 40).proportion_ci(method="exact")
    assert found == pytest.approx((3 / 40, expected.low, expected.high))
    assert np.isnan(share(0, 0)).all()


def test_corrected_p_values_keep_the_order_and_are_never_below_their_own():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    found = holm(np.array([np.nan, 0.02, 0.9]))
    assert np.isnan(found[0]) and found[1:] == pytest.approx([0.04, 0.9])


def test_equal_values_count_half():
    assert share_below(2, np.array([1, 2, 2, 3, np.nan])) == pytest.approx(0.5)
    assert np.isnan(share_below(np.nan, np.ones(2))) and np.isnan(share_below(1, np.array([np.nan])))
