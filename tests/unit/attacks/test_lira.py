import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import attacks as plain
from worlds import scored_world as world

from lira.attacks import leave_one_out as engine
from lira.attacks.block import Reader
from lira.attacks.lira import ATTACKS, PUBLISHED, Definition, held_out, leave_one_out, score_file
from lira.attacks.registry import ATTACKS as REGISTRY
from lira.core.errors import ConfigError, DataError, StoreError
from lira.evaluation.calibration import calibrate
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5
from lira.storage.run import thrown_away

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def assert_same(ours, expected):
    assert set(ours) == set(expected)
    for attack in expected:
        assert ours[attack].dtype == np.float64
        np.testing.assert_allclose(ours[attack], expected[attack], **CLOSE, err_msg=attack)


@settings(max_examples=60, deadline=None)
@given(
    models=st.integers(4, 13),
    samples=st.integers(1, 9),
    views=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    ragged=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    cut=st.booleans(),
)
def test_fast_is_plain(models, samples, views, seed, ragged, dtype, cut):
    phi, member = world(models, samples, views, seed=seed, ragged=ragged, dtype=dtype)
    assert_same(leave_one_out(phi, member, definition=Definition(cut=cut)), plain.leave_one_out(phi, member, cut))


def test_scores_say_which_reading_of_the_attacks_made_them(tmp_path):
    phi, member = world(9, 40, 3)
    with hdf5.create(tmp_path / "shadows.h5", "shadows", {}) as file:
        file["phi"], file["member"] = phi, member
    score_file(tmp_path / "shadows.h5", tmp_path / "scores.h5", definition=Definition(cut=True, offline="one-sided"))
    with hdf5.read(tmp_path / "scores.h5", "scores") as file:
        assert json.loads(file.attrs["definition"]) == {"cut": True, "fixed_spread": "in", "offline": "one-sided"}


@settings(max_examples=30, deadline=None)
@given(
    models=st.integers(5, 12),
    samples=st.integers(1, 9),
    seed=st.integers(0, 10_000),
    ragged=st.booleans(),
    cut=st.booleans(),
)
def test_fast_is_held_out_target_by_target(models, samples, seed, ragged, cut):
    phi, member = world(models, samples, 2, seed=seed, ragged=ragged)
    assert_same(leave_one_out(phi, member, definition=Definition(cut=cut)), each_held_out(phi, member, cut))


def each_held_out(phi, member, cut):
    rows = [held_out(phi, member, [target], definition=Definition(cut=cut)) for target in range(len(phi))]
    return {attack: np.concatenate([row[attack] for row in rows]) for attack in ATTACKS}


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("views", [1, 2, 18])
def test_clipped_scores_are_those_of_held_out(views, cut, monkeypatch):
    """In one view all other models may agree: what the others say must not be lost in a distance of 1e60 spreads."""
    rng = np.random.default_rng(views)
    member = rng.random((9, 300)) < 0.5
    member[:3], member[3:6] = True, False
    phi = np.minimum(rng.normal(15 + 8 * rng.random((300, views)), 2, (9, 300, views)) + member[..., None], 16.118)
    expected = each_held_out(phi, member, cut)
    assert_same(leave_one_out(phi, member, definition=Definition(cut=cut)), expected)
    monkeypatch.setattr("lira.attacks.leave_one_out.VALUES_PER_STEP", 40)
    assert_same(leave_one_out(phi, member, definition=Definition(cut=cut)), expected)


