"""The audit of one model: numbers against leave_one_out and plain counting, verdicts on worlds with a known answer."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, fisher_exact

import lira
from lira.attacks.block import Reader
from lira.attacks.lira import ATTACKS
from lira.attacks.registry import ATTACKS as REGISTRY
from lira.core.errors import ConfigError, DataError
from lira.evaluation.audits.doubts import Shift, of_shift, shift
from lira.evaluation.audits.rates import OfShadows, summarise_target
from lira.evaluation.audits.records import describe_records
from lira.evaluation.records import worth


def world(seed, leak=2.0, of_target=2.0, models=16, samples=400, views=1):
    """Returns φ and membership of shadow models, and of a target that knows its members as well or not at all."""
    rng = np.random.default_rng(seed)
    member = lira.balanced_membership(samples=samples, models=models, fraction=0.5, seed=seed)
    truth = rng.random(samples) < 0.5
    hard = rng.normal(0, 2, size=(samples, 1))
    phi = rng.normal(hard + leak * member[..., None], size=(models, samples, views))
    return phi, member, rng.normal(hard + of_target * truth[:, None], size=(samples, views)), truth


@pytest.fixture(scope="module")
def cancer():
    """33 models of real patients, each trained on half of them: 32 shadow models and the target."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    member = lira.balanced_membership(samples=len(y), models=32, fraction=0.5, seed=0)
    held = np.concatenate([member, np.random.default_rng(1).random((1, len(y))) < 0.5])
    margins = [LogisticRegression(C=10, max_iter=500).fit(x[h], y[h]).decision_function(x) for h in held]
    return np.where(y == 1, margins, -np.array(margins)), held, y


def test_every_score_of_breast_cancer_is_that_of_leave_one_out_on_the_33_together(cancer):
    phi, held, y = cancer
    attacks, fprs, priors = list(REGISTRY), [0.01, 0.1], [0.1, 0.5]
    made = lira.audit(phi[:-1], held[:-1], phi[-1], held[-1], attacks=attacks, fprs=fprs, priors=priors, labels=y)
    together = lira.leave_one_out(phi, held, attacks)
    shadows = lira.leave_one_out(phi[:-1], held[:-1], attacks)
    rates = lira.calibrate(shadows, held[:-1], fprs, priors)
    truth = held[-1]
    for attack in attacks:
        score = made.records[f"{attack}_score"].to_numpy()
        np.testing.assert_allclose(score, together[attack][-1], rtol=1e-9, err_msg=attack)
        pairs = enumerate(held[:-1].T)
        out = [(1 + (shadows[attack][~h, i] >= score[i]).sum()) / (1 + (~h).sum()) for i, h in pairs]
        np.testing.assert_allclose(made.records[f"{attack}_p_value"], out)
        for fpr in fprs:
            own = rates.query("attack == @attack and mode == 'target' and fpr == @fpr").drop_duplicates("target")
            finite = own["threshold"][np.isfinite(own["threshold"])]
            flags = score >= finite.median() if len(finite) else np.zeros(len(y), bool)
            assert (made.records[f"{attack}_flagged_{fpr:g}"] == flags).all()
            check_rates(made.summary.query("attack == @attack and fpr == @fpr"), flags, truth, rates, attack, fpr)
    online = rates.query("attack == 'online' and mode == 'target' and fpr == 0.1 and prior == 0.1")
    area = made.summary.query("attack == 'online' and metric == 'auc'").iloc[0]
    assert area["shadows_mean"] == pytest.approx(online["auc"].mean())
    assert (area["shadows_low"], area["shadows_high"]) == pytest.approx(tuple(online["auc"].quantile([0.025, 0.975])))


