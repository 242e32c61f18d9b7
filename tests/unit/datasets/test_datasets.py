"""Prepared datasets: a written-down split, statistics of the pool, a checksum, and errors that name file and place."""

import h5py
import numpy as np
import pytest
from PIL import Image
from raw_files import TABLE, X, Y, own, prepared
from sklearn.datasets import load_digits

from lira import datasets
from lira.config import Dataset, load_study
from lira.core.errors import ConfigError, DataError
from lira.datasets import download_data, prepare_data, read_part

RNG = np.random.default_rng(0)


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
    with pytest.raises(ConfigError, match="public: cannot set aside 1500 of 1797 samples"):
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


@pytest.mark.parametrize("source", ["digits", "file", "own.module:load"])
def test_only_a_benchmark_with_raw_files_is_downloaded(tmp_path, source):
    with pytest.raises(ConfigError, match=f"datasets.source is '{source}': allowed are 'cifar10', "):
        download_data(Dataset.model_construct(source=source, path=None), tmp_path / "record.json")
    assert not list(tmp_path.iterdir())
