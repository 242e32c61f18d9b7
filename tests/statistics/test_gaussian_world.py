"""The whole chain, file to file, in a world whose TPR at any FPR is known in closed form."""

import numpy as np
import pytest
from scipy.stats import chi2, ncx2
from worlds import gaussian_tpr, gaussian_world

from lira.attacks.lira import score_file
from lira.evaluation.calibration import calibrate_file
from lira.storage import hdf5
from lira.storage.csv_files import read_csv

FPRS = (0.01, 0.1)
RUN = {"study": "test", "dataset": "gaussian", "architecture": "none", "regime": "none", "seed": 0}


@pytest.fixture(scope="module", params=[{"views": 1, "spread": 0.0}, {"views": 4, "spread": 2.0}], ids=str)
def world(request, tmp_path_factory):
    """The rates of a run of 128 models, and the world they are from."""
    folder = tmp_path_factory.mktemp("gaussian")
    options = {"separation": 1.5, **request.param}
    phi, member = gaussian_world(128, 2000, seed=1, **options)
    with hdf5.create(folder / "shadows.h5", "shadows", RUN) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(folder / "shadows.h5", folder / "scores.h5")
    calibrate_file(folder / "scores.h5", FPRS, [0.1], folder / "metrics.csv", folder / "samples.csv")
    return read_csv(folder / "metrics.csv"), options


def mean(metrics, column, **keys):
    for name, value in keys.items():
        metrics = metrics[metrics[name] == value]
    return metrics[column].mean()


@pytest.mark.parametrize("fpr", FPRS)
def test_global_attack(world, fpr):
    metrics, options = world
    expected = gaussian_tpr(fpr, **options)
    assert mean(metrics, "tpr", attack="global", mode="target", fpr=fpr) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("mode", ["target", "shadow"])
@pytest.mark.parametrize("fpr", FPRS)
def test_online_attacks_come_near_the_likelihood_ratio(world, fpr, mode):
    """From below, as 64 shadow models only estimate the two densities; a fixed spread estimates less."""
    metrics, options = world
    ideal = gaussian_tpr(fpr, options["separation"], views=options["views"])
    online = mean(metrics, "tpr", attack="online", mode=mode, fpr=fpr)
    assert ideal - 0.05 < online < ideal + 0.01
    if options["spread"] == 0:
        assert online < mean(metrics, "tpr", attack="online_fixed", mode=mode, fpr=fpr) < ideal + 0.01


@pytest.mark.parametrize("fpr", FPRS)
def test_offline_attack_is_two_sided(world, fpr):
    """Its score is the squared distance to OUT: chi-square for non-members, noncentral for members."""
    metrics, options = world
    threshold = chi2.ppf(1 - fpr, options["views"])
    ideal = ncx2.sf(threshold, options["views"], options["views"] * options["separation"] ** 2)
    offline = mean(metrics, "tpr", attack="offline", mode="shadow", fpr=fpr)
    assert ideal - 0.06 < offline < ideal + 0.01


@pytest.mark.parametrize("fpr", FPRS)
def test_shadow_thresholds_hold_the_fpr(world, fpr):
    metrics, _ = world
    for attack in ("online", "online_fixed", "offline", "offline_fixed"):
        achieved = mean(metrics, "fpr_achieved", attack=attack, mode="shadow", fpr=fpr)
        assert achieved == pytest.approx(fpr, rel=0.1)


def test_exact_intervals_cover_the_true_rate(world):
    """At shadow thresholds about 95 % of the intervals of one target's FPR hold the run's own rate."""
    metrics, _ = world
    rows = metrics[(metrics["attack"] == "online") & (metrics["mode"] == "shadow") & (metrics["fpr"] == 0.1)]
    rate = rows["fp"].sum() / (rows["fp"] + rows["tn"]).sum()
    assert ((rows["fpr_low"] <= rate) & (rate <= rows["fpr_high"])).mean() > 0.9
