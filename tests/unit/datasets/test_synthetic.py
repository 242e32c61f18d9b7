import numpy as np
from raw_files import prepared

from lira.config import Dataset


def test_synthetic_samples_are_purchase_like(tmp_path):
    settings = Dataset(source="synthetic", samples=500, features=60, classes=20, test=100)
    pool = prepared(settings, tmp_path)
    assert pool.x.shape == (400, 60) and set(np.unique(pool.x)) == {0, 1} and pool.classes == 20
    assert pool.mean.tolist() == [0] * 60 and pool.std.tolist() == [1] * 60
    assert np.bincount(pool.y).tolist() == [20] * 20
    prototypes = np.stack([pool.x[pool.y == label].mean(axis=0) > 0.5 for label in range(20)])
    assert 0.15 < np.abs(pool.x - prototypes[pool.y]).mean() < 0.3
    np.testing.assert_array_equal(prepared(settings, tmp_path).x, pool.x)
    other = prepared(settings.model_copy(update={"seed": 1}), tmp_path)
    assert not np.array_equal(other.x, pool.x)
