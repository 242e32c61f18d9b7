"""Arrays of the user's own files, and what is said of those that cannot be used."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from raw_files import TABLE, X, Y, own, prepared

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import read_part
from lira.datasets.file import measure


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_own_tables(tmp_path, suffix):
    settings = own(tmp_path, "tabular", suffix, x=TABLE, y=Y, x_test=TABLE[:8] + 1, y_test=Y[:8])
    pool = prepared(settings, tmp_path)
    test = read_part(tmp_path / "data.h5", "test")
    assert pool.x.dtype == np.float32 and pool.y.dtype == np.int64 and pool.scale == 1 and pool.classes == 4
    np.testing.assert_array_equal(pool.x, TABLE.astype(np.float32))
    np.testing.assert_allclose(pool.mean, pool.x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(pool.std, pool.x.std(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(test.x, (TABLE[:8] + 1).astype(np.float32))
    with h5py.File(tmp_path / "data.h5") as file:
        np.testing.assert_array_equal(file["test/source"][:], np.arange(40, 48))
    both = prepared(settings.model_copy(update={"pool": "train+test"}), tmp_path)
    assert len(both.x) == 48
    with pytest.raises(DataError, match="no part 'test'"):
        read_part(tmp_path / "data.h5", "test")


@pytest.mark.parametrize("layout", ["first", "last", "grey"])
def test_own_images(tmp_path, layout):
    given = {"first": X, "last": np.moveaxis(X, 1, 3), "grey": X[:, 0]}[layout]
    pool = prepared(own(tmp_path, "image", x=given, y=Y), tmp_path)
    np.testing.assert_array_equal(pool.x, X[:, :1] if layout == "grey" else X)
    assert pool.scale == 255 and pool.x.dtype == np.uint8
    pixels = (pool.x / 255.0 - pool.mean[:, None, None]) / pool.std[:, None, None]
    np.testing.assert_allclose(pixels.mean(axis=(0, 2, 3)), 0, atol=1e-9)
    assert prepared(own(tmp_path, "image", x=given, y=Y), tmp_path, size=9).x.shape[2:] == (9, 9)


def test_a_constant_feature_divides_by_one(tmp_path):
    pool = prepared(own(tmp_path, x=np.where(np.arange(7) == 2, 4.0, TABLE), y=Y), tmp_path)
    assert pool.std[2] == 1 and pool.mean[2] == 4


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_the_size_of_a_file_is_that_of_what_is_prepared_from_it(tmp_path, suffix):
    def measured(kind, **arrays):
        settings = own(tmp_path, kind, suffix, **arrays)
        return measure(Path(settings.path), kind), prepared(settings, tmp_path)

    for given in (X, np.moveaxis(X, 1, 3), X[:, 0]):
        size, pool = measured("image", x=given, y=Y, x_test=given[:8], y_test=Y[:8])
        assert size == (len(pool.x), 8, pool.x.shape[1:], pool.classes)
    assert measured("tabular", x=TABLE, y=Y)[0] == (40, 0, (7,), 4)
    assert measured("tabular", x=TABLE, y=Y, classes=4)[0][3] == 4


@pytest.mark.parametrize(
    "arrays", [{"x": TABLE}, {"x": X, "y": Y}, {"x": TABLE, "y": Y[:3]}, {"x": TABLE, "y": Y + 0.5}]
)
@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_a_file_of_another_form_has_no_size(tmp_path, suffix, arrays):
    settings = own(tmp_path, "tabular", suffix, **arrays)
    with pytest.raises(DataError, match=f"own{suffix} cannot be read"):
        measure(Path(settings.path), "tabular")


NAN = np.where(np.arange(280).reshape(40, 7) == 52, np.nan, TABLE)


@pytest.mark.parametrize(
    ("kind", "arrays", "said"),
    [
        ("tabular", {"x": NAN, "y": Y}, "own.npz: feature 3 of sample 7 is nan"),
        ("tabular", {"x": TABLE, "y": Y - 1}, "own.npz: the label of sample 0 is -1: allowed are 0 to 2"),
        ("tabular", {"x": TABLE, "y": Y + 1}, "own.npz: the pool has no sample of class 0 of 0 to 4"),
        ("tabular", {"x": TABLE, "y": Y, "classes": 3}, "own.npz: the label of sample 3 is 3: allowed are 0 to 2"),
        ("tabular", {"x": TABLE, "y": Y, "classes": 5}, "no sample of class 4"),
        (
            "tabular",
            {"x": TABLE, "y": Y, "classes": 1e300},
            r"classes is 1e\+300: allowed are whole .* to 10+$",
        ),
        ("tabular", {"x": TABLE, "y": Y + 0.5}, r"own.npz: y\[0\] is 0.5: labels are whole numbers"),
        ("tabular", {"x": TABLE, "y": np.where(Y == 3, np.nan, Y)}, r"own.npz: y\[3\] is nan: labels are whole"),
        ("tabular", {"x": TABLE, "y": Y[:-1]}, r"own.npz: y is \[39\]: one label for each of the 40 samples"),
        ("tabular", {"x": TABLE[:0], "y": Y[:0]}, "own.npz: there are no samples"),
        ("tabular", {"x": TABLE}, "own.npz: has no 'y', it has: x"),
        ("tabular", {"x": TABLE, "y": Y, "z": Y}, "own.npz: 'z' is an unknown array: allowed are 'x', 'y', 'x_test'"),
        ("tabular", {"x": TABLE, "y": Y, "x_test": TABLE}, "own.npz: has no 'y_test'"),
        ("tabular", {"x": TABLE, "y": Y, "x_test": TABLE[:, 1:], "y_test": Y}, r"samples of x_test are \(6,\), those"),
        ("tabular", {"x": X, "y": Y}, r"own.npz: x is \[40, 3, 6, 5\]: tabular data is \[N, features\]"),
        ("image", {"x": TABLE.astype(np.uint8), "y": Y}, r"own.npz: x is \[40, 7\]: images are \[N, H, W\]"),
        ("image", {"x": X / 255, "y": Y}, "own.npz: x is float64: images are uint8"),
        ("image", {"x": X.repeat(2, 1), "y": Y}, r"own.npz: x is \[40, 6, 6, 5\]: images are"),
        ("image", {"x": X[:, :, :0], "y": Y}, r"own.npz: x is \[40, 3, 0, 5\]: its images have no pixels"),
        ("image", {"x": X[..., :0], "y": Y}, r"own.npz: x is \[40, 3, 6, 0\]: its images have no pixels"),
        ("image", {"x": X[:, 0, :0], "y": Y}, r"own.npz: x is \[40, 0, 5\]: its images have no pixels"),
        ("tabular", {"x": TABLE.astype(str), "y": Y}, "own.npz: x is an array of <U.*: numbers are needed"),
        ("tabular", {"x": TABLE, "y": Y, "scale": np.nan}, "own.npz: scale is nan: one number above 0"),
        (
            "tabular",
            {"x": TABLE.astype(object), "y": Y},
            "own.npz cannot be read .*: x is an array of objects: save it as astype",
        ),
    ],
)
def test_what_is_wrong_with_own_arrays_is_named(tmp_path, kind, arrays, said):
    settings = own(tmp_path, kind, **arrays)
    with pytest.raises(DataError, match=said) as error:
        prepared(settings, tmp_path)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["own.npz"]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_missing_truncated_and_foreign_files_are_refused(tmp_path, suffix):
    settings = own(tmp_path, "tabular", suffix, x=TABLE, y=Y)
    path = tmp_path / f"own{suffix}"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"x,y\n1,2\n", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"own{suffix} cannot be read as .npz or HDF5"):
            prepared(settings, tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=f"own{suffix} does not exist"):
        prepared(settings, tmp_path)


def test_an_hdf5_file_with_objects_is_refused(tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["x"], file["y"] = np.array(["a", "b"], object), [0, 1]
    with pytest.raises(DataError, match="x is an array of object"):
        prepared(Dataset(source="file", path=str(tmp_path / "own.h5"), kind="tabular"), tmp_path)
