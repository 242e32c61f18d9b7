"""Whether a run leaks, and which records it exposes, against plain counts."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm
from synthetic_study import run_folder

from lira.core.errors import StoreError
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
    places = {"tpr": ("tpr", NAN), "ppv": ("ppv_pooled", 0.01)}
    for name, (metric, prior) in places.items():
        row = rows[(rows["metric"] == metric) & (rows["mode"] == "shadow")]
        row = row[(row["prior"].fillna(-1) == (prior if prior == prior else -1)) & (row["fpr"].fillna(0.01) == 0.01)]
        assert [found[name], found[f"{name}_low"]] == pytest.approx([100 * row[of].item() for of in ("mean", "low")])
    assert found["answer"] == "leaks"  # as the made-up study was made


def test_the_auc_is_of_the_attack_whose_corrected_interval_lies_highest(study):
    run = Run(run_folder(study, "fcn", "baseline", 0))
    rows = pd.read_csv(run.folder / "summary.csv").query("metric == 'auc' and attack != 'best'").set_index("attack")
    low = rows["mean"] - norm.isf(0.025 / len(rows)) * rows["standard_error"]
    found = leakage(run, 0.01)
    assert len(rows) > 1 and found["surest"] == low.idxmax()
    assert found["auc_low"] == pytest.approx(100 * low.max())
    assert found["auc"] == pytest.approx(100 * rows.loc[low.idxmax(), "mean"])


def made_up(place, scores, member, fprs=(0.01,)):
    """A run's folder with these scores."""
    attributes = {"study": "made-up", "dataset": "digits", "architecture": "fcn", "regime": "baseline", "seed": 0}
    with hdf5.create(place / "shadows.h5", "shadows", attributes | {"recipe": {}}) as file:
        file["member"] = member
        file["phi"] = np.zeros((*member.shape, 1), dtype=np.float32)
        file["utility/diverged"] = np.zeros(len(member))
    metrics = calibrate(scores, member, [*fprs], [0.1])
    write_csv(place / "summary.csv", with_run(summarise(scores, member, metrics, draws=50), Run(place).key))
    run = Run(place)
    vars(run)["_metrics"] = metrics
    return run


def test_a_run_that_leaks_everything_leaks_though_its_rates_show_no_spread(tmp_path):
    """All targets have an AUC of 1, a TPR of 1 and no false positive: they know what one of them does."""
    member = balanced_membership(200, 32, 0.5, 0)
    sure = 100 * np.array(binomtest(100, 100).proportion_ci(method="exact"))
    run = made_up(tmp_path, {"online": 1.0 * member, "rmia": 2.0 * member}, member)
    found = leakage(run, 0.01)
    assert found["answer"] == "leaks"
    assert [found["tpr_low"], found["fpr_achieved_high"]] == pytest.approx([sure[0], 100 - sure[0]])
    level = 100 * binomtest(100, 100).proportion_ci(0.975, "exact").low
    assert [found["auc"], found["auc_low"]] == pytest.approx([100, level])


def test_a_run_all_of_whose_scores_are_equal_shows_no_leak(tmp_path):
    member = balanced_membership(200, 32, 0.5, 0)
    found = leakage(made_up(tmp_path, {"online": np.ones(member.shape)}, member), 0.01)
    assert found["answer"] == "no leak found" and found["auc_low"] < found["auc"] == 50 < found["auc_high"]


def test_the_fpr_is_the_smallest_at_which_every_pool_expects_a_false_positive(study):
    runs = [Run(run_folder(study, "fcn", "aof", seed)) for seed in (0, 1)]
    assert resolved_fpr(runs) == 0.01  # 120 non-members: 0.12 at 0.1 %, 1.2 at 1 %
    vars(runs[1])["_metrics"] = runs[1]._metrics.assign(fp=1, tn=9)
    assert resolved_fpr(runs) == 0.01  # none is resolved by both: the largest
    vars(runs[1])["_metrics"] = vars(runs[0])["_metrics"] = runs[0]._metrics.assign(fp=500, tn=500)
    assert resolved_fpr(runs) == 0.001
    other = SimpleNamespace(folder="seed1", fprs=[0.2], negatives=1000)
    with pytest.raises(StoreError, match=r"no FPR in common \(.*seed0: 0.001, 0.01; seed1: 0.2\): run snakemake, or"):
        resolved_fpr([runs[0], other])


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
    found = leakage(made_up(tmp_path, scores, member), 0.01)
    assert found["answer"] == "leaks" and found["auc"] > 70 and found["tpr"] < 5
