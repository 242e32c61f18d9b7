"""Rates of groups against plain counts; their intervals and p-values in worlds where the answer is known."""

import numpy as np
import pytest
from worlds import gaussian_world

from lira.attacks.lira import score_file
from lira.core.errors import DataError
from lira.evaluation.bootstrap import clopper_pearson
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.groups import design_effects, group_file, largest_differences, rates_of_groups
from lira.report.figures import group_rates
from lira.report.tables import groups
from lira.storage import hdf5
from lira.storage.run import Run

KEY = {
    "study": "s",
    "protocol": "artifact",
    "dataset": "d",
    "architecture": "a",
    "regime": "r",
    "seed": 0,
    "sha256": "0f",
}


def world(rng, targets=12, samples=300, groups=5, leak=0.0, share=0.0):
    """Scores of samples, of which some are always flagged; members of group 0 score ``leak`` higher."""
    member = rng.permuted(np.arange(targets)[:, None] % 2 == np.zeros(samples), axis=0)
    place = rng.integers(groups, size=samples)
    scores = rng.normal(size=member.shape) + share * rng.normal(size=samples) + leak * member * (place == 0)
    return scores, member, place


def at(found, group, metric, prior=None):
    rows = found[(found["group"] == str(group)) & (found["metric"] == metric)]
    (row,) = rows[rows["prior"].isna() if prior is None else rows["prior"] == prior].to_dict("records")
    return row


def test_rates_are_those_of_plain_counts():
    scores, member, place = world(np.random.default_rng(0), leak=1.0)
    thresholds = np.linspace(0.5, 2, 12)
    thresholds[3] = np.inf
    found = rates_of_groups(scores, member, thresholds, place, [0.01, 0.5], permutations=20)
    assert len(found) == (5 + 1) * (3 + 2)
    for group in ["", *range(5)]:
        chosen = np.ones(300, dtype=bool) if group == "" else place == group
        flags = scores[:, chosen] >= thresholds[:, None]
        inside = member[:, chosen]
        tpr, fpr = flags[inside].mean(), flags[~inside].mean()
        assert at(found, group, "tpr")["value"] == pytest.approx(tpr)
        assert at(found, group, "fpr_achieved")["value"] == pytest.approx(fpr)
        exposed = (flags & inside).any(axis=0) & ~(flags & ~inside).any(axis=0)
        row = at(found, group, "exposed")
        assert row["value"] == exposed.mean() and row["samples"] == chosen.sum()
        assert (row["low"], row["high"]) == pytest.approx(
            [float(end) for end in clopper_pearson(exposed.sum(), exposed.size)]
        )
        for prior in (0.01, 0.5):
            row = at(found, group, "ppv_pooled", prior)
            assert row["value"] == pytest.approx(prior * tpr / (prior * tpr + (1 - prior) * fpr))
            assert row["low"] <= row["value"] <= row["high"]


def test_design_effects_are_those_of_two_way_clusters():
    rng = np.random.default_rng(1)
    trials = rng.random((7, 40)) < 0.5
    hits, place = trials & (rng.random((7, 40)) < 0.2 + 0.6 * (np.arange(40) % 3 == 0)), np.arange(40) % 2
    for row, chosen in enumerate([place >= 0, place == 0, place == 1]):
        of, there = hits[:, chosen], trials[:, chosen]
        residual = np.where(there, of - of.sum() / there.sum(), 0)
        clusters = sum((residual.sum(axis=axis) ** 2).sum() for axis in (0, 1)) - (residual**2).sum()
        expected = max(1.0, clusters / (residual**2).sum())
        assert design_effects(hits, trials, place, 2)[row] == pytest.approx(expected)


def test_a_group_without_hits_is_no_surer_than_the_pool():
    trials = np.ones((20, 60), dtype=bool)
    hits = np.zeros_like(trials)
    hits[:, :10] = True  # whole columns
    place = np.arange(60) // 30
    effects = design_effects(hits, trials, place, 2)
    assert effects[2] == effects[0] == pytest.approx(19)  # 20 trials a sample, less the pairs


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_intervals_hold_the_rate_that_many_samples_have(share):
    """Samples of their own kind (share) make the trials of one sample alike, which plain binomials overlook."""
    rng, held, plain, tried = np.random.default_rng(2), 0, 0, 0
    true = (np.random.default_rng(3).normal(size=(200_000, 1)) * np.sqrt(1 + share**2) >= 1.5).mean()
    for _ in range(60):
        scores, member, place = world(rng, share=share)
        found = rates_of_groups(scores, member, np.full(12, 1.5), place, [], permutations=0)
        for group in range(5):
            row = at(found, group, "fpr_achieved")
            held += row["low"] <= true <= row["high"]
            trials = (~member[:, place == group]).sum()
            low, high = clopper_pearson(round(row["value"] * trials), trials)
            plain += low <= true <= high
            tried += 1
    assert held / tried > 0.93
    assert plain / tried < 0.8 if share else plain / tried > 0.93


