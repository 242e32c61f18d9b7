"""The bootstrap interval of a mean over targets holds the true mean about as often as it says."""

import numpy as np
import pytest
from scipy.stats import norm

from lira.calibration import calibrate
from lira.summary import summarise

SEPARATION, SPREAD, FPR = 1.0, 1.0, 0.1
TRUTH = norm.cdf(SEPARATION / np.sqrt(SPREAD**2 + 1) + norm.ppf(FPR))


def intervals(worlds, draws, first=0):
    """Means, intervals and standard errors of the TPR, at own and at shadow thresholds.

    Samples differ, so targets that share them are alike.
    """
    found = []
    for seed in range(first, first + worlds):
        generator = np.random.default_rng(seed)
        member = generator.permuted(np.arange(10)[:, None] < np.full((1, 300), 5), axis=0)
        noise = generator.normal(size=(10, 300))
        scores = {"online": noise + SPREAD * generator.normal(size=300) + SEPARATION * member}
        rates = calibrate(scores, member, [FPR], [0.5])
        rows = summarise(scores, member, rates, draws=draws, seed=seed).query("metric == 'tpr'").set_index("mode")
        found.append(rows.loc[["target", "shadow"], ["mean", "low", "high", "standard_error"]].to_numpy())
    return dict(zip(("target", "shadow"), np.transpose(found, (1, 2, 0)), strict=True))


def covered(mode, mean, low, high):
    """Share of the intervals that hold the truth: of many such studies their mean, of own thresholds the theory's."""
    truth = TRUTH if mode == "target" else mean.mean()
    return np.mean((low <= truth) & (high >= truth))


def width(mean, low, high):
    """Mean width, against that of the interval that knows how far the means really spread."""
    return (high - low).mean() / (2 * norm.ppf(0.975) * mean.std())


@pytest.mark.parametrize("mode", ["target", "shadow"])
def test_coverage(found, mode):
    mean, low, high, error = found[mode]
    assert covered(mode, mean, low, high) >= 0.88
    assert width(mean, low, high) <= 1.35
    assert 0.75 <= error.mean() / mean.std() <= 1.35


@pytest.fixture(scope="module")
def found():
    return intervals(60, 200)


@pytest.mark.campaign
def test_coverage_at_length():
    for mode, (mean, low, high, error) in intervals(1000, 1000, first=1000).items():
        assert 0.93 <= covered(mode, mean, low, high) <= 0.985
        assert width(mean, low, high) <= 1.25
        assert 0.95 <= error.mean() / mean.std() <= 1.25
