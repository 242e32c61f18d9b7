"""Where the published code surprises: what we do and what the option does, on both sides (docs/fidelity.md)."""

import re
from pathlib import Path

import numpy as np
import pytest
from reference import CASES, FPRS, SCORE, arrays, inputs, loo_scores, official_points
from scipy.stats import norm

from lira.attacks.lira import PUBLISHED, Definition, held_out, leave_one_out
from lira.core.errors import DataError
from lira.evaluation.agreement import scenarios, set_agreement
from lira.evaluation.calibration import calibrate, shadow_thresholds
from lira.evaluation.detections import count_detections
from lira.evaluation.ranks import rank_bins, top_count, vulnerability
from lira.evaluation.robust import median_rmad
from lira.evaluation.roc import summarise_roc, threshold_at_fpr
from lira.evaluation.single_target import single_target
from lira.shadows.formats.folders import read_folder
from lira.shadows.logits import scaled_logit
from lira.shadows.membership import balanced_membership

TESTS = Path(__file__).parents[1]
DOCUMENT = TESTS.parent / "docs/fidelity.md"


def test_every_row_of_the_document_has_its_test():
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text()))
    written = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), flags=re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= written


def test_membership_is_by_permutation():
    case = CASES["medium"]["keep_args"]
    arguments = (case["dataset_size"], case["num_shadow_models"], case["pkeep"], case["seed"])
    member, ranked = balanced_membership(*arguments), balanced_membership(*arguments, by_rank=True)
    np.testing.assert_array_equal(member, inputs("medium")[1])
    assert (member != ranked).any()
    np.testing.assert_array_equal(member.sum(axis=0), ranked.sum(axis=0))
    draws = np.random.default_rng(case["seed"]).uniform(size=member.shape)
    np.testing.assert_array_equal(ranked, np.sort(draws, axis=0)[15] >= draws)


def test_member_count_is_cut_not_rounded():
    assert balanced_membership(5, 100, 0.29, 0).sum(axis=0).tolist() == [28] * 5
    assert balanced_membership(5, 100, 0.291, 0).sum(axis=0).tolist() == [29] * 5


def test_logits_and_labels_must_match():
    stored = arrays("scores/scores_cases.npz")
    logits, labels = stored["longer_labels_f32__logits"][:, 0], stored["longer_labels_f32__labels"]
    with pytest.raises(ValueError, match="logits"):
        scaled_logit(logits, labels)
    expected = stored["longer_labels_f32__scores"]
    np.testing.assert_allclose(scaled_logit(logits, labels[: len(logits)]), expected, rtol=0, atol=2e-6)
    with pytest.raises(ValueError, match="logits"):
        scaled_logit(stored["bad2d_f32__logits"], stored["bad2d_f32__labels"])


@pytest.mark.parametrize("case", ["medium", "bernoulli24"])
def test_scores_are_cut_to_the_smallest_count(case):
    """Uncut, a target's statistics are those of all other models that (do not) hold the sample."""
    phi, member = inputs(case)
    cut, uncut = leave_one_out(phi, member, definition=PUBLISHED), leave_one_out(phi, member)
    np.testing.assert_allclose(cut["online"], loo_scores(case)["online"], **SCORE)
    apart = ~np.isclose(cut["online"], uncut["online"], rtol=1e-6)
    assert apart.mean() > 0.9 if case == "bernoulli24" else apart.mean() > 0.5
    target, sample = 3, 5
    others = np.arange(len(phi)) != target
    x, views = phi[target, sample], []
    for side in (member, ~member):
        values = phi[others & side[:, sample], sample]
        spread = values.std(axis=0)
        views.append(-((x - np.median(values, axis=0)) ** 2) / (2 * spread**2) - np.log(spread))
    assert uncut["online"][target, sample] == pytest.approx((views[0] - views[1]).mean(), rel=1e-9)


def test_uncut_is_cut_where_nothing_is_to_cut():
    phi, member = inputs("medium")
    only = np.flatnonzero(member[3])
    ours = held_out(phi[:, only], member[:, only], [3])
    expected = held_out(phi[:, only], member[:, only], [3], definition=PUBLISHED)
    for attack in expected:
        np.testing.assert_allclose(ours[attack], expected[attack], rtol=1e-12)


