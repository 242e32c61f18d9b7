"""Rates with fewer models, their interval over draws and targets, and the fewest models that are enough."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from worlds import gaussian_tpr, gaussian_world, scored_world

from lira.attacks.budget import Pool
from lira.attacks.lira import held_out, score_file
from lira.core.errors import ConfigError, DataError
from lira.evaluation.budgets import budgets_file, crossed_interval, enough, measure_budgets
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.controls import permuted_membership
from lira.evaluation.roc import summarise_roc, threshold_at_fpr
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, read_csv

RUN = {"study": "test", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 3}
ATTACKS = ["online", "rmia", "moderated", "offline_moderated"]


def nested_world(models=24, samples=400, seed=0):
    member = balanced_membership(samples, models, 0.5, seed, generator="nested")
    phi = np.random.default_rng(seed).normal(size=(models, samples, 1)) + 1.5 * member[:, :, None]
    return phi, member


def test_rates_are_those_of_each_draw_and_target_in_turn():
    phi, member = nested_world()
    found = measure_budgets(phi, member, [8, 4], [0.01, 0.1], ATTACKS, repeats=3)
    assert list(found) == COLUMNS["budgets"] and list(found["models"].unique()) == [4, 8]
    pool = Pool(member)
    for attack in ATTACKS:
        tpr, auc = np.empty((3, 6)), np.empty((3, 6))
        for repeat in range(3):
            shadows = pool.draw(4, repeat)[:, 0]
            chosen = [*pool.targets, *shadows]
            scores = held_out(phi[chosen], member[chosen], range(6), attack)[attack]
            for place, target in enumerate(pool.targets):
                tpr[repeat, place] = threshold_at_fpr(scores[place], member[target], 0.1).tpr
                auc[repeat, place] = summarise_roc(scores[place], member[target]).auc
        rows = found[(found["attack"] == attack) & (found["models"] == 4)].set_index("metric")
        for values, row in ((tpr, rows[rows["fpr"] == 0.1].loc["tpr"]), (auc, rows.loc["auc"])):
            assert row["mean"] == pytest.approx(values.mean(), abs=1e-12)
            assert row["std_draws"] == pytest.approx(values.mean(axis=1).std(ddof=1))
            assert row["std_targets"] == pytest.approx(values.mean(axis=0).std(ddof=1))
            assert (row["repeats"], row["targets"]) == (3, 6)
            assert [row["low"], row["high"]] == pytest.approx(crossed_interval(values, 4 / 18)[1:3])


def test_a_known_world_gains_what_theory_says():
    """More models find the centres of IN and OUT better; the global threshold needs none."""
    phi, member = nested_world(48, 3000)
    found = measure_budgets(phi, member, [4, 36], [0.1], ["online_fixed", "global"]).set_index(["attack", "models"])
    for models in (4, 36):
        assert found.loc[("global", models), "mean"].iloc[0] == pytest.approx(gaussian_tpr(0.1, 1.5), abs=0.02)
    assert found.loc[("online_fixed", 36), "mean"].iloc[0] > found.loc[("online_fixed", 4), "high"].iloc[0]


@pytest.mark.parametrize("nested", [True, False])
def test_in_a_null_world_every_attack_is_at_chance(nested):
    phi, member = nested_world(32, 600) if nested else scored_world(32, 600, 1, ragged=True)
    found = []
    for seed in range(4):
        permuted = permuted_membership(member, seed)
        if nested:
            permuted = balanced_membership(600, 32, 0.5, 100 + seed, generator="nested")
        found.append(measure_budgets(phi, permuted, [4, 8], [0.05], [*ATTACKS, "online_fixed", "base"], repeats=3))
    for _, rows in pd.concat(found).groupby(["attack", "models", "metric"]):
        error = rows["std_targets"].mean() / np.sqrt(4 * 8)
        assert abs(rows["mean"].mean() - rows["chance"].mean()) < 4 * error, rows


def test_a_choice_of_models_is_drawn_once():
    phi, member = nested_world(8, 200)
    rows = measure_budgets(phi, member, [4, 6], [0.1], ["rmia"])
    assert list(rows.groupby("models")["repeats"].first()) == [3, 1]  # pairs of three, each once
    assert rows.loc[rows["models"] == 6, "std_draws"].isna().all() and rows["low"].notna().all()
    with pytest.raises(ConfigError, match="budgets has 8: allowed with 8 shadow models is even numbers from 4 to 6"):
        measure_budgets(phi, member, [8], [0.1])
    phi[3, 5] = np.nan
    with pytest.raises(DataError, match="phi of model 3"):
        measure_budgets(phi, member, [4], [0.1])


def test_what_is_unbalanced_or_lacking_is_said(caplog):
    phi, member = scored_world(16, 60, 1, ragged=True)
    with caplog.at_level(logging.INFO):
        rows = measure_budgets(phi, member, [12], [0.1], ["rmia", "offline"])
    assert (rows["unbalanced"] > 0).all() and "take" in caplog.text and "budget 12" in caplog.text
    member[Pool(member).others, 5] = False
    with caplog.at_level(logging.WARNING):
        rows = measure_budgets(phi, member, [4], [0.1], ["rmia", "offline"])
    assert set(rows["attack"]) == {"offline"} and "rmia is not scored with fewer models: sample 5" in caplog.text


def test_interval_of_a_table_by_hand():
    values = np.array([[0.2, 0.4, 0.3], [0.25, 0.5, 0.3]])
    found = crossed_interval(values, 0.25)
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    rest = values - rows[:, None] - columns + values.mean()
    between = rows.var(ddof=1) - (rest**2).sum() / 2 / 3
    parts = np.array([columns.var(ddof=1) / 3, between * (1 / 2 + 1 / 3)])
    reach = t.ppf(0.975, parts.sum() ** 2 / (parts**2 / [2, 1]).sum()) * np.sqrt(parts.sum())
    assert (found.low, found.high) == pytest.approx((max(values.mean() - reach, 0), values.mean() + reach))
    assert found.shared == pytest.approx(between / 3)
    assert crossed_interval(values, 1.0, 0.5).shared == 0.5
    assert np.isnan(crossed_interval(np.zeros((3, 4))).low) and np.isnan(crossed_interval([[0.3]]).high)
    with pytest.raises(DataError, match="one draw and one target"):
        crossed_interval(np.empty((0, 3)))


@pytest.mark.parametrize(("budget", "targets"), [(4, 16), (16, 16), (16, 4), (40, 8)])
def test_interval_holds_the_truth_where_models_act_additively(budget, targets):
    """Draws from one pool overlap: without the share of the pool, the intervals would be too short."""
    pool, repeats, worlds, covered, without = 48, 10, 400, 0, 0
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        models, of_targets = rng.normal(0, 0.06 * np.sqrt(budget), pool), rng.normal(0, 0.02, targets)
        drawn = np.array([models[rng.permutation(pool)[:budget]].mean() for _ in range(repeats)])
        values = 0.4 + drawn[:, None] + of_targets + rng.normal(0, 0.02, (repeats, targets))
        found, short = crossed_interval(values, budget / pool), crossed_interval(values, 0.0)
        covered += found.low <= 0.4 <= found.high
        without += short.low <= 0.4 <= short.high
    assert 0.92 <= covered / worlds <= 0.985
    assert without < covered


def test_enough_is_the_smallest_whose_interval_has_the_mean_of_all():
    rows = [("rmia", 4, "pairs", 0.2, 0.1, 0.29), ("rmia", 8, "pairs", 0.25, 0.2, 0.31), ("rmia", 31, "all", 0.3, 0, 1)]
    rows += [("base", 4, "pairs", 0.2, np.nan, np.nan), ("base", 31, "all", 0.3, 0, 1)]
    frame = pd.DataFrame(rows, columns=["attack", "models", "draw", "mean", "low", "high"])
    found = enough(frame.assign(metric="auc", fpr=np.nan)).set_index("attack")["enough"]
    assert found["rmia"] == 8 and np.isnan(found["base"])


def test_file(tmp_path):
    phi, member = gaussian_world(16, 300, 2.0)
    with hdf5.create(tmp_path / "shadows.h5", "shadows", RUN) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(tmp_path / "shadows.h5", tmp_path / "scores.h5", attacks=ATTACKS)
    calibrate_file(tmp_path / "scores.h5", [0.01, 0.1], [0.5], tmp_path / "metrics.csv", tmp_path / "samples.csv")
    given = [*ATTACKS, "base"]  # which is not in the metrics
    arguments = tmp_path / "shadows.h5", tmp_path / "metrics.csv", [4, 8], [0.01, 0.1], tmp_path / "budgets.csv"
    budgets_file(*arguments, attacks=given)
    found = read_csv(tmp_path / "budgets.csv", "budgets", {name: RUN[name] for name in list(RUN)[1:]})
    assert list(found["attack"].unique()) == ATTACKS and len(found) == len(ATTACKS) * 3 * 3
    metrics = read_csv(tmp_path / "metrics.csv").query("attack == 'rmia' and mode == 'target' and fpr == 0.1")
    row = found.query("attack == 'rmia' and draw == 'all'").set_index("metric")
    targets = Pool(member).targets
    assert row.loc["auc", "mean"] == pytest.approx(metrics["auc"][metrics["target"].isin(targets)].mean())
    tpr = metrics["tpr"][metrics["target"].isin(targets)]
    assert row[row["fpr"] == 0.1].loc["tpr", "mean"] == pytest.approx(tpr.mean())
    assert (row["models"] == 15).all() and (found["draw"] != "pairs").all()
    half = t.ppf(0.975, len(targets) - 1) * tpr.std() / np.sqrt(len(targets))
    assert row[row["fpr"] == 0.1].loc["tpr", "high"] == pytest.approx(min(1, tpr.mean() + half))
