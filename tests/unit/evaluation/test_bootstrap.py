import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from lira.evaluation.bootstrap import (
    Draws,
    bootstrap_interval,
    clopper_pearson,
    medians_of_others,
    resample_auc,
    resample_rates,
    two_way_variance,
)
from lira.evaluation.calibration import shadow_thresholds
from lira.evaluation.roc import summarise_roc, threshold_at_fpr


@given(trials=st.integers(1, 3000), share=st.floats(0, 1))
@settings(deadline=None)
def test_clopper_pearson(trials, share):
    successes = round(share * trials)
    low, high = clopper_pearson(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose((low, high), (expected.low, expected.high), rtol=1e-6, atol=1e-9)


def test_clopper_pearson_without_trials():
    low, high = clopper_pearson([0, 3], [0, 3])
    assert low.tolist() == [0, pytest.approx(0.025 ** (1 / 3))]
    assert high.tolist() == [1, 1]


def test_draws_are_seeded_and_with_replacement():
    drawn = Draws.of(50, 8, draws=20, seed=3)
    assert (drawn.samples.sum(axis=0) == 50).all()
    assert (drawn.targets.sum(axis=0) == 8).all()
    np.testing.assert_array_equal(drawn.samples, Draws.of(50, 8, draws=20, seed=3).samples)
    assert (drawn.samples != Draws.of(50, 8, draws=20, seed=4).samples).any()


def test_mean_of_draws_leaves_out_what_is_undefined():
    drawn = Draws(np.ones((4, 2), dtype=np.uint8), np.array([[2, 0], [1, 1], [0, 2]], dtype=np.uint8))
    values = np.array([[1.0, 1.0], [4.0, np.nan], [7.0, 7.0]])
    np.testing.assert_allclose(drawn.mean(values), [2.0, 7.0])


@pytest.mark.parametrize("decimals", [1, 8])
def test_resampling_is_doing_it_again_on_the_drawn_samples(decimals):
    """Thresholds are chosen anew in every draw, those of the shadow models too, ties and all."""
    rng = np.random.default_rng(0)
    member = rng.random((5, 120)) < 0.5
    scores = np.round(rng.normal(size=(5, 120)) + member, decimals)
    scores[0, 3], scores[1, 4] = np.inf, -np.inf
    drawn = Draws.of(120, 5, draws=40, seed=1)
    fprs = [0.0, 1e-5, 0.01, 0.05, 0.3, 1.0]
    own, shadow = resample_rates(scores, member, drawn, fprs, fprs)
    for draw in range(40):
        again = np.repeat(np.arange(120), drawn.samples[:, draw])
        values, held = scores[:, again], member[:, again]
        for fpr in fprs:
            chosen = [threshold_at_fpr(values[target], held[target], fpr) for target in range(5)]
            thresholds = shadow_thresholds([each.threshold for each in chosen])
            for target in range(5):
                assert own[fpr].tpr[target, draw] == pytest.approx(chosen[target].tpr, abs=1e-12)
                assert own[fpr].fpr[target, draw] == pytest.approx(chosen[target].fpr, abs=1e-12)
                above = (values[target] >= thresholds[target]) & np.isfinite(thresholds[target])
                assert shadow[fpr].tpr[target, draw] == pytest.approx(above[held[target]].mean(), abs=1e-12)
                assert shadow[fpr].fpr[target, draw] == pytest.approx(above[~held[target]].mean(), abs=1e-12)


@pytest.mark.parametrize("targets", [1, 2, 5, 6])
def test_the_medians_of_the_others_are_the_shadow_thresholds(targets):
    thresholds = np.random.default_rng(0).integers(6, size=(targets, 50)).astype(float)
    thresholds[thresholds == 0] = np.inf
    expected = np.transpose([shadow_thresholds(draw) for draw in thresholds.T])
    np.testing.assert_array_equal(medians_of_others(thresholds), expected)


def test_resampled_auc_is_right_to_first_order():
    rng = np.random.default_rng(0)
    member = rng.random((3, 2000)) < 0.5
    scores = np.round(rng.normal(size=(3, 2000)) + member, 1)
    drawn = Draws.of(2000, 3, draws=60, seed=1)
    ours = resample_auc(scores, member, drawn)
    exact = np.empty_like(ours)
    for target in range(3):
        for draw in range(60):
            again = np.repeat(np.arange(2000), drawn.samples[:, draw])
            exact[target, draw] = summarise_roc(scores[target, again], member[target, again]).auc
    np.testing.assert_allclose(ours, exact, atol=1e-3)
    assert np.corrcoef(ours.ravel(), exact.ravel())[0, 1] > 0.999
    plain = resample_auc(scores, member, Draws(np.ones((2000, 1), dtype=np.uint8), np.ones((3, 1), dtype=np.uint8)))
    assert plain[0, 0] == pytest.approx(summarise_roc(scores[0], member[0]).auc, abs=1e-6)


def test_a_draw_without_members_has_no_rate():
    member = np.array([[True, False, False]])
    drawn = Draws(np.array([[0], [2], [1]], dtype=np.uint8), np.ones((1, 1), dtype=np.uint8))
    own, _ = resample_rates(np.array([[3.0, 2.0, 1.0]]), member, drawn, [0.5])
    assert np.isnan(own[0.5].tpr).all()
    assert own[0.5].fpr.item() == pytest.approx(0)


def test_interval_stands_around_the_estimate():
    replicates = np.linspace(0.4, 0.6, 1001)
    deviation = replicates.std()
    assert bootstrap_interval(0.3, replicates, deviation**2) == pytest.approx((0.205, 0.395, deviation))
    assert bootstrap_interval(0.3, replicates, deviation**2 / 4) == pytest.approx((0.2525, 0.3475, deviation / 2))
    assert bootstrap_interval(0.05, replicates, deviation**2) == pytest.approx((0, 0.145, deviation))
    assert bootstrap_interval(0.95, replicates, deviation**2) == pytest.approx((0.855, 1, deviation))
    assert np.isnan(bootstrap_interval(np.nan, replicates, 1.0)).all()
    assert np.isnan(bootstrap_interval(0.1, np.zeros(10), 0.0)).all(), "draws that never differ say nothing"
    assert bootstrap_interval(0.3, np.append(replicates, np.nan), 0.01) == bootstrap_interval(0.3, replicates, 0.01)


@pytest.mark.parametrize(
    ("of_target", "of_sample", "of_pair"), [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 2.0, 3.0)]
)
def test_two_way_variance(of_target, of_sample, of_pair):
    """Of a mean of target, sample and pair effects: each part counts once."""
    rng = np.random.default_rng(0)
    targets, samples = 40, 400
    found = []
    for _ in range(30):
        effect = of_target * rng.normal(size=(targets, 1)) + of_sample * rng.normal(size=samples)
        effect = effect + of_pair * rng.normal(size=(targets, samples))
        times = Draws.of(samples, targets, draws=200, seed=1).samples
        found.append(two_way_variance(effect.mean(axis=1), effect @ times / samples))
    expected = of_target**2 / targets + of_sample**2 / samples + of_pair**2 / (targets * samples)
    assert np.mean(found) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("paired", [True, False])
