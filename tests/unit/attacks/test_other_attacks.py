"""Attacks besides the paper's, each against a plain version of its definition."""

import numpy as np
import pytest
from plain import attacks as plain
from scipy.stats import norm, spearmanr, t
from worlds import scored_world as world

from lira.attacks import streaming, student
from lira.attacks.lira import Definition, held_out, leave_one_out
from lira.attacks.registry import ATTACKS
from lira.config import catalogue
from lira.core.errors import ConfigError, DataError

NAMES = tuple(plain.OTHERS)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
BOTH = {"base", "rmia", "moderated"}


def unbalanced(models=8, samples=30, views=2, seed=0):
    phi, _ = world(models, samples, views, seed=seed)
    rng = np.random.default_rng(seed)
    member = rng.random((models, samples)) < rng.uniform(0.15, 0.85, samples)
    member[:2], member[2:4] = True, False
    return phi, member


def outlying():
    phi, member = world(8, 20, 2)
    phi[3, 4] += 1e6
    phi[5, :5] -= 900
    return phi, member


def saturated():
    """Probabilities that are 0 or 1 in floating point."""
    phi, member = world(8, 20, 2)
    return phi * 300, member


def constants():
    phi, member = world(8, 20, 2)
    phi[:, :5] = 0.1
    phi[3, 2] = 0.7
    return phi, member


WORLDS = {
    "plain": lambda: world(8, 25, 2),
    "one view": lambda: world(8, 25, 1),
    "18 views": lambda: world(6, 12, 18),
    "ties": lambda: world(8, 25, 2, steps=1),
    "unbalanced": unbalanced,
    "many models": lambda: unbalanced(25, 30, 1),
    "two on a side": lambda: world(4, 25, 2),
    "outliers": outlying,
    "saturated": saturated,
    "constants": constants,
    "nothing but constants": lambda: (np.full((8, 20, 2), 0.1), world(8, 20, 2)[1]),
    "float32": lambda: world(8, 25, 2, dtype=np.float32),
    "equal variances": lambda: (
        world(30, 40, 1)[0] * 0 + norm.rvs(size=(30, 40, 1), random_state=0),
        world(30, 40, 1)[1],
    ),
}


def test_the_registry_has_the_names_that_a_study_may_have():
    assert tuple(ATTACKS) == catalogue.ATTACKS
    assert {*NAMES} == {*catalogue.ATTACKS} - {*catalogue.PAPER_ATTACKS}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", WORLDS)
def test_all_targets_at_once_are_plain(name, case):
    phi, member = WORLDS[case]()
    ours = leave_one_out(phi, member, name)[name]
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, plain.all_targets(name, phi, member), **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_held_out_is_plain(name):
    phi, member = unbalanced(9)
    np.testing.assert_allclose(
        held_out(phi, member, range(9)[4:5], name)[name], [plain.OTHERS[name](phi, member, 4)], **CLOSE
    )
    both = held_out(phi, member, [7, 4], name)[name]
    one = held_out(np.delete(phi, 4, axis=0), np.delete(member, 4, axis=0), [6], name)[name]
    np.testing.assert_allclose(both[0], one[0], **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_and_workers_change_nothing(monkeypatch, name):
    phi, member = unbalanced(10, 70)
    expected = leave_one_out(phi, member, name)[name]
    monkeypatch.setattr(streaming, "VALUES_PER_STEP", 3 * 10 * 2)
    monkeypatch.setattr(streaming, "VALUES_PER_FINISH", 200)
    monkeypatch.setattr(streaming, "SAMPLES_PER_TASK", 7)
    np.testing.assert_allclose(leave_one_out(phi, member, name)[name], expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("held", [True, False])
def test_a_sample_of_one_side_is_refused_or_not_scored(held):
    phi, member = world(8, 20, 2)
    member[:, 11] = held
    side = "OUT" if held else "IN"
    for name in NAMES:
        if name in BOTH - {"moderated"} or (held and name != "moderated" and name != "offline_moderated"):
            with pytest.raises(DataError, match=f"sample 11 has no {side} score"):
                leave_one_out(phi, member, name)
            with pytest.raises(DataError, match=f"sample 11 has no {side} score"):
                held_out(phi, member, [3], name)
            assert np.isnan(leave_one_out(phi, member, name, nonfinite="official")[name][:, 11]).all()
            continue
        expected = plain.all_targets(name, phi, member)
        lacks = name == "moderated" or held
        assert np.isnan(expected[:, 11]).all() == lacks
        np.testing.assert_allclose(leave_one_out(phi, member, name)[name], expected, **CLOSE)
        np.testing.assert_allclose(held_out(phi, member, [3], name)[name], expected[[3]], **CLOSE)


def test_one_score_on_a_side_has_the_variance_of_the_prior():
    phi, member = world(8, 20, 2)
    member[:, 3] = False
    member[0, 3] = True  # n = 1, or 0 when model 0 is the target
    ours = leave_one_out(phi, member, "moderated")["moderated"]
    assert np.isnan(ours[0, 3])
    assert np.isfinite(np.delete(ours.ravel(), 3)).all()
    np.testing.assert_allclose(ours, plain.all_targets("moderated", phi, member), **CLOSE)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 4.0])
