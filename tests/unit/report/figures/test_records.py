import numpy as np
from synthetic_study import RUNS, run_folder

from lira.storage.run import Run


def test_a_card_has_a_tick_per_model_and_the_medians(draw, study):
    (axes,) = (panel for panel in draw("records", sample=7).get_axes() if panel.get_xlabel())
    ticks = np.concatenate([points.get_offsets() for points in axes.collections])
    medians = [line.get_xdata() for line in axes.lines if len(line.get_xdata())]
    assert len(medians) == 2
    for place, seed in enumerate(RUNS["fcn", "aof"]):
        with Run(run_folder(study, "fcn", "aof", seed)).shadows() as file:
            phi, member = file["phi"][:, 7].mean(axis=1, dtype=float), file["member"][:, 7]
        for said, held, shift in zip(medians, (member, ~member), (-0.2, 0.2), strict=True):
            shown = ticks[np.isclose(ticks[:, 1], place + shift), 0]
            np.testing.assert_allclose(np.sort(shown), np.sort(phi[held]))
            np.testing.assert_allclose(said[place], np.median(phi[held]))
