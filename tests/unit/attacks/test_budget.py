"""Fewer shadow models, drawn from those that are no targets."""

import numpy as np
import pytest
from worlds import scored_world

from lira.attacks.block import Reader
from lira.attacks.budget import Pool
from lira.attacks.definition import Definition
from lira.attacks.lira import held_out
from lira.attacks.registry import ATTACKS
from lira.core.errors import ConfigError
from lira.core.validation import check_budgets, targets_apart
from lira.shadows.membership import balanced_membership


def nested(models=24, samples=60, views=2, seed=0):
    phi, _ = scored_world(models, samples, views, seed=seed)
    member = balanced_membership(samples, models, 0.5, seed, generator="nested")
    return phi + 3 * member[:, :, None], member


def independent(models=24, samples=60, views=2, seed=0, share=0.5):
    phi, _ = scored_world(models, samples, views, seed=seed)
    member = np.random.default_rng(seed).random((models, samples)) < share
    return phi + 3 * member[:, :, None], member


def drawn_by_hand(phi, member, pool, drawn):
    """The targets and then the shadow models of each sample, copied one by one."""
    rows = len(pool.targets) + len(drawn)
    scores, held = np.empty((rows, *phi.shape[1:])), np.empty((rows, phi.shape[1]), dtype=bool)
    for sample in range(phi.shape[1]):
        for row, model in enumerate([*pool.targets, *drawn[:, sample]]):
            scores[row, sample], held[row, sample] = phi[model, sample], member[model, sample]
    return scores, held


def test_whole_pairs_are_kept_apart_and_drawn_from_nested_draws():
    _, member = nested()
    pool = Pool(member)
    assert pool.in_pairs and len(pool.targets) == targets_apart(24) == 6
    assert (member[pool.targets].sum(axis=0) == 3).all()
    for repeat in range(5):
        drawn = pool.draw(8, repeat)
        assert (drawn == drawn[:, :1]).all() and len(set(drawn[:, 0])) == 8
        assert not set(drawn[:, 0]) & set(pool.targets)
        assert (np.take_along_axis(member, drawn, axis=0).sum(axis=0) == 4).all()
        np.testing.assert_array_equal(pool.draw(12, repeat)[:8], drawn)
    assert len({tuple(pool.draw(8, repeat)[:, 0]) for repeat in range(5)}) > 1
    assert set(pool.draw(18)[:, 0]) == set(pool.others)


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_elsewhere_each_sample_draws_models_that_hold_it_and_that_do_not(share):
    _, member = independent(40, 300, share=share)
    pool = Pool(member)
    drawn = pool.draw(8)
    assert not pool.in_pairs and not np.isin(drawn, pool.targets).any()
    assert all(len(set(column)) == 8 for column in drawn.T)
    wanted, inside = round(8 * member.mean()), member[pool.others].sum(axis=0)
    taken = np.take_along_axis(member, drawn, axis=0).sum(axis=0)
    np.testing.assert_array_equal(taken, np.clip(wanted, 8 - (30 - inside), inside))
    assert (drawn != pool.draw(8, 1)).any() and pool.unbalanced(8) == (taken != wanted).sum()
    chosen = np.array([np.isin(pool.others, column) for column in drawn.T])  # no model is favoured
    assert abs(chosen.mean(axis=0) - 8 / 30).max() < 4 * np.sqrt(8 / 30 * 22 / 30 / 300)


def test_samples_with_too_few_models_on_a_side_take_more_of_the_other():
    _, member = independent(16, 50)
    pool = Pool(member)
    member[pool.others, 7] = False
    member[pool.others[:2], 7] = True
    assert np.take_along_axis(member, pool.draw(8), axis=0)[:, 7].sum() == 2
    assert pool.unbalanced(8) > 0 and set(pool.draw(12)[:, 7]) == set(pool.others)
    member[pool.others, 7] = False
    assert set(pool.lacking([*ATTACKS])) == {name for name, attack in ATTACKS.items() if "IN" in attack.needs}
    assert "sample 7 has no IN score among the 12 shadow models" in pool.lacking(["rmia"])["rmia"]


@pytest.mark.parametrize("world", [nested, independent])
@pytest.mark.parametrize("name", ATTACKS)
def test_scores_are_those_of_models_that_are_copied_by_hand(world, name):
    phi, member = world(40, 30)
    pool = Pool(member)
    for budget in (4, 8):
        drawn = pool.draw(budget, 3)
        scores = pool.score(Reader(phi), drawn, [name], Definition())[name]
        expected = held_out(*drawn_by_hand(phi, member, pool, drawn), range(len(pool.targets)), name)[name]
        np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-9)


def test_a_cut_of_balanced_pairs_throws_nothing_away():
    phi, member = nested()
    pool, names = Pool(member), ["online", "online_fixed", "offline", "offline_fixed"]
    cut, uncut = (pool.score(Reader(phi), pool.draw(8), names, Definition(cut=cut)) for cut in (True, False))
    for name in names:
        np.testing.assert_array_equal(cut[name], uncut[name])


def test_own_attacks_see_one_target_and_its_shadow_models(tmp_path, monkeypatch):
    (tmp_path / "distance.py").write_text(
        "def scores(phi, member):\n    return phi.mean(axis=2) - [phi[[i for i in range(len(phi)) if i != t]]"
        ".mean(axis=(0, 2)) for t in range(len(phi))]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    phi, member = nested(16, 30)
    pool = Pool(member)
    drawn = pool.draw(4)
    found = pool.score(Reader(phi), drawn, [], Definition(), {"mine": "distance:scores"})["mine"]
    np.testing.assert_allclose(found, phi[pool.targets].mean(axis=2) - phi[drawn[:, 0]].mean(axis=(0, 2)))


def test_numbers_of_models():
    assert [targets_apart(models) for models in (6, 8, 15, 16, 24, 64, 80, 256)] == [2, 2, 2, 4, 6, 16, 16, 16]
    check_budgets([4, 64], 80)
    with pytest.raises(ConfigError, match="budgets has 66: allowed with 80 shadow models is even numbers from 4 to 64"):
        check_budgets([4, 66], 80)
    with pytest.raises(ConfigError, match="budgets has 5"):
        check_budgets([5], 80)
    with pytest.raises(ConfigError, match="budgets is 2: allowed are whole numbers from 4"):
        check_budgets([2], 80)
    with pytest.raises(ConfigError, match="is none, as 2 of them are kept apart"):
        check_budgets([4], 5)