def test_options_of_rmia(gamma):
    phi, member = world(8, 25, 2, steps=2)
    chosen = Definition(gamma=gamma, offline_share=0.6)
    ours = leave_one_out(phi, member, ["rmia", "rmia_offline"], definition=chosen)
    np.testing.assert_allclose(ours["rmia"], plain.all_targets("rmia", phi, member, gamma=gamma), **CLOSE)
    expected = plain.all_targets("rmia_offline", phi, member, gamma=gamma, a=0.6)
    np.testing.assert_allclose(ours["rmia_offline"], expected, **CLOSE)
    for wrong in (dict(gamma=0), dict(gamma=np.nan), dict(offline_share=1.5)):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is "):
            Definition(**wrong)


def test_rmia_ranks_as_base_where_the_other_samples_are_the_same():
    """Its count over z of r(z) <= r(x) / gamma never falls as r(x) rises."""
    phi, member = world(16, 300, 2)
    scores = leave_one_out(phi, member, ["rmia", "base"])
    for rmia, base in zip(scores["rmia"], scores["base"], strict=True):
        assert (np.diff(rmia[np.argsort(base)]) >= 0).all()
        assert spearmanr(rmia, base).statistic > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_model_is_named(name):
    phi, member = world(8, 20, 2)
    phi[5, 7, 1] = np.inf
    for attack in (lambda: leave_one_out(phi, member, name), lambda: held_out(phi, member, [0], name)):
        with pytest.raises(DataError, match="model 5 has NaN"):
            attack()


@pytest.mark.parametrize("freedom", [0.4, 3.0, 17.5, 60.0, 131.7, 1e3, 1e5, 1e8])
def test_tails_of_students_t(freedom):
    z = np.concatenate([-np.logspace(2, -3, 60), [0.0], np.logspace(-3, 1.5, 200)])
    np.testing.assert_allclose(student.surprise_above(z, np.full(z.shape, freedom)), -t.logsf(z, freedom), **CLOSE)
    np.testing.assert_allclose(student.log_constant(np.array([freedom])), t.logpdf([0], freedom), rtol=1e-12)


def test_tails_beyond_the_smallest_number():
    z, freedom = np.array([40.0, 1e4, 1e40, 90.0]), np.array([1e30, 300.0, 20.0, 1e4])
    ours = student.surprise_above(z, freedom)
    known = [-norm.logsf(40.0), 1911.30685200600861, 1814.54005113685303, 2971.75645956361521]  # mpmath
    np.testing.assert_allclose(ours, known, rtol=1e-12)
