"""The bootstrap interval of a mean over targets holds the true mean about as often as it says."""

import numpy as np
import pytest
from scipy.stats import norm

from lira.calibration import calibrate
from lira.summary import summarise

SEPARATION, SPREAD, FPR = 1.0, 1.0, 0.1
TRUTH = norm.cdf(SEPARATION / np.sqrt(SPREAD**2 + 1) + norm.ppf(FPR))


def share_covered(worlds, draws, first=0):
    """Of the intervals of the mean TPR at own thresholds; samples differ, so targets that share them are alike."""
    covered = []
    for seed in range(first, first + worlds):
        generator = np.random.default_rng(seed)
        member = generator.permuted(np.arange(10)[:, None] < np.full((1, 300), 5), axis=0)
        noise = generator.normal(size=(10, 300))
        scores = {"global": noise + SPREAD * generator.normal(size=300) + SEPARATION * member}
        rates = calibrate(scores, member, [FPR], [0.5])
        row = summarise(scores, member, rates, draws=draws, seed=seed).query("metric == 'tpr'").iloc[0]
        covered.append(row["low"] <= TRUTH <= row["high"])
    return np.mean(covered)


def test_coverage():
    assert share_covered(60, 200) >= 0.88


@pytest.mark.campaign
def test_coverage_at_length():
    assert share_covered(1000, 1000, first=1000) >= 0.92
