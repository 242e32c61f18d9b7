"""Whether a run leaks, and which records it exposes, against plain counts."""

import numpy as np
import pandas as pd
import pytest
from synthetic_study import run_folder

from lira.evaluation.calibration import calibrate
from lira.evaluation.leakage import by_recipe, exposure, leakage, resolved_fpr, verdict
from lira.evaluation.summary import summarise
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5
from lira.storage.csv_files import with_run, write_csv
from lira.storage.run import Run

NAN = float("nan")


@pytest.mark.parametrize(
    ("auc", "tpr", "fpr", "said"),
    [
        (50.1, 0.0, 9.0, "leaks"),
        (49.9, 3.1, 3.0, "leaks"),
        (50.0, 3.0, 3.0, "no leak found"),
        (NAN, 3.1, 3.0, "leaks"),
        (49.0, NAN, NAN, "no leak found"),
        (NAN, NAN, NAN, "cannot tell"),
    ],
)
def test_the_verdict_goes_by_the_ends_of_intervals(auc, tpr, fpr, said):
    found = {"auc_low": auc, "tpr_low": tpr, "fpr_achieved_high": fpr, "models": 16, "diverged": 0}
    assert verdict(found) == said


def test_numbers_are_those_of_the_best_attack_in_the_summary(study):
    run = Run(run_folder(study, "fcn", "baseline", 0))
    found = leakage(run, 0.01)
    rows = pd.read_csv(run.folder / "summary.csv")
    rows = rows[rows["attack"] == "best"]
    places = {"auc": ("auc", "target", NAN), "tpr": ("tpr", "shadow", NAN), "ppv": ("ppv_pooled", "shadow", 0.01)}
    for name, (metric, mode, prior) in places.items():
        row = rows[(rows["metric"] == metric) & (rows["mode"] == mode)]
        row = row[(row["prior"].fillna(-1) == (prior if prior == prior else -1)) & (row["fpr"].fillna(0.01) == 0.01)]
        assert [found[name], found[f"{name}_low"]] == pytest.approx([100 * row[of].item() for of in ("mean", "low")])
    assert found["answer"] == "leaks"  # as the made-up study was made


def test_the_fpr_is_the_smallest_at_which_every_pool_expects_a_false_positive(study):
    runs = [Run(run_folder(study, "fcn", "aof", seed)) for seed in (0, 1)]
    assert resolved_fpr(runs) == 0.01  # 120 non-members: 0.12 at 0.1 %, 1.2 at 1 %
    vars(runs[1])["_metrics"] = runs[1]._metrics.assign(fp=1, tn=9)
    assert resolved_fpr(runs) == 0.01  # none is resolved by both: the largest
    vars(runs[1])["_metrics"] = vars(runs[0])["_metrics"] = runs[0]._metrics.assign(fp=500, tn=500)
    assert resolved_fpr(runs) == 0.001


def test_exposed_records_are_counted_and_compared_by_seed(study):
    runs = [Run(run_folder(study, "fcn", "aof", seed)) for seed in (0, 1, 2)]
    sets = []
    for run in runs:
        rows = pd.read_csv(run.folder / "samples.csv").query("fpr == 0.01")
        sets.append(set(rows[(rows["fp"] == 0) & (rows["tp"] > 0)]["sample"]))
    null = pd.read_csv(runs[0].folder / "null_samples.csv").query("fpr == 0.01")
    found = exposure(runs, 0.01)
    assert found["exposed"] == len(sets[0]) > 0
    assert found["exposed_null"] == int(((null["fp"] == 0) & (null["tp"] > 0)).sum())
    pairs = [(0, 1), (0, 2), (1, 2)]
    jaccard = np.mean([len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in pairs])
    assert found["again"] == pytest.approx(100 * jaccard)
    assert found["again_low"] <= found["again"] <= found["again_high"]
    vars(runs[2])["attributes"] = runs[2].attributes | {"data_sha256": "of another pool"}
    assert exposure(runs, 0.01)["again"] == exposure(runs[:2], 0.01)["again"] != found["again"]
    alone = exposure(runs[:1], 0.01)
    assert alone["exposed"] == found["exposed"] and np.isnan(alone["again"])


def test_runs_that_differ_by_seed_alone_stand_together(study):
    places = [("fcn", "aof", 0), ("resnet", "aof", 0), ("fcn", "aof", 1)]
    grouped = by_recipe([Run(run_folder(study, *place)) for place in places])
    assert [[run.key["seed"] for run in runs] for runs in grouped] == [[0, 1], [0]]


@pytest.mark.parametrize(("models", "diverged"), [(15, 0), (16, 9)])
def test_few_models_and_failed_ones_do_not_show_that_nothing_leaks(models, diverged):
    quiet = {"auc_low": 49.0, "tpr_low": 1.0, "fpr_achieved_high": 3.0}
    assert verdict(quiet | {"models": 16, "diverged": 8}) == "no leak found"
    assert verdict(quiet | {"models": models, "diverged": diverged}) == "cannot tell"
    assert verdict(quiet | {"auc_low": 50.1, "models": models, "diverged": diverged}) == "leaks"


def test_a_leak_that_only_the_global_threshold_finds_is_one(tmp_path):
    rng = np.random.default_rng(0)
    member = balanced_membership(400, 16, 0.5, 0)
    scores = {"online": rng.normal(size=member.shape), "global": rng.normal(size=member.shape) + member}
    place = tmp_path / "runs" / "digits" / "fcn" / "baseline" / "seed0"
    attributes = {"study": "made-up", "dataset": "digits", "architecture": "fcn", "regime": "baseline", "seed": 0}
    with hdf5.create(place / "shadows.h5", "shadows", attributes | {"recipe": {}}) as file:
        file["member"] = member
        file["utility/diverged"] = np.zeros(16)
    metrics = calibrate(scores, member, [0.01], [0.1])
    write_csv(place / "summary.csv", with_run(summarise(scores, member, metrics, draws=50), Run(place).key))
    found = leakage(Run(place), 0.01)
    assert found["answer"] == "leaks" and found["auc"] > 70 and found["tpr"] < 5
