import numpy as np
import pandas as pd
import pytest
from synthetic_study import run_folder
from table_files import rows_of

from lira.report.make import make as make_any
from lira.storage.run import Run


def test_a_column_per_number_of_models_and_the_fewest_that_are_enough(make, study):
    data, path = make("budgets", fpr=0.01)
    folder = run_folder(study, "resnet", "baseline")
    stored = Run(folder).table("budgets.csv").query("attack == 'online' and metric == 'auc'").set_index("models")
    header, *shown = rows_of(path)
    assert header[3:] == ["Attack", "Rate", "4 models", "8 models", "All models", "Enough", "Chance"]
    (cells,) = [cells for cells in shown if cells[1:5] == ["ResNet", "Baseline", "LiRA (online)", "AUC"]]
    mean, low, high = (100 * stored.loc[8, ["mean", "low", "high"]]).astype(float)
    assert cells[6] == f"{mean:.2f} [{low:.1f}, {high:.1f}]"
    within = [m for m in (4, 8) if stored.loc[m, "low"] <= stored.loc[15, "mean"] <= stored.loc[m, "high"]]
    assert cells[8:] == [str(within[0]) if within else "–", "50.00"]
    assert set(data["fpr"].dropna()) == {0.01} and len(data) == 6 * 5 * 2 * 3
    assert np.isfinite(data["chance"]).all()


def test_the_figure_has_a_row_of_panels_per_run(study):
    drawn = make_any("figures", "budgets", [run_folder(study, "fcn", "aof"), run_folder(study, "fcn", "tl")], {})
    panels = drawn.get_axes()
    assert [axes.get_title().replace("\n", " ") for axes in panels[:3]] == [
        "TPR at 0.1 % FPR (not resolved: 0 FP)",
        "TPR at 1 % FPR (fewer than 5 FP expected)",
        "AUC",
    ]
    assert len(panels) == 6 and [text.get_text() for text in panels[2].get_xticklabels()] == ["4", "8", "\n15"]
    stored = Run(run_folder(study, "fcn", "aof")).table("budgets.csv")
    auc = stored[(stored["attack"] == "online") & stored["fpr"].isna()].sort_values("models")["mean"]
    (line,) = [line for line in panels[2].lines if line.get_label() == "LiRA (online)"]
    assert list(line.get_ydata()) == pytest.approx(list(auc))
    assert isinstance(stored, pd.DataFrame) and panels[2].lines[-1].get_ydata()[0] == 0.5
