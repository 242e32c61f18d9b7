"""Purchase-like data of 20,000 samples and 64 shadow models, to its tables."""

import pytest
from workspace import Workspace

from lira.storage.csv_files import read_csv

MODELS, SAMPLES = 64, 20_000


@pytest.mark.campaign
def test_purchase_like_data_to_tables(request, tmp_path):
    study = Workspace(
        request.config.rootpath,
        tmp_path,
        study="purchase",
        shadow_models=MODELS,
        shard_size=32,
        fprs=[0.001],
        store_logits=False,
        datasets={"purchase": {"source": "synthetic", "samples": SAMPLES + 2000, "test": 2000}},
        architectures={"fcn": {"family": "fcn", "hidden": [64]}},
        regimes={"baseline": {"epochs": 3, "batch_size": 128, "learning_rate": 0.1, "cohort": 16}},
        pretraining={},
        runs={"purchase/fcn/baseline": {}},
        agreement={},
        ablation=[],
        transfer=[],
    )
    study.run("--cores", "2", "tables")
    tables = tmp_path / "results/purchase/paper/tables"
    assert {"benchmarks.md", "utility.md", "optimistic.md", "calibrated-fpr0.001.md"} <= {
        path.name for path in tables.iterdir()
    }
    utility = read_csv(tables / "utility.csv")
    assert 10 < utility["test_accuracy_mean"][0] <= utility["train_accuracy_mean"][0]
    samples = read_csv(tmp_path / "results/purchase/runs/purchase/fcn/baseline/seed0/samples.csv")
    assert len(samples.query("fpr == 0.001")) == SAMPLES