def test_groups_at_random_differ_by_chance_and_a_leaking_one_by_more():
    rng, p_values = np.random.default_rng(4), []
    for _ in range(100):
        scores, member, place = world(rng, samples=120, share=1.0)
        found = rates_of_groups(scores, member, np.full(12, 1.5), place, [0.1], permutations=99)
        p_values.append([at(found, "", "tpr")["p_value"], at(found, "", "ppv_pooled", 0.1)["p_value"]])
    assert ((np.array(p_values) <= 0.05).mean(axis=0) <= 0.11).all()  # 0.05 and three standard errors
    scores, member, place = world(rng, leak=1.5)
    found = rates_of_groups(scores, member, np.full(12, 1.5), place, [0.1], permutations=199)
    assert at(found, 0, "tpr")["p_value"] == at(found, "", "tpr")["p_value"] == 1 / 200
    assert at(found, 1, "fpr_achieved")["p_value"] > 0.01


def test_a_difference_is_as_probable_as_the_permutations_that_have_one():
    chance = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    values = np.array([0.2, 0.8])
    centre, spread = chance.mean(axis=0), chance.std(axis=0)
    largest = (np.abs(chance - centre) / spread).max(axis=1)
    own = np.abs(values - centre) / spread
    expected = [(1 + (largest >= of - 1e-9).sum()) / 5 for of in (own.max(), *own)]
    assert list(largest_differences(values, chance)) == pytest.approx(expected)
    assert np.isnan(largest_differences(np.array([0.3]), np.empty((0, 1)))).all()


def test_one_group_has_no_p_value_and_names_must_be_of_all_samples():
    scores, member, _ = world(np.random.default_rng(5), samples=30)
    found = rates_of_groups(scores, member, np.zeros(12), ["a"] * 30, [0.5])
    assert found["p_value"].isna().all() and set(found["group"]) == {"", "a"}
    with pytest.raises(DataError, match=r"groups \(3,\) must have a name for each of the 30 samples"):
        rates_of_groups(scores, member, np.zeros(12), ["a", "b", "c"], [0.5])


def grouped_run(tmp_path, key=KEY, **names):
    """A run of 60 samples with its ``groups.csv``, and names of them."""
    folder = tmp_path / "runs" / key["dataset"] / "a" / "r" / "seed0"
    phi, member = gaussian_world(8, 60, 1.0)
    with hdf5.create(hdf5.folder_of(folder / "shadows.h5") / "shadows.h5", "shadows", key) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
        for name, values in names.items():
            file[name] = values
    score_file(folder / "shadows.h5", folder / "scores.h5")
    calibrate_file(folder / "scores.h5", [0.1], [0.5], folder / "metrics.csv", folder / "samples.csv")
    group_file(folder / "scores.h5", folder / "metrics.csv", folder / "groups.csv")
    return Run(folder)


def test_classes_and_groups_may_have_names_that_pandas_takes_for_missing(tmp_path):
    labels, words = np.arange(60) % 3, np.array([b"NA", b"null", b"nan", b"None"])
    names = {"labels": labels, "class_names": words[:3], "group": words[np.arange(60) % 4]}
    run = grouped_run(tmp_path, KEY | {"dataset": "NA"}, **names)
    assert set(run.groups["group"]) == {"", "NA", "null", "nan", "None"} and set(run.groups["dataset"]) == {"NA"}
    shown = groups.table([run]).text
    assert shown.loc[shown["Group"] == "all", "Samples"].tolist() == ["60", "60"]
    assert sorted(shown.loc[shown["By"] == "class", "Group"]) == ["NA", "all", "nan", "null"]


def test_a_run_without_labels_has_an_empty_file_that_is_read(tmp_path):
    run = grouped_run(tmp_path)
    assert run.groups.empty
    assert "No run knows" in groups.table([run]).notes[0]
    assert group_rates.figure([run]).texts[0].get_text().startswith("No run knows")


def test_models_that_hold_nothing_are_named_with_what_to_do(tmp_path):
    phi, member = gaussian_world(8, 60, 1.0)
    member[2:] = False
    member[1] = ~member[0]
    with hdf5.create(tmp_path / "shadows.h5", "shadows", KEY) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(tmp_path / "shadows.h5", tmp_path / "scores.h5", attacks=["offline"])
    with pytest.raises(DataError, match="model 2 holds all samples of the pool, or none, and so do 5 more: no ROC"):
        calibrate_file(tmp_path / "scores.h5", [0.1], [0.5], tmp_path / "metrics.csv", tmp_path / "samples.csv")