def test_variance_of_targets_that_move_in_pairs(paired):
    """Effects that both targets of a pair share count once for the pair, and others as without pairs."""
    rng = np.random.default_rng(3)
    targets, samples = 40, 400
    found = []
    for _ in range(30):
        levels = rng.normal(size=(targets // 2, 1)).repeat(2, axis=0) if paired else rng.normal(size=(targets, 1))
        effect = levels + 2 * rng.normal(size=samples) + 3 * rng.normal(size=(targets, samples))
        drawn = Draws.of(samples, targets, draws=200, seed=1, in_pairs=True)
        found.append(drawn.variance(effect.mean(axis=1), effect @ drawn.samples / samples))
    expected = 1 / (targets // 2 if paired else targets) + 4 / samples + 9 / (targets * samples)
    assert np.mean(found) == pytest.approx(expected, rel=0.25)


def test_of_a_pair_the_target_without_a_value_is_left_out():
    rng = np.random.default_rng(4)
    values, resampled = rng.normal(size=6), rng.normal(size=(6, 50))
    values[2], resampled[2] = np.nan, np.nan
    pairs = [0, 1], [3, 3], [4, 5]
    found = Draws.of(9, 6, 50, in_pairs=True).variance(values, resampled)
    means = [np.mean([of[list(pair)] for pair in pairs], axis=1) for of in (values, resampled)]
    assert found == pytest.approx(two_way_variance(*means))
    assert np.isnan(Draws.of(9, 2, 50, in_pairs=True).variance(values[:2], resampled[:2])), (
        "a single pair has no spread"
    )


def test_two_way_variance_of_one_target_is_unknown():
    assert np.isnan(two_way_variance(np.array([0.5, np.nan]), np.full((2, 10), 0.5)))