@pytest.mark.parametrize("attack", tuple(REGISTRY))
@pytest.mark.parametrize(("models", "value"), [(8, 16.118), (16, 5.3), (20, 13.815), (16, -13.815)])
@pytest.mark.parametrize("views", [1, 18])
@pytest.mark.parametrize("share", [0.5, 0.25])
def test_equal_scores_say_nothing_of_membership(attack, models, value, views, share):
    """Members have one score less on their side than others: rounding must not tell them apart."""
    member = balanced_membership(40, models, share, 0)
    phi = np.full((models, 40, views), value)
    if attack != "moderated":  # whose two densities have as many degrees of freedom as there are scores
        assert (calibrate(leave_one_out(phi, member, attack), member, [0.01], [0.5])["auc"] == 0.5).all()
    target = held_out(np.vstack([phi, phi[:1]]), np.vstack([member, member[:1]]), [models], attack)[attack]
    if attack in ("base", "base_offline", "online"):
        np.testing.assert_array_equal(leave_one_out(phi, member, attack)[attack], np.broadcast_to(target, member.shape))


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 8, None])
def test_of_one_score_on_each_side_ties_are_those_of_held_out(views, steps):
    """Spreads are 1e-30, so that rounding decides which scores tie, and which records are flagged."""
    phi, member = world(8, 600, views, seed=3, ragged=True, steps=steps, dtype=np.float32)
    pairs = np.arange(8)[:, None] // 2 == np.arange(4)
    member[:, :4], member[:, 4:8] = pairs, ~pairs
    ours, expected = leave_one_out(phi, member, definition=PUBLISHED), each_held_out(phi, member, True)
    assert_same(ours, expected)
    found, needed = (calibrate(scores, member, [0.01, 0.1], [0.5]) for scores in (ours, expected))
    pd.testing.assert_frame_equal(found[["tp", "fp", "tn", "fn"]], needed[["tp", "fp", "tn", "fn"]])
    for attack in ATTACKS:
        ties = [len(np.unique(scores[attack])) for scores in (ours, expected)]
        assert ties[0] == ties[1], attack


def test_the_log_says_how_much_a_cut_throws_away(tmp_path, caplog):
    phi, member = world(16, 300, 2, ragged=True)
    score_file(run_file(tmp_path / "shadows.h5", phi, member), tmp_path / "scores.h5")
    (said,) = (record.message for record in caplog.records)
    counts = member.sum(axis=0)
    kept = sum((member[np.arange(16) != target].sum(axis=0).min()) for target in range(16)) * 300
    lost = 1 - kept / (counts.sum() * 15)
    assert f"do not use {lost:.0%} of the IN scores and " in said
    assert thrown_away(member)["IN"] == pytest.approx(lost)
    caplog.clear()
    for uncut in (dict(definition=Definition()), dict(attacks=["global", "rmia"])):
        score_file(tmp_path / "shadows.h5", tmp_path / "again.h5", **uncut)
    score_file(run_file(tmp_path / "shadows.h5", *world(16, 300, 2)), tmp_path / "scores.h5")
    assert not caplog.records


def test_where_only_out_models_exist_offline_attacks_run_and_others_say_why_not(tmp_path, caplog):
    phi, _ = world(8, 40, 2)
    member = np.arange(8)[:, None] == np.arange(40) % 8  # each sample in one model
    shadows, output = run_file(tmp_path / "shadows.h5", phi, member), tmp_path / "scores.h5"
    score_file(shadows, output, attacks=tuple(REGISTRY))
    offline = {"offline", "offline_fixed", "global", "rmia_offline", "base_offline", "offline_moderated", "reference"}
    with hdf5.read(output, "scores") as file:
        assert {*file} == offline | {"member"}
        why = json.loads(file.attrs["not_scored"])
        assert {*why} == {*REGISTRY} - offline
    assert why["rmia"].startswith("sample 0 has no IN score when model 0 is the target, and 4 more: train more models")
    assert sum("is not scored: sample 0 has no IN score" in record.message for record in caplog.records) == 5
    output.unlink()
    with pytest.raises(DataError, match="shadows.h5: sample 0 has no IN score"):
        score_file(shadows, output, attacks=["online", "rmia"])
    assert not output.exists()


@pytest.mark.parametrize("outlier", [1e2, 1e4, 1e6, 1e9])
def test_one_outlier_carries_the_variance(outlier):
    """Leaving the outlier out must not leave only rounding behind."""
    phi, member = world(16, 40, 2, seed=3)
    phi[5] += outlier
    rows = [held_out(phi, member, [target]) for target in range(len(phi))]
    ours = leave_one_out(phi, member)
    for attack in ATTACKS:
        expected = np.concatenate([row[attack] for row in rows])
        rounding = 1e-15 * outlier**2  # of the two log densities, which the outlier's own score is the difference of
        np.testing.assert_allclose(ours[attack], expected, rtol=1e-9, atol=1e-9 + rounding, err_msg=attack)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_offset_of_all_scores(offset):
    """A common offset moves no likelihood ratio, nor costs digits beyond those the input lost."""
    phi, member = world(16, 60, 2, steps=1024)
    ours, shifted = leave_one_out(phi, member), leave_one_out(phi + offset, member)
    for attack in set(ATTACKS) - {"global"}:
        np.testing.assert_allclose(shifted[attack], ours[attack], rtol=1e-9, atol=1e-9)


