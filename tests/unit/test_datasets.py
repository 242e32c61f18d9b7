"""Prepared datasets: a written-down split, statistics of the pool, a checksum."""

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_digits

from lira.config import Dataset
from lira.datasets import prepare_data, read_part
from lira.errors import ConfigError, DataError


def test_digits_are_divided_without_overlap_and_described(tmp_path):
    path = tmp_path / "digits.h5"
    prepare_data(Dataset(test=300, public=297, seed=3), path)
    original = load_digits()
    sources = []
    for name, size in (("pool", 1200), ("test", 300), ("public", 297)):
        part = read_part(path, name)
        with h5py.File(path) as file:
            source = file[name]["source"][:]
        assert part.x.shape == (size, 1, 8, 8) and part.x.dtype == np.uint8
        np.testing.assert_array_equal(part.x[:, 0], original.images[source])
        np.testing.assert_array_equal(part.y, original.target[source])
        assert np.bincount(part.y, minlength=10).min() > 0.08 * size
        sources.append(source)
    assert sorted(np.concatenate(sources)) == list(range(1797))
    pool = read_part(path, "pool")
    scaled = (pool.x / pool.scale - pool.mean) / pool.std
    assert scaled.mean() == pytest.approx(0, abs=1e-9) and scaled.std() == pytest.approx(1)
    assert pool.classes == 10


def test_the_split_depends_on_its_seed_alone(tmp_path):
    paths = [tmp_path / f"{number}.h5" for number in range(3)]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        prepare_data(Dataset(seed=seed), path)
    sources = [h5py.File(path)["pool/source"][:] for path in paths]
    np.testing.assert_array_equal(sources[0], sources[1])
    assert not np.array_equal(sources[0], sources[2])


def test_too_large_a_part_and_a_missing_part_are_named(tmp_path):
    with pytest.raises(ConfigError, match="public: cannot set 1500 of 1797 samples aside"):
        prepare_data(Dataset(test=300, public=1500), tmp_path / "digits.h5")
    assert not list(tmp_path.iterdir())
    prepare_data(Dataset(test=300), tmp_path / "digits.h5")
    with pytest.raises(DataError, match="no part 'public', it has: pool, test"):
        read_part(tmp_path / "digits.h5", "public")
