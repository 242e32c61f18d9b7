import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import rates as plain
from sklearn.metrics import roc_auc_score, roc_curve
from synthetic_study import run_folder

from lira.core.errors import ConfigError, DataError
from lira.evaluation.roc import (
    balanced_accuracy_by_chance,
    curve_over_targets,
    flagged,
    summarise_roc,
    threshold_at_fpr,
    tpr_at,
    tpr_by_chance,
)
from lira.storage.run import Run


@st.composite
def targets(draw):
    """Scores, many of them tied, of members and non-members."""
    samples = draw(st.integers(2, 60))
    values = st.integers(-6, 6).map(lambda step: step / 2)
    scores = np.array(draw(st.lists(values, min_size=samples, max_size=samples)))
    member = np.array(draw(st.lists(st.booleans(), min_size=samples, max_size=samples)))
    member[:2] = True, False
    return scores.astype(draw(st.sampled_from([np.float32, np.float64]))), member


@settings(max_examples=200, deadline=None)
@given(targets(), st.sampled_from([0.0, 1e-5, 0.001, 0.01, 0.1, 0.25, 0.5, 1 / 3, 0.999, 1.0]))
def test_threshold_is_the_last_point_of_the_roc(target, fpr):
    scores, member = target
    assert threshold_at_fpr(scores, member, fpr) == plain.operating_points(scores, member, [fpr])[0]


@settings(max_examples=100, deadline=None)
@given(targets())
def test_the_summary_is_that_of_scikit_learn(target):
    scores, member = target
    auc, accuracy = summarise_roc(scores, member)
    assert auc == pytest.approx(roc_auc_score(member, scores), abs=1e-12)
    rates, hits, _ = roc_curve(member, scores, drop_intermediate=False)
    assert accuracy == pytest.approx((1 - (rates + 1 - hits) / 2).max(), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(targets(), st.randoms())
def test_order_of_samples_changes_nothing(target, random):
    scores, member = target
    order = random.sample(range(len(scores)), len(scores))
    assert threshold_at_fpr(scores[order], member[order], 0.1) == threshold_at_fpr(scores, member, 0.1)
    assert summarise_roc(scores[order], member[order]) == summarise_roc(scores, member)


def test_equality_counts():
    """One of a thousand non-members is an FPR of 0.001."""
    scores, member = np.arange(2000.0), np.arange(2000) < 1000
    member[-1] = True
    member[0] = False
    assert threshold_at_fpr(scores, member, 0.001).fpr == 0.001


def test_nothing_can_be_flagged():
    scores, member = np.array([3.0, 2, 1]), np.array([False, True, True])
    assert threshold_at_fpr(scores, member, 0.001) == (np.inf, 0, 0)


def test_infinite_scores_are_the_largest_and_smallest():
    scores = np.array([np.inf, 2, 1, 0, -np.inf])
    member = np.array([True, False, True, False, True])
    at = threshold_at_fpr(scores, member, 0.0)
    assert np.isfinite(at.threshold)
    assert at.tpr == 1 / 3
    assert flagged(scores[None], np.array([at.threshold])).tolist() == [[True, False, False, False, False]]
    assert threshold_at_fpr(scores, member, 1.0).tpr == 1
    assert summarise_roc(scores, member) == summarise_roc(np.array([4.0, 3, 2, 1, 0]), member)


def test_official_drops_infinite_scores():
    scores = np.array([np.inf, 2, 1, 0, -np.inf])
    member = np.array([True, False, True, False, True])
    assert summarise_roc(scores, member, nonfinite="official") == summarise_roc(scores[1:4], member[1:4])
    assert threshold_at_fpr(scores, member, 0.0, nonfinite="official") == (np.inf, 0, 0)


@pytest.mark.parametrize("function", [summarise_roc, lambda *a, **k: threshold_at_fpr(*a, 0.1, **k)])
@pytest.mark.parametrize(
    ("scores", "member", "message"),
    [
        ([1.0, np.nan, 2.0], [True, False, False], "1 of 3 scores of the target are NaN"),
        ([1.0, 2.0], [True, True], "the target has no non-members"),
        ([1.0, 2.0], [False, False], "the target has no members"),
        ([], [], "the target has no samples"),
    ],
)
def test_what_has_no_roc(function, scores, member, message):
    scores, member = np.array(scores), np.array(member, dtype=bool)
    with pytest.raises(DataError, match=message):
        function(scores, member)
    function(scores, member, nonfinite="official")


def test_official_puts_one_class_at_chance():
    scores, member = np.array([1.0, 2.0]), np.array([True, True])
    assert summarise_roc(scores, member, nonfinite="official") == (0.5, 0.5)
    assert threshold_at_fpr(scores, member, 0.5, nonfinite="official") == (np.inf, 0, 0)


def test_wrong_shapes():
    with pytest.raises(DataError, match=r"must both be \[samples\]"):
        summarise_roc(np.zeros(3), np.zeros(4, dtype=bool))


@pytest.mark.parametrize("fpr", [-0.1, 1.1, np.nan])
def test_wrong_rate(fpr):
    with pytest.raises(ConfigError, match="allowed is a false positive rate from 0 to 1"):
        threshold_at_fpr(np.arange(3.0), np.array([True, False, True]), fpr)


def test_the_curve_on_a_grid_is_that_of_the_metrics(study):
    with Run(run_folder(study, "fcn", "aof")).scores() as file:
        scores, member = file["online"][3], file["member"][3]
    scores = scores.round(1)
    grid = np.array([0.0, 0.001, 0.01, 0.1, 0.5, 1.0])
    expected = [threshold_at_fpr(scores, member, fpr).tpr for fpr in grid]
    np.testing.assert_allclose(tpr_at(grid, scores, member), expected)


def test_the_curve_by_chance():
    """Against the mean over random scores."""
    generator = np.random.default_rng(0)
    member = np.arange(60) < 40
    grid = np.array([0.0, 0.04, 0.05, 0.3, 1.0])
    found = np.mean([tpr_at(grid, generator.random(60), member) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(found, tpr_by_chance(grid, 20), atol=0.005)
    np.testing.assert_allclose(tpr_by_chance(grid, 20), np.array([1, 1, 2, 7, 21]) / 21)


def test_the_curve_over_targets_has_their_mean_and_middle_half():
    generator = np.random.default_rng(1)
    scores, member = generator.normal(size=(7, 40)), np.tile(np.arange(40) < 20, (7, 1))
    grid = np.array([0.0, 0.2, 0.9])
    each = [[threshold_at_fpr(*target, fpr).tpr for fpr in grid] for target in zip(scores, member, strict=True)]
    mean, low, high = curve_over_targets(grid, scores, member)
    np.testing.assert_allclose(mean, np.mean(each, axis=0))
    np.testing.assert_allclose([low, high], np.quantile(each, [0.25, 0.75], axis=0))


@pytest.mark.parametrize(("inside", "outside"), [(300, 300), (50, 400)])
def test_the_best_balanced_accuracy_of_scores_that_say_nothing(inside, outside):
    rng = np.random.default_rng(0)
    member = np.arange(inside + outside) < inside
    found = [summarise_roc(rng.random(member.size), member).balanced_accuracy for _ in range(1000)]
    assert balanced_accuracy_by_chance(inside, outside) == pytest.approx(np.mean(found), abs=0.003)
