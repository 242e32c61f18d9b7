"""Prepared datasets: a written-down split, statistics of the pool, a checksum, and errors that name file and place."""

import sys
from collections import UserList
from contextlib import nullcontext
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from lira import datasets
from lira.config import Dataset, load_study
from lira.core.errors import ConfigError, DataError
from lira.datasets import Arrays, prepare_data, read_part

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, 3, 6, 5), np.uint8)
Y = np.arange(40) % 4
TABLE = RNG.normal(5, 3, (40, 7))


def own(tmp_path, kind="tabular", suffix=".npz", **arrays):
    """Settings of a file with these arrays."""
    path = tmp_path / f"own{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    return Dataset(source="file", path=str(path), kind=kind)


def prepared(settings, tmp_path, size=None, seed=0):
    prepare_data(settings, size, seed, tmp_path / "data.h5")
    return read_part(tmp_path / "data.h5", "pool")


def test_digits_are_divided_without_overlap_and_described(tmp_path):
    path = tmp_path / "digits.h5"
    prepare_data(Dataset(test=300, public=297, seed=3), None, 0, path)
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
    def source(split_seed, seed):
        prepare_data(Dataset(seed=split_seed, test=300), None, seed, tmp_path / "d.h5")
        with h5py.File(tmp_path / "d.h5") as file:
            return file["pool/source"][:], file.attrs["sha256"]

    fixed, other, run = source(0, 0), source(1, 0), source("run", 1)
    np.testing.assert_array_equal(fixed[0], source(0, 5)[0])
    assert not np.array_equal(fixed[0], other[0]) and fixed[1] != other[1]
    np.testing.assert_array_equal(other[0], run[0])
    assert other[1] == run[1]


def test_too_large_a_part_and_a_missing_part_are_named(tmp_path):
    with pytest.raises(ConfigError, match="public: cannot set 1500 of 1797 samples aside"):
        prepare_data(Dataset(test=300, public=1500), None, 0, tmp_path / "digits.h5")
    assert not list(tmp_path.iterdir())
    prepare_data(Dataset(test=300), None, 0, tmp_path / "digits.h5")
    with pytest.raises(DataError, match="no part 'public', it has: pool, test"):
        read_part(tmp_path / "digits.h5", "public")


@pytest.mark.parametrize("size", [3, 5, 11, 144])
def test_images_are_resized_as_torchvision_resizes_pictures(size):
    from torchvision.transforms import Resize

    for image in (*X[:3], RNG.integers(0, 256, (3, 50, 31), np.uint8), RNG.integers(0, 256, (1, 9, 9), np.uint8)):
        channels_last = np.moveaxis(image, 0, 2)
        picture = Image.fromarray(channels_last.squeeze() if len(image) == 1 else channels_last)
        expected = np.asarray(Resize((size, size))(picture)).reshape(size, size, -1)
        np.testing.assert_array_equal(datasets.resize(image, size), np.moveaxis(expected, 2, 0))


def test_small_blocks_give_the_same_file(tmp_path, monkeypatch):
    settings = own(tmp_path, x=TABLE, y=Y)
    whole = prepared(settings, tmp_path)
    with h5py.File(tmp_path / "data.h5") as file:
        checksum = file.attrs["sha256"]
    monkeypatch.setattr(datasets, "BLOCK_BYTES", 100)
    blocks = prepared(settings, tmp_path)
    np.testing.assert_array_equal(whole.x, blocks.x)
    np.testing.assert_allclose(whole.mean, blocks.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.std, blocks.std, rtol=1e-12)
    with h5py.File(tmp_path / "data.h5") as file:
        assert file.attrs["sha256"] == checksum


def test_a_large_file_is_prepared_in_bounded_memory(tmp_path, monkeypatch):
    """Images of 144 px never exist all at once: here 8 MB of them, in blocks of 100 kB."""
    import tracemalloc

    settings = own(tmp_path, "image", x=np.repeat(X, 4, axis=0), y=np.repeat(Y, 4))
    monkeypatch.setattr(datasets, "BLOCK_BYTES", 100_000)
    prepared(settings, tmp_path, 8)
    tracemalloc.start()
    prepare_data(settings, 144, 0, tmp_path / "data.h5")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "data.h5").stat().st_size > 9_900_000
    assert peak < 4_500_000  # pool statistics take float64 copies of a block


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
        ("tabular", {"x": TABLE.astype(object), "y": Y}, "own.npz cannot be read .*allow_pickle=False"),
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