def test_fixed_spread_of_out_is_that_of_in():
    phi, member = inputs("medium")
    own = leave_one_out(phi, member, definition=Definition(cut=True, fixed_spread="own"))
    official = loo_scores("medium")
    assert (np.abs(own["online_fixed"] - official["online_fixed"]) > 1e-6).mean() > 0.9
    for attack in ("online", "offline", "offline_fixed", "global"):
        np.testing.assert_allclose(own[attack], official[attack], **SCORE)
    log_in = own["online_fixed"] - own["offline_fixed"]
    log_out = log_in - official["online_fixed"]  # with the spread of IN, else as offline_fixed has it
    for target in range(len(phi)):
        assert np.corrcoef(log_out[target], -official["offline_fixed"][target])[0, 1] == pytest.approx(1)


def test_offline_is_two_sided():
    """A member of nothing scores high when far below OUT; one-sided it does not."""
    phi, member = inputs("medium")
    phi = phi.copy()
    phi[0, 0] -= 1000
    both = leave_one_out(phi, member)
    one = leave_one_out(phi, member, definition=Definition(offline="one-sided"))
    for attack in ("offline", "offline_fixed"):
        assert both[attack][0].argmax() == 0
        assert one[attack][0].argmin() == 0


def test_equal_scores_have_no_spread():
    """Golden's multiples of 1/2 are exact in both; where rounding leaves 1e-17 in NumPy's std, ours is 0."""
    phi, member = np.full((8, 20, 1), 0.1), balanced_membership(20, 8, 0.5, 0)
    offline = leave_one_out(phi, member, ["offline"])["offline"]
    np.testing.assert_allclose(offline, np.log(1e-30) + np.log(2 * np.pi) / 2)
    assert np.full(3, 0.1).std() > 0
    held = np.concatenate([held_out(phi, member, [target], ["offline"])["offline"] for target in range(8)])
    np.testing.assert_allclose(held, offline)


def test_ties_after_a_cut_to_one_score():
    """Spreads are 1e-30: a target's φ equal to that score gives log densities of 68.2, all others near 1e59."""
    member = balanced_membership(40, 4, 0.5, 0)
    phi = np.random.default_rng(0).integers(0, 3, (4, 40, 1)).astype(float)
    scores, tied = leave_one_out(phi, member, ["online", "offline"], definition=PUBLISHED), 0
    for target, sample in np.ndindex(4, 40):
        others = np.arange(4) != target
        inside, outside = (phi[others & side[:, sample], sample, 0] for side in (member, ~member))
        one = [norm.logpdf(phi[target, sample, 0], values[0], 1e-30) for values in (inside, outside)]
        assert min(len(inside), len(outside)) == 1  # so that the cut leaves one
        assert scores["online"][target, sample] == pytest.approx(one[0] - one[1], rel=1e-9)
        assert scores["offline"][target, sample] == pytest.approx(-one[1], rel=1e-9)
        tied += inside[0] == outside[0]
        assert (scores["online"][target, sample] == 0) == (
            abs(phi[target, sample, 0] - inside[0]) == abs(phi[target, sample, 0] - outside[0])
        )
    assert tied > 20 and np.unique(scores["offline"]).size <= 4
    assert scores["offline"].min() == pytest.approx(np.log(1e-30) + np.log(2 * np.pi) / 2)
    uncut = leave_one_out(phi, member, ["offline"])["offline"]
    assert np.unique(uncut).size > 4


def test_an_interrupted_folder_pairs_models_with_their_own_membership(tmp_path):
    """The published code takes the first rows of membership, whichever models are there."""
    phi, member = inputs("small")
    np.save(tmp_path / "keep_indices.npy", member)
    there = [model for model in range(len(phi)) if model not in (2, 5)]
    for model in there:
        (tmp_path / f"model_{model}" / "scores").mkdir(parents=True)
        np.save(tmp_path / f"model_{model}" / "scores" / "scores.npy", phi[model])
    (tmp_path / "model_2").mkdir()
    with pytest.raises(DataError, match=f"set models: {len(there)} for the run to take those that are finished"):
        read_folder(tmp_path, None)
    found = read_folder(tmp_path, len(there))
    np.testing.assert_array_equal(found.member, member[there])
    assert (member[: len(there)] != member[there]).any(axis=1).sum() == len(there) - 2
    aucs = [
        summarise_roc(
            leave_one_out(np.stack(found.models), rows, ["online"], definition=PUBLISHED)["online"][3], rows[3]
        ).auc
        for rows in (found.member, member[: len(there)])
    ]
    assert aucs[0] > aucs[1]