def test_equal_values_have_no_spread():
    """Spread is exactly 0 plus 1e-30, whichever value repeats."""
    phi, member = np.full((8, 20, 2), 0.1), balanced_membership(20, 8, 0.5, 0)
    phi[3, 4] = 0.3
    ours, expected = leave_one_out(phi, member), plain.leave_one_out(phi, member)
    others = np.ones(20, dtype=bool)
    others[4] = False
    np.testing.assert_array_equal(ours["online"][:, others], 0)
    np.testing.assert_allclose(ours["offline"][:, others], np.log(1e-30) + np.log(2 * np.pi) / 2)
    assert np.isfinite(expected["online"]).all()
    assert np.abs(ours["offline"][3, 4]) > 1e50


def test_many_views_do_not_underflow():
    phi, member = world(8, 2, 100)
    phi *= 1e-6
    assert_same(leave_one_out(phi, member), plain.leave_one_out(phi, member))


@pytest.mark.parametrize("workers", [1, 3])
def test_blocks_and_workers_change_nothing(monkeypatch, workers):
    phi, member = world(12, 70, 2, ragged=True)
    expected = leave_one_out(phi, member)
    monkeypatch.setattr(engine, "VALUES_PER_STEP", 3 * 12 * 2)
    scores = {attack: np.empty(member.shape) for attack in ATTACKS}
    engine.score_all(Reader(phi), member, scores, False, workers)
    for attack in ATTACKS:
        np.testing.assert_allclose(scores[attack], expected[attack], rtol=1e-13)
    again = {attack: np.empty(member.shape) for attack in ATTACKS}
    engine.score_all(Reader(phi), member, again, False, 4 - workers)
    for attack in ATTACKS:
        np.testing.assert_array_equal(scores[attack], again[attack])
    monkeypatch.setattr(engine, "SAMPLES_PER_TASK", 7)
    engine.score_all(Reader(phi), member, scores, False, workers)
    assert_same(scores, expected)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_of_samples_changes_nothing(seed):
    phi, member = world(10, 30, 2, ragged=True)
    order = np.random.default_rng(seed).permutation(30)
    ours, moved = leave_one_out(phi, member), leave_one_out(phi[:, order], member[:, order])
    assert_same(moved, {attack: values[:, order] for attack, values in ours.items()})


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_of_models_changes_nothing_without_a_cut(seed):
    """With an odd number held out on every side nothing is cut, so only the set of shadow models counts."""
    phi, member = world(10, 1, 2, seed=1)
    order = np.random.default_rng(seed).permutation(10)
    ours, moved = held_out(phi, member, [3]), held_out(phi[order], member[order], [int(np.flatnonzero(order == 3)[0])])
    assert_same(moved, ours)


def test_chosen_attacks():
    phi, member = world(8, 20, 2)
    everything = leave_one_out(phi, member)
    for attack in ATTACKS:
        assert_same(leave_one_out(phi, member, [attack]), {attack: everything[attack]})
        assert_same(held_out(phi, member, [2], [attack]), {attack: everything[attack][2:3]})


