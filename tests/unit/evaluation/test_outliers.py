"""Results without single targets: against the same counted anew without them."""

import h5py
import numpy as np
import pytest
from synthetic_study import FPRS, PRIORS, run_folder

from lira.evaluation.agreement import measure_agreement
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.detections import count_detections
from lira.evaluation.outliers import achieved, detections, outlying_targets
from lira.report.figures.outliers import figure
from lira.storage.comparison import Comparison
from lira.storage.run import Run

BROKEN, FPR = 5, 0.01


@pytest.fixture(scope="module")
def broken(study, tmp_path_factory):
    """The three runs of a comparison; one target of the first flags every third non-member."""
    folder = tmp_path_factory.mktemp("broken")
    runs = [run_folder(folder, "fcn", "aof", seed) for seed in (0, 1, 2)]
    for seed, run in enumerate(runs):
        run.mkdir(parents=True)
        for name in ("shadows.h5", "scores.h5"):
            (run / name).write_bytes((run_folder(study, "fcn", "aof", seed) / name).read_bytes())
        if seed == 0:
            with h5py.File(run / "scores.h5", "r+") as file:
                scores, outside = file["online"][BROKEN], np.flatnonzero(~file["member"][BROKEN])
                scores[outside[::3]] = 1000
                file["online"][BROKEN] = scores
        calibrate_file(run / "scores.h5", FPRS, PRIORS, run / "metrics.csv", run / "samples.csv")
    output = folder / "agreement" / "digits" / "fcn" / "aof"
    measure_agreement(runs, [], [], FPRS, output / "agreement.csv")
    return output, [Run(run) for run in runs]


def test_a_broken_target_is_outlying_and_others_are_not(broken):
    _, runs = broken
    assert outlying_targets(runs[0], FPR) == [BROKEN]
    assert BROKEN not in outlying_targets(runs[1], FPR)


def test_detections_without_a_target_are_those_of_the_others(broken):
    _, (run, *_) = broken
    with run.scores() as file:
        scores, member = file["online"][:], file["member"][:]
    thresholds = achieved(run, FPR)["threshold"].to_numpy()
    for without in ([], [BROKEN], [0, BROKEN]):
        kept = np.delete(np.arange(len(scores)), without)
        expected = count_detections(scores[kept], member[kept], thresholds[kept])
        found = detections(run, FPR, without)
        np.testing.assert_array_equal(found[["tp", "fp"]], expected[["tp", "fp"]])
    assert detections(run, FPR, [BROKEN])["fp"].sum() < detections(run, FPR)["fp"].sum()


def test_the_figure_shows_both(broken):
    output, runs = broken
    drawn = figure(Comparison(output), fpr=FPR)
    agreement, alone, rates = drawn.get_axes()
    count = sum(len(outlying_targets(run, FPR)) for run in runs)
    assert drawn.subfigs[0].get_suptitle().endswith(f"outlying targets in 3 runs: {count}")
    by = {line.get_label(): line.get_ydata() for line in rates.lines}
    metrics = achieved(runs[0], FPR)["fpr_achieved"]
    assert by["all targets"][0] == pytest.approx(100 * metrics.mean())
    assert by["without outlying targets"][0] == pytest.approx(100 * metrics.drop(BROKEN).mean())
    (line, *_) = rates.collections[0].get_segments()
    assert sorted(line[:, 1]) == pytest.approx(sorted([100 * metrics.drop(BROKEN).mean(), 100 * metrics.mean()]))
    sets = np.stack([detections(run, FPR)["tp"].to_numpy() >= 1 for run in runs])
    by = {line.get_label(): line.get_ydata() for line in alone.lines}
    assert list(by["all targets"]) == [(sets[k] & ~np.delete(sets, k, axis=0).any(axis=0)).sum() for k in range(3)]
    by = {line.get_label(): line.get_ydata() for line in agreement.lines}
    assert by["all targets"][-1] == pytest.approx(100 * sets.all(axis=0).sum() / sets.any(axis=0).sum())
    pairs = [100 * (sets[i] & sets[j]).sum() / (sets[i] | sets[j]).sum() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert by["without the run that lowers it most"][0] == pytest.approx(max(pairs))
