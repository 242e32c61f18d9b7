"""Agreement of made-up sets with its errors, against the scenarios' numbers and closed forms."""

import warnings

import numpy as np
import pytest
from paper_results import random_sets

from lira.evaluation.agreement import scenarios
from lira.evaluation.flagged_sets import FlaggedSets, lowering_run


def test_agreement_of_five_runs_is_that_of_the_scenarios():
    reference, variants = random_sets(5), random_sets(4, share=0.6, seed=1)
    table, flagged = scenarios(reference, variants, list("abcd")), FlaggedSets(reference, variants)
    for row in table.itertuples():
        different = 0 if row.scenario == "identical" else int(row.scenario[1])
        among = ["abcd".index(row.variants)] if row.variants else None
        found = flagged.mean(row.k, different, among)[0]
        np.testing.assert_allclose(found, (row.jaccard, row.intersection, row.union), rtol=1e-5)


def test_of_more_runs_it_is_the_mean_over_all_choices_of_five():
    reference, variants = random_sets(7), random_sets(1, share=0.5, seed=3)
    found = FlaggedSets(reference, variants).mean(4, 1)[0, 0]
    fives = [np.delete(reference, [i, j], axis=0) for i in range(7) for j in range(i)]
    expected = np.mean([FlaggedSets(five, variants).mean(4, 1)[0, 0] for five in fives])
    assert found == pytest.approx(expected, rel=1e-5)


def test_errors_between_runs_are_known_while_a_run_is_left():
    flagged = FlaggedSets(random_sets(5), np.zeros((0, 4000), bool))
    assert flagged.estimate(2).between_runs and not flagged.estimate(5).between_runs
    value, error = flagged.estimate(2).jaccard
    assert value == pytest.approx(0.8**2 / (1 - 0.2**2), abs=3 * error) and error < 0.03
    nothing = FlaggedSets(np.eye(3, 50, dtype=bool), np.zeros((0, 50), bool)).estimate(3)
    assert nothing.jaccard.value == 0 and nothing.jaccard.error >= 1 / 3


def test_error_over_samples_is_that_of_a_share():
    """One choice of all runs: Jaccard is the share of the union's samples that all flag."""
    found = FlaggedSets(random_sets(2, samples=40_000, flagged=4_000), np.zeros((0, 40_000), bool)).estimate(2)
    share, union = found.jaccard.value, found.union.value
    assert found.jaccard.error == pytest.approx((share * (1 - share) / union) ** 0.5, rel=0.25)


def test_draws_of_none_of_a_few_flagged_samples_are_left_out():
    """All runs flag the same single sample, which a third of the draws do not have."""
    sets = np.tile(np.arange(50) < 1, (3, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = FlaggedSets(sets, np.zeros((0, 50), bool)).estimate(2)
        nothing = FlaggedSets(np.zeros((3, 50), bool), np.zeros((0, 50), bool)).estimate(2)
    assert (found.jaccard, found.intersection.value, found.union.value) == ((1, 1), 1, 1)
    assert 1 <= found.union.error < 2 and found.union.error == found.intersection.error
    assert np.isnan(nothing.jaccard).all() and np.isnan(nothing.union).all()


def test_what_a_run_flags_alone_and_the_agreement_without_it():
    sets = random_sets(4)
    sets[2, 1000:1200] = True
    flagged = FlaggedSets(sets, random_sets(2, seed=1))
    alone = [(sets[run] & ~np.delete(sets, run, axis=0).any(axis=0)).sum() for run in range(4)]
    assert list(flagged.alone) == alone and alone[2] >= 200
    without = [np.delete(sets, run, axis=0) for run in range(4)]
    jaccards = np.array([others.all(axis=0).sum() / others.any(axis=0).sum() for others in without])
    found = flagged.left_out()
    np.testing.assert_allclose(found[0], jaccards, rtol=1e-6)
    assert np.std(found[1:], axis=0).min() > 0
    run, without, others, times, (low, high), flagged_alone, others_alone, stands_out = lowering_run(flagged)
    assert run == 2 and stands_out and flagged_alone == alone[2] and others_alone == np.median(np.delete(alone, 2))
    assert (without, others) == pytest.approx((100 * jaccards[2], 100 * np.delete(jaccards, 2).mean()))
    assert low < times < high and times == pytest.approx(without / others)


def test_no_run_of_two_or_of_those_that_flag_nothing_lowers_the_agreement():
    none = np.zeros((0, 4000), bool)
    assert lowering_run(FlaggedSets(random_sets(2), none)) is None
    assert lowering_run(FlaggedSets(np.zeros((3, 4000), bool) | (np.arange(4000) < 0), none)) is None
    disjoint = np.arange(3)[:, None] == np.arange(4000)[None] // 100
    assert np.isnan(lowering_run(FlaggedSets(disjoint, none)).times)
