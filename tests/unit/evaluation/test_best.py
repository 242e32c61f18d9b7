"""The best attack: chosen on other targets than it is judged on, so that choosing costs nothing."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from lira.evaluation.best import BEST, Resampled, best_attacks, choices
from lira.evaluation.bootstrap import Draws, bootstrap_interval, resample_auc, two_way_variance
from lira.evaluation.calibration import calibrate
from lira.evaluation.summary import null_means, summarise

FPRS, PRIORS = [0.05, 0.2], [0.1]


def world(strengths, models=8, samples=200, seed=0):
    rng = np.random.default_rng(seed)
    member = rng.random((models, samples)) < 0.5
    scores = {name: rng.normal(size=member.shape) + strength * member for name, strength in strengths.items()}
    return scores, member


def row(found, attack, mode, metric, fpr=None):
    rows = found[(found["attack"] == attack) & (found["mode"] == mode) & (found["metric"] == metric)]
    (one,) = rows[rows["fpr"].isna() if fpr is None else rows["fpr"] == fpr].to_dict("records")
    return one


def test_each_target_takes_the_attack_that_is_best_on_the_others():
    values = {"a": np.array([9.0, 0, 0, 0]), "b": np.array([1.0, 1, 1, 1]), "c": np.array([1.0, 1, 1, 1])}
    assert best_attacks(values) == ["b", "a", "a", "a"]  # its own 9 does not choose for the first


def test_the_best_is_the_mean_of_what_each_targets_choice_finds():
    scores, member = world({"weak": 0.3, "strong": 1.0, "global": 3.0})
    metrics = calibrate(scores, member, FPRS, PRIORS)
    found = summarise(scores, member, metrics, draws=40)
    assert set(choices(metrics)[0.2]) == {"strong"}  # global has no shadow thresholds
    for mode in ("target", "shadow"):
        for metric in ("tpr", "fpr_achieved"):
            best, strong = (row(found, name, mode, metric, 0.2) for name in (BEST, "strong"))
            same = ("mean", "std", "low", "high", "standard_error", "influence")
            assert {name: best[name] for name in same} == {name: strong[name] for name in same}
    assert row(found, BEST, "target", "auc")["mean"] == row(found, "global", "target", "auc")["mean"]
    assert row(found, BEST, "target", "tpr", 0.2)["chosen"] == "strong 8"


def test_choices_that_differ_between_targets_are_averaged_target_by_target():
    for seed in range(50):
        scores, member = world({"one": 0.8, "other": 0.8}, models=9, seed=seed)
        metrics = calibrate(scores, member, FPRS, PRIORS)
        names = choices(metrics)[0.05]
        if len(set(names)) == 2:
            break
    assert set(names) == {"one", "other"}
    own = metrics.query("mode == 'target' and fpr == 0.05").set_index(["attack", "target"])["tpr"]
    expected = np.mean([own[name, target] for target, name in enumerate(names)])
    found = row(summarise(scores, member, metrics, draws=20), BEST, "target", "tpr", 0.05)
    assert found["mean"] == pytest.approx(expected)
    assert found["low"] <= expected <= found["high"]


def test_choosing_among_attacks_that_know_nothing_finds_nothing():
    """The largest of twelve means is above what a coin finds; chosen on other targets, it is that."""
    best, coins, largest = [], [], []
    for seed in range(100):
        scores, member = world({f"coin{k}": 0.0 for k in range(12)}, models=6, samples=60, seed=seed)
        null = null_means(calibrate(scores, member, [0.2], PRIORS))
        found = null[(null["metric"] == "tpr") & (null["mode"] == "target")].set_index("attack")["null"]
        best.append(found[BEST])
        coins.append(found.drop(BEST).mean())
        largest.append(found.drop(BEST).max())
    error = np.std(np.subtract(best, coins), ddof=1) / np.sqrt(len(best))
    assert abs(np.mean(best) - np.mean(coins)) < 3 * error
    assert np.mean(largest) > np.mean(coins) + 6 * error


def test_the_interval_holds_where_the_choice_is_most_of_the_error():
    """With the choice of the whole pool in every draw, one interval in five misses the chance."""
    missed = 0
    for seed in range(200):
        scores, member = world({f"coin{k}": 0.0 for k in range(6)}, models=8, samples=60, seed=seed)
        draws = Draws.of(60, 8, 100, seed)
        of_each = {
            name: np.array([roc_auc_score(*pair) for pair in zip(member, found, strict=True)])
            for name, found in scores.items()
        }
        chosen = best_attacks(of_each)
        best = Resampled({None: chosen})
        for found in scores.values():
            best.take_auc(resample_auc(found, member, draws))
        auc = np.array([of_each[name][target] for target, name in enumerate(chosen)])
        found = bootstrap_interval(auc.mean(), draws.mean(best.auc()), two_way_variance(auc, best.auc()))
        missed += not found.low <= 0.5 <= found.high
    assert missed <= binom.ppf(0.999, 200, 0.05)


def test_one_attack_has_no_best():
    scores, member = world({"online": 1.0, "global": 1.0})
    metrics = calibrate(scores, member, FPRS, PRIORS)
    assert [*choices(metrics)] == [None]  # by AUC alone there are two
    assert choices(metrics, ["online"]) == {}
    found = summarise(scores, member, metrics, draws=5)
    assert set(found.loc[found["attack"] == BEST, "metric"]) == {"auc"}


def test_oracle_and_coin_are_not_chosen_in_the_null_world():
    scores, member = world({"online": 0.0, "rmia": 0.0})
    controls = calibrate(scores | {"oracle": member.astype(float)}, member, [0.2], PRIORS)
    null = null_means(controls)
    assert null[(null["attack"] == BEST) & (null["metric"] == "tpr")]["null"].max() < 0.6