def check_rates(rows, flags, truth, rates, attack, fpr):
    """Compares one attack's rates at one FPR with plain counting and with those of the shadow models as targets."""
    tp, fp, n, others = (flags & truth).sum(), (flags & ~truth).sum(), truth.sum(), (~truth).sum()
    of = rows.set_index("metric")
    assert of.loc["tpr", "value"] == tp / n and of.loc["fpr_achieved", "value"] == fp / others
    assert of.loc["tpr", "chance"] == of.loc["fpr_achieved", "chance"] == flags.mean()
    high = beta.ppf(0.975, tp + 1, n - tp) if tp < n else 1
    most = beta.ppf(0.975, fp + 1, others - fp) if fp < others else 1
    low = beta.ppf(0.025, tp, n - tp + 1) if tp else 0
    least = beta.ppf(0.025, fp, others - fp + 1) if fp else 0
    assert tuple(of.loc["tpr", ["low", "high"]]) == pytest.approx((low, high))
    balanced = (low + 1 - most) / 2, (high + 1 - least) / 2
    assert tuple(of.loc["balanced_accuracy", ["low", "high"]]) == pytest.approx(balanced)
    table = [[tp, fp], [n - tp, others - fp]]
    assert of.loc["tpr", "p_value"] == pytest.approx(fisher_exact(table, "greater").pvalue)
    for row in rows[rows["metric"] == "ppv"].itertuples():
        worst, best = (row.prior * t / (row.prior * t + (1 - row.prior) * f) for t, f in ((low, most), (high, least)))
        assert (row.low, row.high, row.chance) == pytest.approx((worst, best, row.prior))
    if attack != "global":
        shadow = rates.query("attack == @attack and mode == 'shadow' and fpr == @fpr").drop_duplicates("target")["tpr"]
        assert of.loc["tpr", "shadows_mean"] == pytest.approx(shadow.mean())
        among = ((shadow < tp / n) + 0.5 * (shadow == tp / n)).mean()
        assert of.loc["tpr", "among_shadows"] == pytest.approx(among)


def test_a_memorised_half_leaks_and_a_model_that_never_saw_the_pool_does_not():
    leaky = lira.audit(*world(0, of_target=4.0))
    assert leaky.verdict == "leaks" and "corrected for 20 tests" in leaky.answer
    assert leaky.answer.startswith("This model leaks: at the shadow models' threshold for ")
    clean = lira.audit(*(given := world(0, of_target=0.0)))
    members = given[-1].sum()
    assert clean.verdict == "no leak found"
    assert clean.answer.startswith(f"No leak was found in {members} members and {400 - members} other records")
    most = clean.summary.query("metric == 'tpr' and fpr == 0.01")["high"].max()
    assert f"at most {100 * most:.3g} % of the members are flagged" in clean.answer


def test_of_200_models_that_do_not_leak_at_most_one_in_twenty_is_called_leaky():
    def verdicts(number, of_target):
        worlds = (world(seed, of_target=of_target, models=8, samples=120) for seed in range(number))
        chosen = {"attacks": ["online_fixed", "global"], "fprs": [0.05, 0.2], "priors": [0.5]}
        return [lira.audit(*one, **chosen) for one in worlds]

    made = verdicts(200, of_target=0.0)
    assert np.mean([one.verdict == "leaks" for one in made]) <= 0.05
    uncorrected = [(one.summary["p_value"] < 0.05).any() for one in made]
    assert np.mean(uncorrected) > 0.05  # what is not corrected would cry wolf
    assert all(one.verdict == "leaks" for one in verdicts(10, of_target=2.0))


def test_without_members_there_are_flags_without_rates():
    phi, member, target, truth = world(1)
    made = lira.audit(phi, member, target)
    assert made.verdict == "cannot tell" and "cannot be told without a list of its members" in made.answer
    assert set(made.summary["metric"]) == {"flagged"} and "member" not in made.records
    known = lira.audit(phi, member, target, truth)
    flagged = [name for name in made.records if "_flagged_" in name]
    assert (made.records[flagged] == known.records[flagged]).all(axis=None) and made.records[flagged].any(axis=None)
    for none, said in ((truth & False, "none of the 400 records is"), (truth | True, "all of the 400 records are")):
        one = lira.audit(phi, member, target, none)
        assert one.verdict == "cannot tell" and said in one.answer and one.summary["p_value"].isna().all()


