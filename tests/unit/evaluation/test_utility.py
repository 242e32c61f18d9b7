"""Utility over models, and how the loss ratio predicts the TPR, against other implementations."""

import numpy as np
import pytest
from scipy.stats import linregress, pearsonr, spearmanr
from synthetic_study import MAIN, run_folder

from lira.evaluation.rates import RatesOverTargets
from lira.evaluation.utility import fit, loss_ratios, utility_over_models
from lira.storage.run import Run


def test_fit_against_scipy():
    generator = np.random.default_rng(0)
    ratio = 10 ** generator.uniform(0, 2, 40)
    tpr = 4 * np.log10(ratio) + generator.normal(0, 1, 40)
    found, line = fit(ratio, tpr), linregress(np.log10(ratio), tpr)
    assert found.r.value == pytest.approx(pearsonr(np.log10(ratio), tpr).statistic)
    assert found.rho.value == pytest.approx(spearmanr(ratio, tpr).statistic)
    assert (found.slope.value, found.intercept.value) == pytest.approx((line.slope, line.intercept))
    assert found.slope.error == pytest.approx(line.stderr, rel=0.3)
    assert found.explained.value == pytest.approx(line.rvalue**2)
    assert fit(ratio[:2], tpr[:2]) is None


def test_loss_ratios_are_means_over_models_beside_the_rates_of_the_targets(study):
    runs = [Run(run_folder(study, *key)) for key in MAIN]
    points = loss_ratios(runs, 0.01)
    for run, point in zip(runs, points.itertuples(), strict=True):
        models, rate = run.utility, RatesOverTargets(run).find("online", "target", 0.01, "tpr")
        assert point.loss_ratio == pytest.approx((models["test_loss"] / models["train_loss"]).mean())
        assert (point.tpr, point.low, point.high, point.null) == tuple(rate[k] for k in ("mean", "low", "high", "null"))
        assert point.negatives == pytest.approx(run.negatives)
    assert loss_ratios(runs, 0.5).empty and list(loss_ratios(runs, 0.5)) == list(points)


def test_runs_whose_losses_are_not_known_are_left_out(study):
    known, unknown = (Run(run_folder(study, *key)) for key in MAIN[:2])
    unknown.utility["train_loss"] = np.nan
    assert list(loss_ratios([known, unknown], 0.01)["regime"]) == [known.key["regime"]]
    assert np.isnan(utility_over_models(unknown)["loss_ratio_mean"])
    unknown.utility["train_loss"] = 0.0
    assert loss_ratios([unknown], 0.01).empty
