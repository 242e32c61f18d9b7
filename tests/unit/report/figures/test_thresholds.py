import pandas as pd
from synthetic_study import run_folder


def test_thresholds_has_a_box_per_run_and_one_for_all(draw, study):
    drawn = draw("thresholds", fpr=0.01)
    (axes,) = drawn.get_axes()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["seed 0", "seed 1", "seed 2", "all runs"]
    metrics = pd.read_csv(run_folder(study, "fcn", "aof", 1) / "metrics.csv")
    chosen = metrics.query("attack == 'online' and mode == 'target' and fpr == 0.01 and prior == 0.5")["threshold"]
    rmad = 100 * 1.4826 * (chosen - chosen.median()).abs().median() / chosen.median()
    assert f"{chosen.median():.2f}\n{rmad:.1f} %" in [text.get_text() for text in axes.texts]
    assert len(draw("thresholds").get_axes()) == 2