def test_shadow_models_that_never_held_the_records_attack_offline():
    phi, member, target, truth = world(2, leak=0.0, of_target=3.0)
    made = lira.audit(phi, member & False, target, truth, attacks=[*ATTACKS, "offline_moderated", "base_offline"])
    assert set(made.summary["attack"]) == {"offline", "offline_fixed", "global", "offline_moderated", "base_offline"}
    assert "the offline attacks alone were made, without online, online_fixed" in made.warnings[0]
    assert made.verdict == "leaks" and not [name for name in made.records if name.startswith("ppv")]
    achieved = made.summary.query("metric == 'flagged' and fpr == 0.1")
    assert (achieved["shadows_mean"] - 0.1).abs().max() < 0.02  # each model's threshold flags 10 % of its records
    with pytest.raises(DataError, match="sample 0 has no IN score"):
        lira.audit(phi, member & False, target, truth, attacks="online")


def test_thresholds_without_members_flag_as_many_as_are_allowed():
    scores = np.tile(np.arange(20.0), (3, 1))
    found = OfShadows.of(scores, np.zeros((3, 20), bool), [0.01, 0.1])
    assert (scores[0] >= found.medians[0]).sum() == 0 and (scores[0] >= found.medians[1]).sum() == 2


def test_a_record_has_the_counts_of_the_shadow_models():
    phi, member, target, truth = world(3)
    made = lira.audit(phi, member, target, truth, fprs=[0.1], priors=[0.5], labels=np.arange(400) % 3)
    rates = lira.calibrate(scores := lira.leave_one_out(phi, member, "online"), member, [0.1], [0.5])
    at = rates.query("mode == 'shadow'")["threshold"].to_numpy()
    counted = lira.count_detections(scores["online"], member, at)
    for name in ("tp", "fp", "tn", "fn"):
        assert (made.records[f"{name}_at_0.1"] == counted[name]).all()
    exposed = (counted["tp"] > 0) & (counted["fp"] == 0)
    assert (made.records["exposed_at_0.1"] == exposed).all()
    both = made.records[(counted["tp"] > 0) & (counted["fp"] > 0)]
    tpr, fpr = both["tp_at_0.1"] / 8, both["fp_at_0.1"] / 8
    assert len(both) and np.allclose(both["ppv_0.5_at_0.1"], tpr / (tpr + fpr))
    assert (both["least_0.5_at_0.1"] < both["ppv_0.5_at_0.1"]).all()
    of_class = made.groups.query("by == 'class' and group == '1' and metric == 'tpr'").iloc[0]
    part, flags = np.arange(400) % 3 == 1, made.records["online_flagged_0.1"].to_numpy() == 1
    assert of_class["value"] == (flags & part & truth).sum() / (part & truth).sum()


def test_of_records_that_do_not_leak_hardly_any_pool_has_a_bound_on_epsilon():
    """All records at all FPRs are looked at, for the one with the largest bound."""
    rng, fprs, uncorrected, corrected = np.random.default_rng(7), (0.1, 0.3), 0, 0
    for _ in range(40):
        flagged = {fpr: rng.binomial(32, fpr, (2, 500)) for fpr in fprs}
        columns = {fpr: {"tp": tp, "fp": fp, "tn": 32 - fp, "fn": 32 - tp} for fpr, (tp, fp) in flagged.items()}
        seeds = {fpr: [pd.DataFrame(counted)] for fpr, counted in columns.items()}
        found = describe_records(None, {}, {"online_score": np.zeros(500)}, seeds, [0.5])
        corrected += (found[[f"epsilon_at_{fpr}" for fpr in fprs]] > 0).any(axis=None)
        uncorrected += any((worth(rows, [0.5])["epsilon"] > 0).any() for (rows,) in seeds.values())
    assert uncorrected > 20 and corrected <= 2


