"""A class-balanced part of any source, and equal samples, which are counted."""

import h5py
import numpy as np
import pytest
from raw_files import TABLE, Cifar, X, Y, own, prepared

from lira.config import Dataset, load_study
from lira.core.errors import ConfigError
from lira.datasets import prepare_data, read_part
from lira.datasets._parts import balanced
from lira.storage import hdf5


def test_a_part_has_as_many_of_each_class_as_can_be():
    labels = np.repeat([2, 0, 1], [3, 20, 30])
    for count, sizes in ((6, [2, 2, 2]), (9, [3, 3, 3]), (11, [4, 4, 3]), (30, [14, 13, 3]), (53, [20, 30, 3])):
        chosen = balanced(labels, count, 0)
        assert np.bincount(labels[chosen]).tolist() == sizes and (np.diff(chosen) > 0).all()
        assert chosen.tolist() == balanced(labels, count, 0).tolist()
        assert set(balanced(labels, 6, 0)) <= set(chosen)
    assert set(balanced(labels, 20, 0)) != set(balanced(labels, 20, 1))
    for count in (5, 54):
        with pytest.raises(
            ConfigError, match=f"samples: cannot draw {count} of 53 samples: allowed are 6 to 53, as each"
        ):
            balanced(labels, count, 0)


def source_of(tmp_path, part="pool"):
    with h5py.File(tmp_path / "data.h5") as file:
        return file[part]["source"][:], file.attrs["sha256"]


def test_any_source_takes_a_part_of_its_training_set(tmp_path, monkeypatch):
    cifar = Cifar(tmp_path / "raw", monkeypatch).settings
    whole = prepared(cifar, tmp_path)
    test, identity = source_of(tmp_path, "test")
    part = prepared(cifar.model_copy(update={"samples": 40}), tmp_path)
    chosen, other = source_of(tmp_path)
    assert np.bincount(part.y).tolist() == [4] * 10 and identity != other
    np.testing.assert_array_equal(part.x, whole.x[chosen])
    assert source_of(tmp_path, "test")[0].tolist() == test.tolist()
    prepared(cifar.model_copy(update={"samples": 40, "seed": 1}), tmp_path)
    assert source_of(tmp_path)[0].tolist() != chosen.tolist()
    for settings in (own(tmp_path, x=TABLE, y=Y, x_test=TABLE[:8], y_test=Y[:8]), Dataset()):
        of_pool = settings.model_copy(update={"samples": 32, "test": 12, "pool": "train+test"})
        assert len(prepared(of_pool, tmp_path).y) == 20 and len(read_part(tmp_path / "data.h5", "test").y) == 12


def test_a_part_has_a_name_and_a_pool_of_its_own():
    assert Dataset(samples=40, pool="train", test=9).view(8, 0) == "8px-train-samples40-test9-split0"
    assert Dataset(source="synthetic", samples=40, pool="train").view(None, 0) == "train-split0"
    assert Dataset(samples=40, seed="run").draws_pool and not Dataset(samples=40).draws_pool
    assert Dataset(source="synthetic", seed="run").draws_pool


def test_too_large_a_part_of_a_known_dataset_is_refused_before_it_is_loaded(request):
    from lira.work import check_sizes

    study = load_study(request.config.rootpath / "studies" / "smoke.yaml")
    for samples in (19, 1798):
        digits = study.datasets["digits"].model_copy(update={"samples": samples})
        with pytest.raises(ConfigError, match=f"datasets.digits.samples is {samples}: allowed are 20 to 1797"):
            check_sizes(study.model_copy(update={"datasets": {"digits": digits}}))


def counted(tmp_path):
    with hdf5.read(tmp_path / "data.h5", "data") as file:
        return hdf5.attributes(file)["duplicates"]


def test_equal_samples_are_counted(tmp_path, caplog):
    twice = {"x": np.concatenate([TABLE, TABLE[:3], TABLE[:1]]), "y": np.r_[Y, Y[1:4], Y[0]]}  # of other classes, too
    tested = {"x_test": np.concatenate([TABLE[5:7], TABLE + 1]), "y_test": np.r_[Y[:2], Y]}
    prepared(own(tmp_path, **twice, **tested), tmp_path)
    assert counted(tmp_path) == {"pool": 7, "test": 2}
    assert "own.npz: exact duplicates of samples in the pool: {'pool': 7, 'test': 2}" in caplog.text
    prepared(own(tmp_path, x=np.array([[0.0], [-0.0], [1.0], [2.0]]), y=[0, 0, 1, 1]), tmp_path)
    assert counted(tmp_path) == {"pool": 2}
    prepared(own(tmp_path, "image", x=np.concatenate([X, X[:2]]), y=np.r_[Y, Y[:2]]), tmp_path, size=4)
    assert counted(tmp_path) == {"pool": 4}


def test_digits_have_no_equal_samples(tmp_path):
    prepare_data(Dataset(test=300, public=100), None, 0, tmp_path / "data.h5")
    assert counted(tmp_path) == {"pool": 0, "test": 0, "public": 0}
