import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, t
from synthetic_study import FPRS, run_folder

from lira.attacks.lira import leave_one_out
from lira.core.errors import ConfigError, DataError
from lira.evaluation.calibration import calibrate, thresholds_of
from lira.evaluation.record_calibration import calibrate_by_record, record_p_values
from lira.shadows.membership import balanced_membership
from lira.storage.csv_files import COLUMNS
from lira.storage.run import RUN_KEYS


def world(targets=48, samples=800, spread=0.7, effect=2.0, seed=0):
    """Scores that vary more for some records than for others, and membership."""
    rng = np.random.default_rng(seed)
    member = balanced_membership(samples, targets, 0.5, seed)
    return rng.normal(size=member.shape) * rng.lognormal(0, spread, samples) + effect * member, member


def calibrated(scores, member, *fprs):
    rates = calibrate({"a": scores}, member, list(fprs), [0.1])
    return calibrate_by_record(scores, member, {fpr: thresholds_of(rates, "a", fpr) for fpr in fprs})


def number(found, kind, metric, at=None, column="value", fpr=0.05):
    rows = found[(found["fpr"] == fpr) & (found["kind"] == kind) & (found["metric"] == metric)]
    (value,) = rows.loc[rows["at"].isna() if at is None else rows["at"] == at, column]
    return value


def test_ranks_are_counted_one_by_one():
    rng = np.random.default_rng(0)
    scores, member = rng.integers(0, 4, (9, 12)).astype(float), rng.random((9, 12)) < 0.5
    member[:, 0], member[:, 1], member[2:, 2] = True, False, True
    scores[3, 4], scores[0, 5] = np.nan, np.inf
    found = record_p_values(scores, member, "rank")
    for target in range(9):
        for j in range(12):
            others = [scores[i, j] for i in range(9) if i != target and not member[i, j] and not np.isnan(scores[i, j])]
            if np.isnan(scores[target, j]) or not others:
                assert np.isnan(found[target, j])
            else:
                expected = (1 + sum(other >= scores[target, j] for other in others)) / (len(others) + 1)
                assert found[target, j] == pytest.approx(expected, rel=1e-12)


def test_smooth_ones_are_those_of_the_attack_of_one_view():
    scores, member = world(16, 40)
    surprise = leave_one_out(scores, member, "offline_moderated")["offline_moderated"]
    np.testing.assert_allclose(record_p_values(scores, member), np.exp(-surprise), rtol=1e-12)
    missing = scores.copy()
    missing[5, 7] = np.nan
    found = record_p_values(missing, member)
    assert np.isnan(found).sum() == 1 and np.isnan(found[5, 7])


def test_smooth_ones_with_one_variance_are_a_plain_t():
    """With variances that do not differ beyond chance the prior is exact, and p is a normal tail."""
    rng = np.random.default_rng(2)
    member = balanced_membership(3000, 20, 0.5, 0)
    scores = rng.normal(size=member.shape)
    found, out = record_p_values(scores, member), ~member
    for target, j in ((0, 0), (3, 11), (7, 500)):
        others = scores[out[:, j] & (np.arange(20) != target), j]
        z = (scores[target, j] - others.mean()) / np.sqrt(1 + 1 / others.size)
        assert found[target, j] == pytest.approx(t.sf(z, 1e6), rel=0.1)


def test_a_pooled_threshold_spreads_the_fprs_of_records_and_own_ones_do_not():
    scores, member = world()
    found = calibrated(scores, member, 0.01, 0.05)
    for fpr in (0.01, 0.05):
        assert number(found, "pooled", "dispersion", column="low", fpr=fpr) > 2
        assert number(found, "smooth", "dispersion", column="high", fpr=fpr) < 1.1
        for kind in ("pooled", "smooth"):
            assert number(found, kind, "fpr", fpr=fpr) == pytest.approx(fpr, rel=0.15)
        assert number(found, "smooth", "tpr", column="low", fpr=fpr) > number(
            found, "pooled", "tpr", column="high", fpr=fpr
        )
    assert number(found, "pooled", "above", 10, fpr=0.01) > 10 * number(
        found, "pooled", "above", 10, "chance", fpr=0.01
    )
    assert number(found, "pooled", "above", 0) < number(found, "pooled", "above", 0, "chance") - 0.2
    assert number(found, "rank", "dispersion") == 0 and number(found, "rank", "fpr") == pytest.approx(1 / 24, rel=1e-3)
    assert number(found, "rank", "finest", fpr=0.01) == 1 / 24 and number(found, "rank", "tpr", fpr=0.01) == 0