def test_what_makes_numbers_doubtful_is_said():
    phi, member, target, truth = world(4)
    assert not lira.audit(phi, member, target, truth, fprs=[0.1]).warnings
    share = lira.audit(phi, member, target, np.arange(400) < 40, fprs=[0.1]).warnings
    assert share == [next(line for line in share if "holds 10 % of the pool, the shadow models 50 %" in line)]
    moved = 10 * target + 40
    other = lira.audit(phi, member, moved, truth, fprs=[0.1]).warnings
    assert len(other) == 1 and "hardly trained as the shadow models were" in other[0]
    outside = (moved > phi.max(0)) | (moved < phi.min(0))
    assert f"φ of {100 * outside.mean():.3g} % of the records lies beyond" in other[0]
    assert f"the target's mean φ is {moved.mean():.3g}" in other[0]
    few = lira.audit(*world(4, models=8), fprs=[0.001]).warnings
    assert "FPR of 0.1 % is less than one of the" in few[0] and "there are 8 shadow models" in few[1]


def test_a_target_is_rounded_as_its_shadow_models_are_before_it_is_compared():
    """Most φ are clipped to one value, which float64 has a little larger."""
    phi, member, target, _ = world(3)
    shadows, target = np.minimum(phi, 1.1).astype(np.float32), np.minimum(target, 1.1)
    assert target.max() > shadows.max() or target.max() < shadows.max()
    assert not any("hardly trained" in line for line in lira.audit(shadows, member, target).warnings)


def test_the_shadow_models_themselves_are_hardly_ever_called_of_another_recipe():
    called = 0
    for seed in range(20):
        phi, member, _, _ = world(seed, models=17, samples=200)
        found = lira.audit(phi[1:], member[1:], phi[0], member[0], attacks="global", fprs=[0.1]).warnings
        called += any("recipe" in line or "hardly trained" in line for line in found)
    assert called <= 1


@pytest.mark.parametrize("models", [2, 3, 4])
def test_a_few_shadow_models_do_not_call_one_of_their_own_recipe_another(models):
    """Of models whose levels differ, the next one lies beyond four spreads of two for one in four."""
    rng, called = np.random.default_rng(models), 0
    member = lira.balanced_membership(samples=50, models=models + 1, fraction=0.5, seed=0)
    for _ in range(300):
        phi = rng.normal(2.0 * member) + rng.normal(size=(models + 1, 1))
        found = of_shift(shift(Reader(phi[1:, :, None]), phi[0][:, None]))
        called += any("hardly trained" in line for line in found)
    assert called <= 1


@pytest.mark.parametrize("models", [3, 4, 16])
def test_another_recipe_is_noticed_by_a_few_shadow_models(models):
    phi, member, target, truth = world(4, models=models)
    found = lira.audit(phi, member, 10 * target + 40, truth, fprs=[0.1]).warnings
    assert sum("hardly trained" in line for line in found) == 1


def test_one_shadow_model_has_no_spread():
    assert of_shift(Shift(1.0, np.array([0.0]), 9.0, np.array([0.0]))) == []


