import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PathCollection
from synthetic_study import MAIN, run_folder


def test_loss_ratio_shows_intervals_and_chance(draw, study):
    (axes,) = draw("loss_ratio", fpr=0.01).get_axes()
    same = "attack == 'online' and mode == 'target' and fpr == 0.01"
    rows = [
        pd.read_csv(run_folder(study, *key) / "summary.csv").query(same + " and metric == 'tpr'").iloc[0]
        for key in MAIN
    ]
    (lines,) = [lines for lines in axes.collections if isinstance(lines, LineCollection)]
    bars = sorted(tuple(segment[:, 1]) for segment in lines.get_segments())
    np.testing.assert_allclose(bars, sorted((100 * row["low"], 100 * row["high"]) for row in rows))
    controls = [pd.read_csv(run_folder(study, *key) / "controls.csv") for key in MAIN]
    chance = np.mean([table.query(same + " and prior == 0.5")["tpr"].mean() for table in controls])
    (line,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(line.get_ydata(), 100 * chance)


def test_loss_ratio_fit(draw, study):
    drawn = draw("loss_ratio", fpr=0.01)
    (axes,) = drawn.get_axes()
    (marks,) = [marks for marks in axes.collections if isinstance(marks, PathCollection)]
    points = np.asarray(marks.get_offsets())
    assert len(points) == len(MAIN)
    r = np.corrcoef(np.log10(points[:, 0]), points[:, 1])[0, 1]
    slope, intercept = np.polyfit(np.log10(points[:, 0]), points[:, 1], 1)
    title = axes.get_title()
    assert f"Pearson r (log x) = {r:.2f}" in title and f"R² = {r**2:.2f}" in title
    assert f"{slope:.2f} log" in title and f"{abs(intercept):.2f}, R²" in title
    (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(line.get_ydata(), intercept + slope * np.log10(line.get_xdata()))
    alone = draw("loss_ratio", [run_folder(study, "fcn", "tl"), run_folder(study, "fcn", "aof")])
    assert "Pearson" not in alone.get_axes()[0].get_title()
