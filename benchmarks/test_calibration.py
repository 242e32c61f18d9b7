"""Two-mode calibration of five attacks, and the bootstrap of their means."""

import numpy as np
from measuring import stopwatch
from plain import rates as plain

from lira.attacks.lira import ATTACKS
from lira.evaluation.bootstrap import Draws, resample_rates
from lira.evaluation.calibration import calibrate
from lira.storage import hdf5

FPRS, PRIORS = (1e-5, 1e-3), (0.01, 0.1, 0.5)


def read(scores):
    with hdf5.read(scores, "scores") as file:
        return {attack: file[attack][:] for attack in ATTACKS}, file["member"][:]


def test_calibrate(size, scores, timed, report, row_sorting):
    values, member = read(scores)
    found, ours = timed(calibrate, values, member, FPRS, PRIORS)
    few = 16 if size.samples > 10_000 else size.models
    expected, seconds = stopwatch(plain.calibrate, {a: v[:few] for a, v in values.items()}, member[:few], FPRS, PRIORS)
    again = calibrate({attack: rows[:few] for attack, rows in values.items()}, member[:few], FPRS, PRIORS)
    columns = ["attack", "mode", "fpr", "target", "prior", "threshold", "tp", "fp", "ppv", "auc"]
    order = {name: rows for name, rows in again.groupby(["attack", "mode", "fpr"], sort=False)}
    ours_rows = [tuple(row) for rows in order.values() for row in rows[columns].itertuples(index=False)]
    assert len(ours_rows) == len(expected)
    for row, plain_row in zip(ours_rows, expected, strict=True):
        assert row[:5] == plain_row[:5]
        np.testing.assert_allclose(row[5:], plain_row[5:], rtol=1e-9)
    numbers = sum(rows.size for rows in values.values())
    share = f"{8 * numbers / 1e6:.0f} MB: {numbers / ours / row_sorting:.0%} of sorting each target"
    report("calibration, both modes", ours, seconds * size.models / few, share, rows=len(found), bytes_read=8 * numbers)


def test_bootstrap(size, scores, timed, report):
    values, member = read(scores)
    draws = Draws.of(size.samples, size.models, draws=1000)
    (own, _), ours = timed(resample_rates, values["online"], member, draws, FPRS, {}, rounds=1)
    seconds = []
    for draw in range(5):
        times = draws.samples[:, draw]
        expected, took = stopwatch(plain.bootstrap_draw, values["online"][3], member[3], times, FPRS[1])
        assert own[FPRS[1]].tpr[3, draw] == expected
        seconds.append(took)
    whole = np.mean(seconds) * 1000 * size.models
    report("bootstrap of one attack, 1,000 draws", ours, whole, "", draws=1000)
