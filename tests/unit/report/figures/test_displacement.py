import numpy as np
import pandas as pd
from synthetic_study import agreement_folder


def test_displacement_is_the_mean_over_runs(draw, study):
    axes = draw("displacement").get_axes()[0]
    shares = pd.read_csv(agreement_folder(study) / "displacement.csv").query("gap == 'median' and q == 5")
    line = next(line for line in axes.lines if line.get_label() == "q = 5 %")
    chance = axes.lines[list(axes.lines).index(line) + 1]
    assert chance.get_linestyle() == ":" and chance.get_color() == line.get_color()
    below = 100 * np.arange(12, 240) / 240
    np.testing.assert_allclose(chance.get_ydata()[-1], 100 * (below <= 15).mean())
    np.testing.assert_allclose(line.get_ydata(), 100 * shares.groupby("delta")["fraction"].mean())