def test_held_out_targets_share_their_shadow_models():
    phi, member = world(9, 20, 2)
    both = held_out(phi, member, [7, 2])
    swapped = held_out(phi, member, [2, 7])
    assert both["online"].shape == (2, 20)
    for attack in ATTACKS:
        np.testing.assert_array_equal(both[attack], swapped[attack][::-1])
    one = held_out(np.delete(phi, 2, axis=0), np.delete(member, 2, axis=0), [6])
    np.testing.assert_allclose(both["online"][0], one["online"][0], **CLOSE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("attack", [leave_one_out, lambda phi, member: held_out(phi, member, [0])])
def test_a_diverged_model_is_named(attack, bad):
    phi, member = world(8, 20, 2)
    phi[5, 7, 1] = bad
    with pytest.raises(DataError, match="model 5 has NaN"):
        attack(phi, member)


def test_official_lets_nan_spread():
    phi, member = world(8, 20, 2)
    phi[5, 7, 1] = np.nan
    ours = leave_one_out(phi, member, nonfinite="official")
    assert np.isnan(ours["online"][5, 7])
    assert np.isfinite(np.delete(ours["online"], 7, axis=1)).all()
    rows = np.isnan(ours["online_fixed" if member[5, 7] else "offline_fixed"])
    assert rows.any(axis=1).sum() > 1
    np.testing.assert_array_equal(np.delete(rows, 5, axis=0).all(axis=1), np.delete(rows, 5, axis=0).any(axis=1))


def test_official_is_the_default_where_everything_is_finite():
    phi, member = world(8, 20, 2)
    assert_same(leave_one_out(phi, member, nonfinite="official"), leave_one_out(phi, member))


@pytest.mark.parametrize(("held", "side"), [(True, "OUT"), (False, "IN")])
def test_a_sample_of_one_side_only_is_named(held, side):
    phi, member = world(8, 20, 2)
    member[:, 11] = held
    with pytest.raises(DataError, match=f"sample 11 has no {side} score"):
        leave_one_out(phi, member)
    with pytest.raises(DataError, match=f"sample 11 has no {side} score"):
        held_out(phi, member, [3])
    assert np.isnan(leave_one_out(phi, member, nonfinite="official")["online"]).all()
    assert np.isfinite(leave_one_out(phi, member, ["global"])["global"]).all()
    if side == "IN":
        assert np.isfinite(leave_one_out(phi, member, ["offline"])["offline"]).all()


def test_two_models():
    phi, member = world(2, 20, 1)
    with pytest.raises(DataError, match=r"when model 0 is the target"):
        leave_one_out(phi, member)
    official = leave_one_out(phi, member, nonfinite="official")
    assert np.isnan(official["online"]).all()
    np.testing.assert_allclose(official["global"], phi.mean(axis=2))


def test_no_samples():
    phi, member = world(6, 3, 1)
    for scores in (leave_one_out(phi[:, :0], member[:, :0]), held_out(phi[:, :0], member[:, :0], range(6))):
        assert {values.shape for values in scores.values()} == {(6, 0)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(attacks=["onlin"]), "attack is 'onlin': allowed are 'online', "),
        (dict(nonfinite="drop"), "allowed are 'error' and 'official'"),
        (dict(phi=np.zeros((8, 20, 2, 1))), r"phi \(8, 20, 2, 1\) must be \[models, samples, views\]"),
        (dict(phi=np.zeros((8, 20, 0))), "has no views"),
        (dict(phi=np.zeros((0, 20, 2)), member=np.zeros((0, 20), dtype=bool)), r"phi \(0, 20, 2\) has no models"),
        (dict(member=np.zeros((8, 19), dtype=bool)), r"member \(8, 19\)"),
    ],
)
def test_wrong_arguments(change, message):
    phi, member = world(8, 20, 2)
    with pytest.raises((ConfigError, DataError), match=message):
        leave_one_out(**{"phi": phi, "member": member, **change})


@pytest.mark.parametrize("targets", [[8], [-1], [[0]], ["a"], [0.5]])
def test_wrong_targets(targets):
    phi, member = world(8, 20, 2)
    with pytest.raises(DataError, match="model indices from 0 to 7"):
        held_out(phi, member, targets)


def test_targets_may_be_a_mask_or_one_model():
    phi, member = world(8, 20, 2)
    mask = np.arange(8) == 3
    for targets in (mask, mask.tolist(), 3, np.int64(3), torch.tensor(3), torch.tensor(mask)):
        assert_same(held_out(phi, member, targets), held_out(phi, member, [3]))
    assert_same(held_out(phi, member, mask | (np.arange(8) == 5)), held_out(phi, member, [3, 5]))


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([True, False], r"targets are \[True, False\]: allowed are model indices from 0 to 7, or 8 truth values"),
        (True, r"targets are \[True\]: allowed are model indices"),
        ([0, 1] * 4, r"targets are \[0, 1, .*: allowed is each model once; a mask is 8 truth values"),
        ([3, 3], "allowed is each model once"),
    ],
)
def test_what_may_be_meant_as_a_mask_and_is_none_is_refused(targets, said):
    phi, member = world(8, 20, 2)
    with pytest.raises(DataError, match=said):
        held_out(phi, member, targets)


def test_one_attack_may_be_named_without_a_list():
    phi, member = world(8, 20, 2)
    assert_same(leave_one_out(phi, member, "online"), leave_one_out(phi, member, ["online"]))
    assert_same(held_out(phi, member, [2], "global"), held_out(phi, member, [2], ["global"]))
    with pytest.raises(ConfigError, match="attack is 'onlin': allowed are"):
        leave_one_out(phi, member, "onlin")


