"""From CIFAR-10's batches on disk to rates: ResNet-18, four shadow models in two shards, two epochs."""

import h5py
import numpy as np
import pytest
from raw_files import Cifar

from lira.attacks.lira import score_file
from lira.config import load_study
from lira.datasets import prepare_data
from lira.evaluation.calibration import calibrate_file
from lira.shadows.gather import gather_shadows
from lira.shadows.jobs import train_shadows
from lira.storage.csv_files import read_csv

KEY = "cifar10/resnet18/aof"


@pytest.mark.parametrize("size", [8, pytest.param(None, marks=pytest.mark.campaign)])
def test_cifar10_from_files_to_rates(tmp_path, monkeypatch, size):
    cifar = Cifar(tmp_path / "raw", monkeypatch, per_batch=40)
    study = load_study(
        {
            "study": "s",
            "shadow_models": 4,
            "datasets": {"cifar10": {"source": "cifar10", "path": str(cifar.settings.path)}},
            "architectures": {"resnet18": {"family": "timm", "name": "resnet18", "stem": "small"}},
            "regimes": {"aof": {"augment": ["flip", "crop", "rotate", "jitter", "cutmix"], "dropout": 0.1}},
            "runs": {KEY: {"epochs": 2, "batch_size": 25, "image_size": size, "query_views": 2}},
        }
    )
    data, shadows, scores = (tmp_path / f"{name}.h5" for name in ("data", "shadows", "scores"))
    prepare_data(study.dataset_of(KEY), size, 0, data)
    settings, run = study.training_settings(KEY), study.describe_run(KEY, 42)
    shards = [tmp_path / "0-1.h5", tmp_path / "2-3.h5"]
    for first, shard in zip((0, 2), shards, strict=True):
        train_shadows(settings, run, data, first, first + 1, shard)
    gather_shadows(settings, run, shards, data, shadows)
    score_file(shadows, scores)
    calibrate_file(scores, [0.1], [0.5], tmp_path / "metrics.csv", tmp_path / "samples.csv")
    with h5py.File(shadows) as file:
        phi, member = file["phi"][:], file["member"][:]
        assert (member.sum(axis=0) == 2).all()
        assert np.isfinite(file["utility/test_loss"][:]).all()
    assert phi.shape == (4, 200, 2) and np.isfinite(phi).all()
    assert not np.array_equal(phi[..., 0], phi[..., 1]) and len(np.unique(phi[:, 0, 0])) == 4
    rates = read_csv(tmp_path / "metrics.csv").query("mode == 'target'")
    assert set(rates["target"]) == {0, 1, 2, 3} and (rates["fpr_achieved"] <= 0.1).all()
