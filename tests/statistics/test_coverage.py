"""The interval of a mean over targets holds the true mean about as often as it says."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from lira.attacks.budget import in_pairs
from lira.attacks.lira import leave_one_out
from lira.evaluation.bootstrap import Draws, resample_auc, two_way_variance
from lira.evaluation.budgets import measure_budgets
from lira.evaluation.calibration import calibrate
from lira.evaluation.roc import Ordered
from lira.evaluation.summary import summarise
from lira.shadows.membership import balanced_membership

SEPARATION, SPREAD, FPR = 1.0, 1.0, 0.1
TRUTH = norm.cdf(SEPARATION / np.sqrt(SPREAD**2 + 1) + norm.ppf(FPR))


RATES = {"TPR": ("target", "tpr"), "TPR′": ("shadow", "tpr"), "FPR′": ("shadow", "fpr_achieved")}


def intervals(worlds, draws, first=0):
    """Means, intervals and standard errors of the rates, at own and at shadow thresholds.

    Samples differ, so targets that share them are alike.
    """
    found = []
    for seed in range(first, first + worlds):
        generator = np.random.default_rng(seed)
        member = generator.permuted(np.arange(10)[:, None] < np.full((1, 300), 5), axis=0)
        noise = generator.normal(size=(10, 300))
        scores = {"online": noise + SPREAD * generator.normal(size=300) + SEPARATION * member}
        rates = calibrate(scores, member, [FPR], [0.5])
        rows = summarise(scores, member, rates, draws=draws, seed=seed).set_index(["mode", "metric"])
        found.append(rows.loc[list(RATES.values()), ["mean", "low", "high", "standard_error"]].to_numpy())
    return dict(zip(RATES, np.transpose(found, (1, 2, 0)), strict=True))


def judged(name, mean, low, high, error):
    """Share of the intervals that hold the truth; their width and the error, against the means' real spread.

    The truth is the theory's at own thresholds, else the mean over all studies.
    """
    truth = TRUTH if name == "TPR" else mean.mean()
    width = (high - low).mean() / (2 * norm.ppf(0.975) * mean.std())
    return np.mean((low <= truth) & (high >= truth)), width, error.mean() / mean.std()


@pytest.fixture(scope="module")
def found():
    return intervals(60, 200)


@pytest.mark.parametrize(("name", "widest"), [("TPR", 1.35), ("TPR′", 1.35), ("FPR′", 2.0)])
def test_coverage(found, name, widest):
    share, width, error = judged(name, *found[name])
    assert share >= 0.88
    assert width <= widest
    assert 0.75 <= error <= widest


@pytest.mark.campaign
def test_coverage_at_length():
    for name, of_worlds in intervals(1000, 1000, first=1000).items():
        share, width, error = judged(name, *of_worlds)
        print(f"{name}: {share:.3f} covered, width {width:.2f}, standard error {error:.2f}")
        assert share >= 0.94
        assert max(width, error) <= (1.9 if name == "FPR′" else 1.25)
        assert min(width, error) >= 0.95


def test_the_error_of_targets_that_hold_complementary_halves():
    """Models differ in the level of their φ, and nothing leaks: an AUC moves with that of the other of the pair."""
    attacks, found = ["moderated", "online_fixed"], []
    for seed in range(200):
        rng, member = np.random.default_rng(seed), balanced_membership(300, 16, 0.5, seed, generator="nested")
        phi = rng.normal(size=300) + rng.normal(size=member.shape) + rng.normal(size=(16, 1))
        drawn = Draws.of(300, 16, 100, seed, in_pairs(member))
        for scores in leave_one_out(phi, member, attacks).values():
            auc = np.array([Ordered.of(*of).auc for of in zip(scores, member, strict=True)])
            again = resample_auc(scores, member, drawn).astype(float)
            found.append([auc.mean(), drawn.variance(auc, again), two_way_variance(auc, again)])
    mean, *variances = np.transpose(np.reshape(found, (200, 2, 3)), (2, 1, 0))
    in_pair, one_by_one = (np.sqrt(of.mean(axis=1)) / mean.std(axis=1) for of in variances)
    assert (np.abs(in_pair - 1) < 0.1).all() and (one_by_one < 0.9).all()


def budgets(worlds, first=0):
    """Rates with fewer models in studies of the same samples, whose models differ in how much they fit."""
    fixed, found = np.random.default_rng(1234), []
    centre, gap = fixed.normal(2, 2, 400), np.abs(fixed.standard_t(3, 400))
    for seed in range(first, first + worlds):
        rng = np.random.default_rng(seed)
        member = balanced_membership(400, 32, 0.5, seed, generator="nested")
        phi = centre + rng.normal(0, 0.3, (32, 1)) + gap * member * rng.lognormal(0, 0.3, (32, 1))
        phi = (phi + rng.normal(size=member.shape))[..., None]
        found.append(measure_budgets(phi, member, [4, 16], [0.05], ["online_fixed", "rmia"]))
    return pd.concat(found).groupby(["attack", "models", "metric"])


def covered(rows):
    return ((rows["low"] <= rows["mean"].mean()) & (rows["mean"].mean() <= rows["high"])).mean()


def test_coverage_with_fewer_models():
    for name, rows in budgets(20):
        assert covered(rows) >= 0.75, name


@pytest.mark.campaign
def test_coverage_with_fewer_models_at_length():
    for name, rows in budgets(300, first=1000):
        print(f"{name}: {covered(rows):.3f} covered")
        assert covered(rows) >= 0.88, name