def test_phi_without_views_is_of_one_view():
    phi, member = world(8, 20, 1)
    assert_same(leave_one_out(phi[..., 0], member), leave_one_out(phi, member))
    assert_same(held_out(phi[..., 0], member, [2]), held_out(phi, member, [2]))


def run_file(path, phi, member):
    with hdf5.create(path, "shadows", {"study": "test", "seed": 3, "recipe": {"lr": 0.1}}) as file:
        file.create_dataset("phi", data=phi, chunks=(len(phi), 7, *phi.shape[2:]))
        file["member"] = member
    return path


def test_file_to_file(tmp_path):
    phi, member = world(8, 300, 2, dtype=np.float32)
    score_file(run_file(tmp_path / "shadows.h5", phi, member), tmp_path / "scores.h5")
    expected = leave_one_out(phi, member, definition=PUBLISHED)
    with hdf5.read(tmp_path / "scores.h5", "scores") as file:
        assert set(file) == {"member", *ATTACKS}
        assert dict(file.attrs)["recipe"] == '{"lr": 0.1}'
        assert file.attrs["seed"] == 3
        np.testing.assert_array_equal(file["member"][:], member)
        for attack in ATTACKS:
            assert file[attack].dtype == np.float64
            np.testing.assert_array_equal(file[attack][:], expected[attack])


def test_a_file_with_a_diverged_model_leaves_no_scores(tmp_path):
    phi, member = world(8, 300, 2, dtype=np.float32)
    phi[6, 299] = np.nan
    shadows = run_file(tmp_path / "shadows.h5", phi, member)
    with pytest.raises(DataError, match=r"shadows.h5: phi of model 6"):
        score_file(shadows, tmp_path / "scores.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["shadows.h5"]
    with pytest.raises(StoreError):
        score_file(tmp_path / "scores.h5", tmp_path / "again.h5")
    for arrays in ((phi[..., 0], member), (phi, member[:, 1:]), (phi, member.astype(int))):
        with pytest.raises(DataError, match=r"shadows.h5: phi \(.*\) must be \[models, samples, views\] and member"):
            score_file(run_file(shadows, *arrays), tmp_path / "scores.h5")


def test_an_own_attack_that_fails_is_named(tmp_path):
    shadows = run_file(tmp_path / "shadows.h5", *world(8, 30, 2, dtype=np.float32))
    with pytest.raises(ConfigError, match=r"^os:getcwd failed: TypeError\(.*arguments"):
        score_file(shadows, tmp_path / "scores.h5", own={"mine": "os:getcwd"})
    assert [path.name for path in tmp_path.iterdir()] == ["shadows.h5"]


@pytest.mark.parametrize(
    "returned",
    [
        "member.astype(str)",
        "[[0.0], [0.0, 1.0]]",
        "None",
        "member * 1j",
        "phi",
        "np.where(member, np.nan, 0)",
        "torch.ones(member.shape, requires_grad=True)",
        "np.ma.masked_array(phi[:, :, 0], member)",
    ],
)
def test_what_an_own_attack_returns_is_checked(tmp_path, monkeypatch, returned):
    code = f"import numpy as np, torch\ndef attack(phi, member):\n    return {returned}\n"
    (tmp_path / "returning.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "returning", raising=False)
    shadows = run_file(tmp_path / "shadows.h5", *world(8, 30, 2, dtype=np.float32))
    with pytest.raises(DataError, match=r"^returning:attack must return a score, not NaN, of each of \(8, 30\)"):
        score_file(shadows, tmp_path / "scores.h5", own={"mine": "returning:attack"})
    assert not (tmp_path / "scores.h5").exists()


def test_an_own_attack_may_return_a_masked_array_that_masks_nothing(tmp_path, monkeypatch):
    phi, member = world(8, 30, 2, dtype=np.float32)
    code = "import numpy as np\n\ndef attack(phi, member):\n    return np.ma.array(phi[..., 0])\n"
    (tmp_path / "masking.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    score_file(run_file(tmp_path / "shadows.h5", phi, member), tmp_path / "scores.h5", own={"mine": "masking:attack"})
    with hdf5.read(tmp_path / "scores.h5", "scores") as file:
        np.testing.assert_array_equal(file["mine"][:], phi[..., 0])