def test_a_side_without_scores():
    phi, member = inputs("nan2")
    with pytest.raises(DataError, match=r"sample \d+ has no (IN|OUT) score when model \d is the target"):
        leave_one_out(phi, member)
    for attack, scores in leave_one_out(phi, member, nonfinite="official").items():
        np.testing.assert_allclose(scores, loo_scores("nan2")[attack], **SCORE)


def test_scores_that_are_not_finite():
    phi, member = inputs("nonfinite12")
    bad = [str(model) for model in np.flatnonzero(~np.isfinite(phi).all(axis=(1, 2)))]
    with pytest.raises(DataError, match=f"phi of model {', '.join(bad)} has NaN"):
        leave_one_out(phi, member)
    assert np.isnan(leave_one_out(phi, member, nonfinite="official")["online_fixed"]).all(axis=1).any()


def test_rates_of_scores_that_are_not_finite():
    """The published code drops infinities from the ROC but flags +inf afterwards; ours orders them."""
    member = np.array(2 * [[True] * 4 + [False] * 6])
    scores = np.array(2 * [[np.inf, 3.0, 2.0, 0.0, np.inf, 1.0, 0.5, 0.0, -1.0, -np.inf]])
    ours = calibrate({"online": scores}, member, [0.2], [0.5]).query("mode == 'target'").iloc[0]
    official = (
        calibrate({"online": scores}, member, [0.2], [0.5], nonfinite="official").query("mode == 'target'").iloc[0]
    )
    assert ours["fpr_achieved"] <= 0.2
    assert (official["tp"], official["fp"]) == (4 - 1, 1)
    assert np.isnan(official["auc"])
    assert not np.isnan(ours["auc"])
    high = np.array(2 * [[np.inf, 3.0, 2.0, 0.0, np.inf, np.inf, 0.5, 0.0, -1.0, -np.inf]])
    beyond = calibrate({"online": high}, member, [0.2], [0.5], nonfinite="official").iloc[0]
    assert beyond["fpr_achieved"] > 0.2


def test_a_target_without_members():
    scores, member = np.array([[2.0, 1.0]]), np.array([[False, False]])
    with pytest.raises(DataError, match="has no members"):
        calibrate({"online": scores}, member, [0.1], [0.5])
    assert threshold_at_fpr(scores[0], member[0], 0.1, nonfinite="official") == (np.inf, 0, 0)
    row = official_points({"online": scores}, member, [0.1], 0.5).iloc[0]
    assert (row["threshold"], row["tpr"], row["auc"], row["balanced_accuracy"], row["ppv"]) == (1, 0, 0.5, 0.5, 0)


def test_points_dropped_from_the_roc():
    """With them dropped the TPR is the same and the achieved FPR lower or equal; somewhere lower."""
    _, member = inputs("balanced64")
    member = member[:16]
    scores = {attack: values[:16] for attack, values in loo_scores("balanced64").items()}
    every = calibrate(scores, member, FPRS, [0.5]).query("mode == 'target'")
    dropped = official_points(scores, member, FPRS, 0.5)
    both = every.merge(dropped, on=["attack", "target", "fpr"], suffixes=("", "_dropped"))
    assert len(both) == len(every) == len(dropped)
    np.testing.assert_array_equal(both["tpr"], both["tpr_dropped"])
    assert (both["fpr_achieved"] >= both["fpr_achieved_dropped"]).all()
    assert (both["fpr_achieved"] > both["fpr_achieved_dropped"]).any()


def test_precision_without_the_interior_points():
    """At the same TPR it is higher or equal: so the single mode has it; tables of a study have all points."""
    _, member = inputs("balanced64")
    scores = {attack: values[:16] for attack, values in loo_scores("balanced64").items()}
    every = calibrate(scores, member[:16], FPRS, [0.5]).query("mode == 'target'")
    both = every.merge(official_points(scores, member[:16], FPRS, 0.5), on=["attack", "target", "fpr"])
    defined = both.dropna(subset="ppv_x")
    assert (defined["ppv_y"] >= defined["ppv_x"] - 1e-12).all() and (defined["ppv_y"] > defined["ppv_x"] + 1e-6).any()
    one = {attack: values[:1] for attack, values in scores.items()}
    single = single_target(one, member[:1], FPRS, 0.5).merge(both.query("target == 0"), on=["attack", "fpr"])
    np.testing.assert_allclose(single["precision"], single["ppv_y"], rtol=1e-9)


