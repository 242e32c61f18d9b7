"""CMBSciPol/furax#145, open-mmlab/mmdetection3d#296: values are centred before float32 takes different ones for one."""

import h5py
import numpy as np
import pytest
from raw_files import own, prepared

from lira.core.errors import DataError
from lira.datasets import read_part

RNG = np.random.default_rng(0)
Y = np.arange(200) % 4
TABLE = RNG.normal(3, 2, (200, 4))


def table(column, dtype=np.float64):
    return np.column_stack([column, TABLE.astype(dtype)]).astype(dtype)


SECONDS = RNG.normal(0, 60, 200)
NEAR = {
    "minutes since 1970": table(1.79e9 + SECONDS),
    "within a second": table(1e9 + RNG.normal(size=200)),
    "one is missing": table(np.where(np.arange(200) == 7, 0, 1.79e9 + SECONDS)),
    "nanoseconds": table((1_790_000_000_000_000_000 + SECONDS * 1e9).astype(np.int64), np.int64),
    "unsigned": table((2**63 + SECONDS * 1e9).astype(np.uint64), np.uint64),
    "below zero": table(-1.79e9 + SECONDS),
}


@pytest.mark.parametrize("x", NEAR.values(), ids=NEAR)
def test_near_values_stay_apart(tmp_path, x):
    pool = prepared(own(tmp_path, x=x, y=Y, x_test=x[:8], y_test=Y[:8]), tmp_path)
    assert len(np.unique(pool.x[:, 0])) > 0.9 * len(np.unique(x[:, 0]))
    with h5py.File(tmp_path / "data.h5") as file:
        offset = file.attrs["offset"]
    assert not offset[1:].any()
    np.testing.assert_array_equal(pool.x[:, 1:], x[:, 1:].astype(np.float32))
    exact = x[:, 0].astype(np.longdouble)
    np.testing.assert_allclose(pool.x[:, 0], (exact - offset[0]).astype(np.float64), rtol=1e-6, atol=1e-2)
    np.testing.assert_array_equal(read_part(tmp_path / "data.h5", "test").x, pool.x[:8])
    scaled = (pool.x - pool.mean.astype(np.float32)) / pool.std.astype(np.float32)
    np.testing.assert_allclose(scaled[:, 0], ((exact - exact.mean()) / exact.std()).astype(np.float64), atol=1e-4)


@pytest.mark.parametrize("x", [TABLE, table(np.ones(200)), table(np.full(200, 0.1)), table(2000 + SECONDS)])
def test_what_float32_keeps_apart_is_stored_as_ever(tmp_path, x):
    np.testing.assert_array_equal(prepared(own(tmp_path, x=x, y=Y), tmp_path).x, x.astype(np.float32))
    with h5py.File(tmp_path / "data.h5") as file:
        assert "offset" not in file.attrs


def test_a_given_mean_is_what_is_subtracted(tmp_path):
    x, mean, std = NEAR["minutes since 1970"], [1.79e9, 0, 0, 0, 0], [60.0, 1, 1, 1, 1]
    pool = prepared(own(tmp_path, x=x, y=Y, mean=mean, std=std), tmp_path)
    assert pool.mean.tolist() == [0] * 5 and pool.std.tolist() == std
    np.testing.assert_allclose(pool.x[:, 0], SECONDS, atol=1e-5)


def test_features_that_collapse_all_the_same_are_named(tmp_path):
    wide = np.column_stack([TABLE, np.where(np.arange(200) < 3, 1e30, 1e6 + RNG.normal(0, 1e-3, 200))])
    with pytest.raises(DataError, match=r"own.npz: most values of feature 4 are the same number in float32: leave"):
        prepared(own(tmp_path, x=wide, y=Y, mean=np.zeros(5), std=np.ones(5)), tmp_path)
    assert not (tmp_path / "data.h5").exists()
    kept = prepared(own(tmp_path, x=wide, y=Y), tmp_path)
    assert len(np.unique(kept.x[3:, 4])) > 150


def test_values_beyond_float32_are_named_as_they_are(tmp_path):
    with pytest.raises(
        DataError, match=r"feature 0 of sample 0 is 1e\+300: divide the feature, float32 ends at 3.4e\+38"
    ):
        prepared(own(tmp_path, x=table(np.where(np.arange(200) == 0, 1e300, SECONDS)), y=Y), tmp_path)
