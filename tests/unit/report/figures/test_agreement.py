import numpy as np
import pandas as pd
from synthetic_study import agreement_folder

from lira.report.figures._style import canvas
from lira.report.figures.agreement import draw_scenarios


def test_agreement_has_a_line_per_scenario(draw, study):
    panels = draw("agreement", fpr=0.01).get_axes()
    sets = pd.read_csv(agreement_folder(study) / "agreement.csv")
    chosen = sets.query("scenario == 'identical' and support == 1 and not zero_fp and fpr == 0.01")
    lines = {line.get_label(): line for line in panels[0].lines}
    assert list(lines) == [
        "identical",
        "+1 different (batch 128, dropout 0.2)",
        "+1 different (TL)",
        "+1 different (ResNet)",
        "+2 different",
        "+3 different",
        "chance (membership permuted)",
    ]
    np.testing.assert_allclose(lines["identical"].get_ydata(), 100 * chosen["jaccard"])
    np.testing.assert_allclose(panels[2].lines[0].get_ydata(), chosen["union"])
    null = pd.read_csv(agreement_folder(study) / "null_agreement.csv")
    null = null.query("scenario == '+3 different' and support == 1 and not zero_fp and fpr == 0.01")
    chance = panels[0].lines[-1]
    np.testing.assert_array_equal(chance.get_xdata(), [2, 3, 4, 5, 6])
    np.testing.assert_allclose(chance.get_ydata(), 100 * null["jaccard"])
    np.testing.assert_allclose(panels[1].lines[-1].get_ydata(), null["intersection"])
    drawn = draw("agreement").get_axes()
    assert len(drawn) == 6
    for axes in drawn:
        assert axes.get_ylim()[1] >= max(line.get_ydata().max() for line in axes.lines)


SEVEN = [f"digits/fcn/variant{number}" for number in range(7)]


def test_agreement_of_more_variants_than_colours():
    rows = [("identical", "")] + [(f"+{m} different", variant * (m == 1)) for m in range(1, 8) for variant in SEVEN]
    sets = pd.DataFrame(rows, columns=["scenario", "variants"]).drop_duplicates()
    sets = sets.assign(k=2, jaccard=0.5, intersection=1.0, union=2.0)
    panels = canvas(7, 2).subplots(1, 3)
    draw_scenarios(panels, sets)
    assert len(panels[0].lines) == len(sets) == 1 + 7 + 6
