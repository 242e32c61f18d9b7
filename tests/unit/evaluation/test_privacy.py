"""Bounds on ε, against worlds whose ε is known and cases worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import beta, norm

from lira.attacks.lira import score_file
from lira.core.errors import ConfigError, DataError
from lira.evaluation.calibration import calibrate, calibrate_file
from lira.evaluation.controls import control_file
from lira.evaluation.privacy import bound_privacy, bound_privacy_file, epsilon_bound, gaussian_bound, gaussian_epsilon
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, read_csv
from lira.storage.run import RUN_KEYS

DELTA = 1e-5
RUN = {"study": "test", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 3}


def true_epsilon(mu, delta):
    """ε at δ of N(μ, 1) against N(0, 1), from the integral that defines it."""

    def spent(epsilon):
        """The integral of max(p - e^ε q, 0), which is positive above ε / μ + μ / 2."""
        start = epsilon / mu + mu / 2
        return quad(lambda x: norm.pdf(x, mu) - np.exp(epsilon) * norm.pdf(x), start, start + 30, epsabs=1e-13)[0]

    return brentq(lambda epsilon: spent(epsilon) - delta, 0, 60)


def draw(mu, threshold, trials, repeats):
    """Counts of scores N(μ, 1) of members and N(0, 1) of others at a threshold."""
    rng = np.random.default_rng(0)
    tp, fp = rng.binomial(trials, norm.sf(threshold - mu), repeats), rng.binomial(trials, norm.sf(threshold), repeats)
    return tp, trials - tp, fp, trials - fp


@pytest.mark.parametrize("mu", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-2])
def test_epsilon_of_a_gaussian_mechanism(mu, delta):
    assert gaussian_epsilon(np.array([mu]), delta)[0] == pytest.approx(true_epsilon(mu, delta), rel=1e-6)


def test_ends_of_the_epsilon_of_a_gaussian_mechanism():
    np.testing.assert_array_equal(gaussian_epsilon(np.array([0.0, 1.0]), 0.0), [0, np.inf])
    assert gaussian_epsilon(np.array([0.0, 1e-7]), 1e-5).tolist() == [0, 0]  # δ alone allows for so little
    assert gaussian_epsilon(1.0, 1.0) == 0


@pytest.mark.parametrize("threshold", [-2.0, 0.5, 2.0, 3.0])
@pytest.mark.parametrize("mu", [0.5, 2.0])
def test_the_bound_is_above_the_truth_in_one_of_twenty_at_most(mu, threshold):
    for trials in (20, 1000):
        counts = draw(mu, threshold, trials, 5000)
        bound, strength = epsilon_bound(*counts), gaussian_bound(*counts)
        assert (bound > true_epsilon(mu, DELTA)).mean() <= 0.05
        assert (strength > mu).mean() <= 0.05
        assert (gaussian_epsilon(strength, DELTA) > true_epsilon(mu, DELTA)).mean() <= 0.05


def test_the_bound_tells_something():
    """With many trials it comes near what the threshold shows, and μ near the truth."""
    counts = draw(2.0, 3.0, 100_000, 200)
    shown = np.log(norm.sf(1.0) / norm.sf(3.0))
    assert (epsilon_bound(*counts) > 0.9 * shown).all()
    assert (gaussian_bound(*counts) > 1.8).all()
    assert (gaussian_epsilon(gaussian_bound(*counts), DELTA) > 0.85 * true_epsilon(2.0, DELTA)).all()


@pytest.mark.parametrize("mu", [0.0, 1.5])
def test_a_run_is_never_said_to_leak_more_than_it_does(mu):
    """From scores through calibration: the largest bound of all attacks, FPRs and records is above ε in 5 % at most."""
    truth, above, largest, most = true_epsilon(mu, DELTA) if mu else 0.0, 0, 0.0, 40
    for seed in range(most):
        rng = np.random.default_rng(seed)
        member = rng.permuted(np.arange(16)[:, None] % 2 == np.zeros(100), axis=0)
        scores = {name: rng.normal(size=member.shape) + mu * member for name in ("online", "offline")}
        rates = calibrate(scores, member, [0.02, 0.2], [0.5])
        counted = rates.query("attack == 'online' and mode == 'shadow' and fpr == 0.2").sort_values("target")
        flagged = scores["online"] >= counted["threshold"].to_numpy()[:, None]
        columns = {"tp": flagged & member, "fp": flagged & ~member, "tn": ~flagged & ~member, "fn": ~flagged & member}
        samples = pd.DataFrame(
            {"fpr": 0.2, "sample": range(100)} | {name: v.sum(axis=0) for name, v in columns.items()}
        )
        found = bound_privacy(rates, rates, samples, samples, DELTA)
        assert len(found) == 4 and set(found["tests"]) == {4} and found["records_tests"].dropna().tolist() == [100]
        largest = max(largest, found["epsilon"].max())
        above += found[["epsilon", "mu_epsilon", "record_epsilon", "record_mu_epsilon"]].max(axis=None) > truth
    assert above <= 0.05 * most
    assert (largest > 0) == (mu > 0) or above


def test_by_hand():
    """Ten of ten members and none of ten others: 0.025 ** 0.1 is the lower limit, and 1 minus it the upper."""
    limit = 0.025**0.1
    assert epsilon_bound([10], [0], [0], [10], 0.0)[0] == pytest.approx(np.log(limit / (1 - limit)))
    assert epsilon_bound([10], [0], [0], [10], 0.1)[0] == pytest.approx(np.log((limit - 0.1) / (1 - limit)))
    assert gaussian_bound([10], [0], [0], [10])[0] == pytest.approx(2 * norm.ppf(limit))
    assert epsilon_bound([10], [0], [0], [10], 0.0, 0.99)[0] == pytest.approx(np.log(0.005**0.1 / (1 - 0.005**0.1)))


def test_either_side_may_refute():
    """Few of the members, none of the others; and all of the members, many of the others."""
    b, a = beta.ppf(0.025, 30, 71), beta.ppf(0.975, 1, 100)
    assert epsilon_bound([30], [70], [0], [100], 0.0)[0] == pytest.approx(np.log(b / a))
    assert epsilon_bound([100], [0], [70], [30], 0.0)[0] == pytest.approx(np.log(b / a))


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (0, 9, 0, 9), (9, 0, 9, 0), (0, 9, 9, 0), (5, 5, 5, 5), (9, 0, 0, 0)])
def test_counts_that_refute_nothing(counts):
    counts = [np.array([count]) for count in counts]
    assert epsilon_bound(*counts)[0] == gaussian_bound(*counts)[0] == 0


def test_what_is_no_count_is_refused():
    for wrong in (-1, 0.5, np.nan, np.inf):
        with pytest.raises(DataError, match=f"^fp has {wrong:g}: counts are whole numbers from 0$"):
            epsilon_bound([1, 1], [1, 1], [1, wrong], [1, 1])
    with pytest.raises(DataError, match=r"^fn \(2,\) must be of the shape of tp \(1,\)$"):
        epsilon_bound([1], [1, 2], [1], [1])
    with pytest.raises(ConfigError, match="delta is 2"):
        epsilon_bound([1], [1], [1], [1], 2)
    with pytest.raises(ConfigError, match="confidence is -1"):
        gaussian_bound([1], [1], [1], [1], -1)
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(DataError, match="mu has values"):
            gaussian_epsilon(wrong)


def test_file(tmp_path):
    """The counts of all targets and of each record, those of chance beside them, and how many were looked at."""
    rng = np.random.default_rng(0)
    member = rng.permuted(np.arange(32)[:, None] % 2 == np.zeros(80), axis=0)
    phi = rng.normal(size=member.shape) + 6.0 * (member & (np.arange(80) < 8))
    with hdf5.create(tmp_path / "shadows.h5", "shadows", RUN | {"recipe": {}}) as file:
        file["phi"], file["member"] = phi[..., None], member
    score_file(tmp_path / "shadows.h5", tmp_path / "scores.h5", attacks=["online", "offline", "global"])
    places = {
        name: tmp_path / f"{name}.csv" for name in ("metrics", "samples", "controls", "null_samples", "null_gaps")
    }
    calibrate_file(tmp_path / "scores.h5", [0.1, 0.2], [0.1, 0.5], places["metrics"], places["samples"])
    control_file(
        tmp_path / "shadows.h5", [0.1, 0.2], [0.1, 0.5], *[*places.values()][2:], attacks=["online", "offline"]
    )
    bound_privacy_file(tmp_path, tmp_path / "privacy.csv", 1e-4)
    found = read_csv(tmp_path / "privacy.csv", "privacy")
    assert list(found) == [*RUN_KEYS, *COLUMNS["privacy"]]
    assert found[["attack", "fpr"]].to_numpy().tolist() == [[a, f] for a in ("online", "offline") for f in (0.1, 0.2)]
    assert set(found["delta"]) == {1e-4} and set(found["tests"]) == {4}
    metrics, samples = read_csv(places["metrics"]), read_csv(places["samples"])
    total = metrics.query("attack == 'offline' and mode == 'shadow' and fpr == 0.2 and prior == 0.1")
    row = found.iloc[3]
    assert row[["tp", "fn", "fp", "tn"]].tolist() == total[["tp", "fn", "fp", "tn"]].sum().tolist()
    expected = epsilon_bound(*([row[name]] for name in ("tp", "fn", "fp", "tn")), delta=1e-4, confidence=1 - 0.05 / 4)
    assert row["epsilon"] == pytest.approx(expected[0])
    assert found["records"].isna().tolist() == [False, False, True, True]  # samples.csv counts online alone
    row, own = found.iloc[0], samples.query("fpr == 0.1").sort_values("sample")
    bounds = epsilon_bound(*(own[name] for name in ("tp", "fn", "fp", "tn")), delta=1e-4, confidence=1 - 0.05 / 160)
    assert row["records_above"] == (bounds > 0).sum() > 0 and row["record_epsilon"] == bounds.max()
    assert row["record"] == bounds.argmax() < 8
    assert row["record_epsilon"] <= row["record_possible"]
    assert row["null_records_above"] == row["null_record_epsilon"] == 0
    assert row["null_epsilon"] < row["epsilon"]