FUNCTIONS = """
import numpy as np
def plain(): return {"x": np.arange(12.0).reshape(6, 2), "y": [0, 1, 2] * 2}
def asks(settings): return {"x": np.ones((settings.samples, 2)), "y": np.arange(settings.samples) % 2, "scale": 2}
def wrong(): return [1, 2]
def loaded():
    from lira.datasets import Arrays
    return Arrays(np.ones((4, 1)), np.arange(4), "mine", mean=[0], std=[2])
"""


def test_own_functions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_loaders.py").write_text(FUNCTIONS)
    try:
        found = prepared(Dataset(source="own_loaders:plain", kind="tabular"), tmp_path)
        assert found.x.tolist()[5] == [10, 11] and found.classes == 3
        asked = prepared(Dataset(source="own_loaders:asks", kind="tabular", samples=8), tmp_path)
        assert len(asked.x) == 8 and asked.scale == 2 and asked.mean.tolist() == [0.5, 0.5]
        assert prepared(Dataset(source="own_loaders:loaded", kind="tabular"), tmp_path).std.tolist() == [2]
        with pytest.raises(DataError, match="own_loaders:wrong returned list: a dictionary with x and y is needed"):
            prepared(Dataset(source="own_loaders:wrong", kind="tabular"), tmp_path)
        with pytest.raises(ConfigError, match="os:stat failed: "):
            prepared(Dataset(source="os:stat", kind="tabular"), tmp_path)
        with pytest.raises(DataError, match="builtins:dict: has no 'x', it has: nothing"):
            prepared(Dataset(source="builtins:dict", kind="tabular"), tmp_path)
        with pytest.raises(ConfigError, match="own_loaders:none"):
            prepared(Dataset(source="own_loaders:none", kind="tabular"), tmp_path)
        with pytest.raises(ConfigError, match="no_such_module:f cannot be imported"):
            prepared(Dataset(source="no_such_module:f", kind="tabular"), tmp_path)
    finally:
        sys.modules.pop("own_loaders", None)


PICTURES = [image[:, : 5 + index % 2] for index, image in enumerate(X)]


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("tabular", {"train": np.arange(30), "test": np.arange(20, 40)}, "sample 20 is in both train and test"),
        ("tabular", {"test": [-1, 3]}, "test has other values than indices of samples, from 0 to 39"),
        ("tabular", {"train": [3, 40]}, "train has other values than indices"),
        ("tabular", {"train": [0.5]}, "train has other values than indices"),
        ("tabular", {"test": [3, 3]}, "test has a sample more than once"),
        ("tabular", {"scale": 0}, "scale is 0: one number above 0"),
        ("tabular", {"scale": None}, "scale is an array of object"),
        ("tabular", {"mean": [0] * 7}, "mean and std are needed together"),
        ("tabular", {"mean": [0] * 6, "std": [1] * 7}, r"mean is \[0.*: 7 finite numbers are needed, as x has 7"),
        ("tabular", {"mean": [0] * 7, "std": [1] * 6 + [0]}, "std is 0 somewhere: numbers above 0"),
        ("tabular", {"mean": [0] * 7, "std": [np.nan] * 7}, "std is .*: 7 finite numbers"),
        ("tabular", {"y": np.stack([Y, Y], 1)}, r"y is \[40, 2\]: one label for each"),
        ("tabular", {"y": Y + 0.5}, r"y\[0\] is 0.5: labels are whole numbers"),
        ("tabular", {"y": Y.astype(str)}, "y is an array of <U"),
        ("tabular", {"x": None}, "x is an array of object: numbers are needed"),
        ("tabular", {"x": [[1.0], [1.0, 2.0]]}, "x is no array of numbers"),
        ("tabular", {"classes": "4"}, "classes is an array of <U1"),
        ("tabular", {"classes": 4.5}, "classes is 4.5: allowed are whole numbers"),
        ("tabular", {"origin": None}, "origin is None: text is needed"),
        ("image", {"x": X, "size": -3}, "size is -3: one number above 0"),
        ("image", {"x": X / 255}, "x is float64: images are uint8"),
        ("image", {"x": [*PICTURES[1:], X[0] / 255]}, r"x\[39\] is float64: images are uint8"),
        ("image", {"x": [*PICTURES[1:], X[0, :1]]}, "x has images of different numbers of channels"),
        ("image", {"x": PICTURES}, "mine: its images are in no one array: set image_size"),
    ],
)
def test_what_is_wrong_with_the_arrays_of_an_own_function_is_named(tmp_path, monkeypatch, kind, changes, said):
    given = {"x": TABLE, "y": Y, "origin": "mine", **changes}
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: Arrays(**given)))
    with pytest.raises(DataError, match=said) as error:
        prepared(Dataset(source="own_arrays:load", kind=kind), tmp_path)
    assert str(error.value).startswith("mine:" if "mine:" in said else "own_arrays:load: ")
    assert "\n" not in str(error.value)