def test_precision_of_nothing_flagged():
    scores, member = {"online": np.array(2 * [[3.0, 2.0, 1.0]])}, np.array(2 * [[False, True, True]])
    assert np.isnan(calibrate(scores, member, [0.1], [0.5])["ppv"]).all()
    assert np.isnan(calibrate(scores, member, [0.1], [0.5], nonfinite="official")["ppv"]).all()
    assert (official_points(scores, member, [0.1], 0.5)["ppv"] == 0).all()


def test_infinite_thresholds_flag_nothing():
    scores, member = np.array([[np.inf, 1.0]]), np.array([[True, False]])
    for threshold in (np.inf, -np.inf):
        assert count_detections(scores, member, np.array([threshold]))[["tp", "fp"]].to_numpy().sum() == 0


def test_shadow_threshold_is_a_median():
    thresholds = np.array([1.0, np.inf, 3.0, 10.0])
    np.testing.assert_allclose(shadow_thresholds(thresholds), [6.5, 3.0, 5.5, 2.0])
    np.testing.assert_allclose(shadow_thresholds(thresholds, "mean"), [6.5, 14 / 3, 5.5, 2.0])
    scores, member = {"online": loo_scores("medium")["online"]}, inputs("medium")[1]
    median, mean = (calibrate(scores, member, [0.01], [0.5], centre=centre) for centre in ("median", "mean"))
    shadow = median["mode"] == "shadow"
    assert (median.loc[shadow, "threshold"] != mean.loc[shadow, "threshold"]).any()


def test_choices_without_a_sample_are_left_out():
    sets = np.array([[True, False], [False, False], [False, False]])
    assert set_agreement(sets, 2) == (0, 0, 1)
    assert np.isnan(set_agreement(sets[1:], 2)).all()
    found = scenarios(sets[1:], sets[:1], ["a"])
    assert found["subsets"].tolist() == [0, 2, 1]


def test_undefined_configurations_make_the_mean_undefined():
    """+2 different is a mean over choices of variants; one without any flagged sample leaves it undefined."""
    empty, some = np.zeros((1, 4), dtype=bool), np.ones((1, 4), dtype=bool)
    found = scenarios(np.concatenate([empty, empty]), np.concatenate([empty, empty, some]), list("abc"))
    two = found[(found["scenario"] == "+2 different") & (found["k"] == 2)].iloc[0]
    assert np.isnan(two["jaccard"])
    assert two["subsets"] > 0


def test_top_counts_are_rounded_in_floating_point():
    assert (top_count(50_000, 7), top_count(50_000, 7, exact=True)) == (3501, 3500)
    assert (top_count(1000, 29), top_count(1000, 29, exact=True)) == (290, 290)


def test_the_first_rank_bin_starts_at_rank_zero():
    values = np.arange(1000.0)[::-1]
    assert rank_bins(values)["bin"].iloc[0] == "1-2%"
    assert rank_bins(values)["count"].iloc[0] == 20
    bins = rank_bins(values, edges=(0, 1, 2, 100))
    assert bins["bin"].tolist() == ["0-1%", "1-2%", "2-100%"]
    assert bins["count"].tolist() == [10, 10, 980]


def test_vulnerability_of_missing_scores():
    scores, member = (
        np.array([[2.0, np.nan], [1.0, 1.0], [0.0, 0.0]]),
        np.array([[True, True], [True, True], [False, False]]),
    )
    with pytest.raises(DataError, match="scores of target 0 are NaN"):
        vulnerability(scores, member)
    assert vulnerability(scores, member, "mean", nonfinite="official").tolist() == [1.5, 1.0]
    assert np.isnan(vulnerability(scores, member, "all", nonfinite="official")).tolist() == [False, True]


def test_relative_deviation_has_the_sign_of_the_median():
    assert median_rmad(np.array([-1.0, -2.0, -3.0]))[1] == -median_rmad(np.array([1.0, 2.0, 3.0]))[1] < 0