def test_several_views_and_ties_are_counted_as_one_target_has_them():
    phi, member, target, truth = world(5, views=3)
    made = lira.audit(phi.round(0), member, target.round(0), truth, attacks=["online", "reference"])
    expected = lira.leave_one_out(
        np.concatenate([phi, target[None]]).round(0), np.concatenate([member, truth[None]]), ["online", "reference"]
    )
    for name, scores in expected.items():
        np.testing.assert_allclose(made.records[f"{name}_score"], scores[-1], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"target_phi": np.zeros(9)}, DataError, r"target_phi \(9,\) must be \[samples, views\]"),
        ({"target_phi": np.full(400, np.nan)}, DataError, "target_phi of sample 0 is not finite"),
        ({"target_member": np.zeros(9)}, DataError, r"target_member \(9,\) must be \[samples\]"),
        ({"target_member": np.full(400, 2)}, DataError, "values other than 0 and 1"),
        ({"attacks": ["onlin"]}, ConfigError, "attack is 'onlin': allowed are"),
        ({"fprs": []}, ConfigError, "allowed is a list of one number or more"),
        ({"fprs": [2]}, ConfigError, "fpr is 2: allowed is"),
        ({"labels": np.zeros(3)}, DataError, r"class of each sample \(3,\) must be \[samples\]"),
        ({"labels": [[0], [0, 1]]}, DataError, r"class of each sample is not an array that numpy reads"),
        ({"attacks": 5}, ConfigError, "attacks are 5: one or more are needed"),
        ({"attacks": None}, ConfigError, "attacks are None: one or more are needed"),
        ({"attacks": [["online"]]}, ConfigError, r"attack is \['online'\]: allowed are"),
        ({"fprs": [0.1, 0.1000001]}, ConfigError, "fprs has 0.1000001: allowed are six digits, as columns are named"),
        ({"priors": [0.1, 0.1000001]}, ConfigError, "priors has 0.1000001: allowed are six digits, as columns are"),
        ({"definition": "cut"}, ConfigError, "definition is 'cut': allowed is a Definition"),
        ({"target_phi": np.full(400, -1e200)}, DataError, r"sample 0 is -1e\+200: allowed are sizes up to 1e\+100$"),
    ],
)
def test_what_cannot_be_audited_is_said_in_one_sentence(change, error, said):
    phi, member, target, truth = world(0, models=4)
    given = {"phi": phi, "member": member, "target_phi": target, "target_member": truth} | change
    with pytest.raises(error, match=said):
        lira.audit(**given)


def test_without_shadow_models_to_compare_or_without_samples_there_is_no_audit():
    phi, member, target, truth = world(0, models=4)
    with pytest.raises(DataError, match=r"phi \(1, 400, 1\) is of 1 shadow models: an audit needs 2 or more"):
        lira.audit(phi[:1], member[:1], target, truth)
    with pytest.raises(DataError, match=r"phi \(4, 0, 1\) is of 0 samples: an audit needs 1 or more"):
        lira.audit(phi[:, :0], member[:, :0], target[:0], truth[:0])


def test_no_way_out_is_named_that_the_caller_does_not_have():
    phi, member, target, truth = world(0, models=4)
    phi[2, 3] = np.nan
    with pytest.raises(DataError, match="phi of model 2 has NaN.*: retrain or leave out the model$"):
        lira.audit(phi, member, target, truth)
    with pytest.raises(DataError, match="leave out the model, or pass nonfinite='official'$"):
        lira.leave_one_out(phi, member)


@pytest.mark.parametrize("kind", [int, np.float16])
def test_a_target_keeps_its_digits_whatever_the_shadow_models_have(kind):
    phi, member, target, truth = world(6)
    phi, target[0] = (10 * phi).astype(kind), 7e4  # float16 has none beyond 65,504
    attacks = ["online", "global", "rmia_offline"]
    made, of_doubles = (lira.audit(given, member, target, truth, attacks=attacks) for given in (phi, phi.astype(float)))
    for name in attacks:
        np.testing.assert_allclose(made.records[f"{name}_score"], of_doubles.records[f"{name}_score"], rtol=1e-9)


def test_a_target_is_rounded_as_float32_shadow_models_are_unless_it_becomes_infinite():
    phi, member, target, truth = world(6)
    phi, near = phi.astype(np.float32), target.astype(np.float32) + 1e-12
    one, other = (lira.audit(phi, member, given, truth).records for given in (target.astype(np.float32), near))
    np.testing.assert_array_equal(one["online_score"], other["online_score"])
    target[7] = 1e39
    with pytest.raises(DataError, match=r"sample 7 is 1e\+39: allowed are sizes up to 3.403e\+38, the largest float32"):
        lira.audit(phi, member, target, truth)


def test_without_a_finite_threshold_nothing_is_flagged():
    scores, member = np.zeros((3, 10)), np.arange(10) < np.array([[5], [5], [5]])
    found = OfShadows.of(scores, member, [0.1])
    rows = summarise_target(found, np.zeros(10), member[0], [0.1], [0.5]).set_index("metric")
    assert found.medians == [np.inf] and rows.loc["tpr", "value"] == 0 and np.isnan(rows.loc["ppv", "value"])
    assert rows.loc["auc", "p_value"] == 1