def test_arrays_of_an_own_function_may_be_lists(tmp_path, monkeypatch):
    given = Arrays(PICTURES, Y.tolist(), "mine", 255, test=[0, 1, 2, 3, 4], size=6)
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: given))
    found = prepared(Dataset(source="own_arrays:load", kind="image"), tmp_path)
    assert found.x.shape == (35, 3, 6, 6) and found.y.tolist() == Y[5:].tolist()


class Album(UserList):
    """Pictures that are read one by one."""


@pytest.mark.parametrize(
    ("pictures", "said"),
    [(PICTURES, None), ([X[0] / 255, *PICTURES[1:]], r"own_arrays:load: x\[0\] is float64"), ([], "no samples")],
)
def test_pictures_of_an_own_function_may_be_read_one_by_one(tmp_path, monkeypatch, pictures, said):
    given = Arrays(Album(pictures), Y[: len(pictures)], "mine", 255, size=6)
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: given))
    with pytest.raises(DataError, match=said) if said else nullcontext():
        assert prepared(Dataset(source="own_arrays:load", kind="image"), tmp_path).x.shape == (40, 3, 6, 6)


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


STUDY = {
    "study": "s",
    "shadow_models": 4,
    "shard_size": 4,
    "datasets": {"d": {"source": "purchase100", "seed": "run"}},
    "architectures": {"fcn": {"family": "fcn"}},
    "regimes": {"baseline": {}},
    "runs": {"d/fcn/baseline": {"seeds": [1, 2]}},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"datasets": {"d": {"source": "synthetic"}}},
            "test_set: synthetic has no test set of its own",
        ),
        ({"agreement": {"d/fcn/baseline": []}}, "datasets.d.seed: run each seed has another pool"),
        (
            {
                "datasets": {"d": {"source": "synthetic", "seed": "run", "test": 100, "public": 100}},
                "regimes": {"baseline": {"start": "public"}},
            },
            "start: public needs a fixed datasets.d.seed",
        ),
        (
            {
                "runs": {"d/fcn/baseline": {"seeds": [1, 2]}, "e/fcn/baseline": {"scores": "x", "seeds": [1]}},
                "datasets": {"d": {"source": "purchase100"}},
                "agreement": {"d/fcn/baseline": ["e/fcn/baseline"]},
            },
            "e/fcn/baseline has another dataset, their samples cannot be compared",
        ),
    ],
)
def test_studies_whose_data_do_not_fit_are_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        load_study(STUDY | changes)


def test_a_view_for_each_split_and_one_where_all_rows_are_the_pool():
    views = load_study(STUDY).views()
    assert views == {("d", "train-split1"): (None, 1), ("d", "train-split2"): (None, 2)}
    whole = {"datasets": {"d": {"source": "purchase100"}}, "protocol": "preprint", "agreement": {"d/fcn/baseline": []}}
    assert load_study(STUDY | whole).views() == {("d", "train-test-split0"): (None, 0)}