def test_records_that_do_not_differ_spread_as_binomial_counts_do():
    scores, member = world(spread=0, effect=0, samples=3000)
    found = calibrated(scores, member, 0.05)
    low, high = (number(found, "pooled", "dispersion", column=end) for end in ("low", "high"))
    assert low < 1.02 and high > 0.98 and high - low < 0.2
    for at in (0, 1, 2):
        assert number(found, "pooled", "above", at) == pytest.approx(
            number(found, "pooled", "above", at, "chance"), abs=0.03
        )
    threshold = thresholds_of(calibrate({"a": scores}, member, [0.05], [0.1]), "a", 0.05)
    rate, size = ((scores >= threshold[:, None]) & ~member).sum() / (~member).sum(), 24
    assert number(found, "pooled", "above", 0, "chance") == pytest.approx(1 - (1 - rate) ** size)
    assert number(found, "pooled", "above", 2, "chance") == pytest.approx(binom.sf(2, size, rate))
    assert number(found, "pooled", "quantile", 0.9, "chance") == pytest.approx(binom.ppf(0.9, size, rate) / size)
    for kind in ("pooled", "rank", "smooth"):
        assert number(found, kind, "tpr", column="low") < number(found, kind, "tpr", column="chance") * 1.05


def test_unequal_numbers_of_targets():
    rng = np.random.default_rng(0)
    scores, member = rng.normal(size=(40, 600)), rng.random((40, 600)) < rng.uniform(0.2, 0.8, 600)
    found = calibrated(scores, member, 0.05)
    trials, rate = (~member).sum(axis=0), None
    threshold = thresholds_of(calibrate({"a": scores}, member, [0.05], [0.1]), "a", 0.05)
    wrong = (scores >= threshold[:, None]) & ~member
    rate = wrong.sum() / trials.sum()
    assert number(found, "pooled", "above", 0) == pytest.approx((wrong.sum(axis=0) > 0).mean())
    assert number(found, "pooled", "quantile", 1) == pytest.approx((wrong.sum(axis=0) / trials).max())
    assert number(found, "pooled", "above", 0, "chance") == pytest.approx((1 - (1 - rate) ** trials).mean())
    assert number(found, "rank", "finest") == 1 / trials.min()


def test_file_and_summary_say_the_same(study):
    place = run_folder(study, "fcn", "baseline")
    found = pd.read_csv(place / "record_calibration.csv")
    assert list(found) == [*RUN_KEYS, *COLUMNS["record_calibration"]] and set(found["attack"]) == {"online"}
    pooled = found[(found["kind"] == "pooled") & (found["metric"] == "tpr")].set_index("fpr")["value"]
    summary = pd.read_csv(place / "summary.csv").query("attack == 'online' and mode == 'shadow' and metric == 'tpr'")
    for fpr in FPRS:
        assert pooled[fpr] == pytest.approx(summary.set_index("fpr").loc[fpr, "mean"], rel=1e-12)


def test_errors():
    with pytest.raises(ConfigError, match="kind is 'pooled': allowed are rank, smooth|kind is 'pooled'"):
        record_p_values(np.zeros((3, 4)), np.eye(3, 4, dtype=bool), "pooled")
    with pytest.raises(DataError, match="must both be"):
        record_p_values(np.zeros((3, 4)), np.ones((3, 5), dtype=bool))
