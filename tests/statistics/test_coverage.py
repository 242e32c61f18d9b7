"""The bootstrap interval of a mean over targets holds the true mean about as often as it says."""

import numpy as np
import pytest
from scipy.stats import norm

from lira.calibration import calibrate
from lira.summary import summarise

SEPARATION, SPREAD, FPR = 1.0, 1.0, 0.1
TRUTH = norm.cdf(SEPARATION / np.sqrt(SPREAD**2 + 1) + norm.ppf(FPR))


def intervals(worlds, draws, first=0):
    """Means and intervals of the TPR at own thresholds; samples differ, so targets that share them are alike."""
    found = []
    for seed in range(first, first + worlds):
        generator = np.random.default_rng(seed)
        member = generator.permuted(np.arange(10)[:, None] < np.full((1, 300), 5), axis=0)
        noise = generator.normal(size=(10, 300))
        scores = {"global": noise + SPREAD * generator.normal(size=300) + SEPARATION * member}
        rates = calibrate(scores, member, [FPR], [0.5])
        row = summarise(scores, member, rates, draws=draws, seed=seed).query("metric == 'tpr'").iloc[0]
        found.append((row["mean"], row["low"], row["high"], row["standard_error"]))
    return np.array(found).T


def covered(low, high):
    return np.mean((low <= TRUTH) & (high >= TRUTH))


def width(mean, low, high):
    """Mean width, against that of the interval that knows how far the means really spread."""
    return (high - low).mean() / (2 * norm.ppf(0.975) * mean.std())


def test_coverage():
    mean, low, high, error = intervals(60, 200)
    assert covered(low, high) >= 0.88
    assert width(mean, low, high) <= 1.35
    assert 0.75 <= error.mean() / mean.std() <= 1.35


@pytest.mark.campaign
def test_coverage_at_length():
    mean, low, high, error = intervals(1000, 1000, first=1000)
    assert 0.94 <= covered(low, high) <= 0.985
    assert width(mean, low, high) <= 1.25
    assert 1 <= error.mean() / mean.std() <= 1.25
