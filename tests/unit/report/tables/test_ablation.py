import pandas as pd
import pytest
from synthetic_study import run_folder
from table_files import rows_of


def test_ablation_keeps_the_order_given(make, study):
    folders = [run_folder(study, "fcn", regime) for regime in ("tl", "baseline", "aof")]
    data, path = make("ablation", folders, fpr=0.01)
    assert list(data["regime"]) == ["tl", "baseline", "aof"]
    assert list(data["augment"]) == ["FLP+CRP", "none", "FLP+CRP"]
    metrics = pd.read_csv(folders[0] / "metrics.csv")
    chosen = metrics.query("attack == 'online_fixed' and mode == 'target' and fpr == 0.01 and prior == 0.5")
    assert data["tpr_mean"].iloc[0] == pytest.approx(100 * chosen["tpr"].mean())
    assert "Architecture" not in rows_of(path)[0]
