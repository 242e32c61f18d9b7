"""Small files in the real on-disk formats, read by the real loaders; damaged and mislabelled ones are refused."""

import hashlib
import json
import socket
import tarfile

import h5py
import numpy as np
import pytest
from PIL import Image
from raw_files import Cifar

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import download_data, gtsrb, prepare_data, purchase100, read_part

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def prepared(settings, tmp_path, part="pool", size=None, seed=0):
    prepare_data(settings, size, seed, tmp_path / "data.h5")
    return read_part(tmp_path / "data.h5", part)


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    return Cifar(tmp_path / "raw", monkeypatch)


def test_cifar10_batches(tmp_path, cifar):
    pool = prepared(cifar.settings, tmp_path)
    np.testing.assert_array_equal(pool.x, cifar.array("train_list"))
    assert pool.y.tolist() == [index % 10 for _ in range(5) for index in range(20)]
    assert pool.classes == 10 and pool.scale == 255
    assert pool.mean.tolist() == [0.4914, 0.4822, 0.4465] and pool.std.tolist() == [0.2023, 0.1994, 0.2010]
    np.testing.assert_array_equal(read_part(tmp_path / "data.h5", "test").x, cifar.array("test_list"))
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["test/source"][:].tolist() == list(range(100, 120))
    both = prepared(cifar.settings.model_copy(update={"pool": "train+test", "test": 30}), tmp_path)
    assert len(both.x) == 90
    large = prepared(cifar.settings, tmp_path, size=144)
    assert large.x.shape == (100, 3, 144, 144) and large.x.dtype == np.uint8


def test_cifar100_batches_have_fine_labels(tmp_path, monkeypatch):
    cifar = Cifar(tmp_path / "raw", monkeypatch, "CIFAR100", 100)
    pool = prepared(cifar.settings, tmp_path)
    np.testing.assert_array_equal(pool.x, cifar.array("train_list"))
    assert pool.classes == 100 and pool.y.tolist() == list(range(100)) * 2
    assert pool.mean.tolist() == [0.5071, 0.4867, 0.4408] and pool.std.tolist() == [0.2675, 0.2565, 0.2761]


def test_cifar_files_that_are_there_are_checked_and_recorded(tmp_path, cifar):
    download_data(cifar.settings, tmp_path / "record.json")
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["source"] == "cifar10" and len(record["files"]) == 7
    batch = cifar.batches / "data_batch_3"
    assert record["files"]["cifar-10-batches-py/data_batch_3"] == hashlib.md5(batch.read_bytes()).hexdigest()


def test_a_damaged_or_truncated_cifar_batch_is_named(tmp_path, cifar):
    batch = cifar.batches / "data_batch_3"
    whole = batch.read_bytes()
    for content in (whole[:-100], whole[:200] + b"\0" + whole[201:], b""):
        batch.write_bytes(content)
        with pytest.raises(DataError, match=r"cifar-10-batches-py/data_batch_3 is damaged \(MD5 \w+, not \w+\)"):
            prepared(cifar.settings, tmp_path)
        with pytest.raises(DataError, match="data_batch_3 is damaged"):
            download_data(cifar.settings, tmp_path / "record.json")
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def test_without_a_network_it_says_what_to_put_where(tmp_path, cifar):
    (cifar.batches / "test_batch").unlink()
    said = r"lacks test_batch and https://\S+ cannot be had \(.*unreachable.*\): put cifar-10-python.tar.gz into .*raw"
    with pytest.raises(DataError, match=said):
        download_data(cifar.settings, tmp_path / "record.json")
    with pytest.raises(DataError, match="test_batch does not exist: put cifar-10-python.tar.gz into"):
        prepared(cifar.settings, tmp_path)


def test_an_archive_that_was_put_there_is_unpacked(tmp_path, cifar, monkeypatch):
    archive = cifar.batches.parent / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar.batches, "cifar-10-batches-py")
    monkeypatch.setattr(cifar.dataset, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    for file in cifar.batches.iterdir():
        file.unlink()
    download_data(cifar.settings, tmp_path / "record.json")
    assert len(prepared(cifar.settings, tmp_path).x) == 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda batch: batch["labels"].__setitem__(4, 10), "the label of sample 4 is 10: allowed are 0 to 9"),
        (lambda batch: batch["labels"].pop(), r"labels is \[99\]: one label for each of the 100 samples"),
        (lambda batch: batch.__setitem__("data", batch["data"][:, :3000]), "cannot be read"),
        (lambda batch: batch.pop("labels"), "cannot be read"),
    ],
)
def test_mislabelled_and_misshapen_cifar_batches_are_refused(tmp_path, cifar, change, said):
    change(cifar.content["data_batch_1"])
    cifar.write()
    with pytest.raises(DataError, match=f"cifar-10-batches-py.*{said}"):
        prepared(cifar.settings, tmp_path)


class Gtsrb:
    """A GTSRB of a few signs of many sizes: folders of .ppm by class, and a CSV with the test classes."""

    def __init__(self, folder):
        self.folder, self.images = folder / "gtsrb", {"train": [], "test": []}
        self.settings = Dataset(source="gtsrb", path=str(folder))
        self.training, self.testing = (
            self.folder / "GTSRB" / "Training",
            self.folder / "GTSRB" / "Final_Test" / "Images",
        )
        for label in range(43):
            place = self.training / f"{label:05d}"
            place.mkdir(parents=True)
            (place / f"GT-{label:05d}.csv").write_text("Filename;Width;Height;ClassId\n")
            for number in range(2):
                self.draw("train", place / f"{number:05d}.ppm")
        self.testing.mkdir(parents=True)
        self.rows = [(f"{index:05d}.ppm", index % 43) for index in range(50)]
        for name, _ in self.rows:
            self.draw("test", self.testing / name)
        self.write_csv()

    def draw(self, split, path):
        pixels = RNG.integers(0, 256, (*RNG.integers(15, 60, 2), 3), np.uint8)
        Image.fromarray(pixels).save(path)
        self.images[split].append(pixels)

    def write_csv(self, header="Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"):
        lines = [header, *(f"{name};53;54;6;5;48;49;{label}" for name, label in self.rows)]
        (self.folder / "GT-final_test.csv").write_text("\r\n".join(lines) + "\r\n")


@pytest.fixture
def signs(tmp_path, monkeypatch):
    monkeypatch.setattr(gtsrb, "SIZES", {"train": 86, "test": 50})
    return Gtsrb(tmp_path / "raw")


@pytest.mark.parametrize("size", [None, 48])
def test_gtsrb_folders_and_csv(tmp_path, signs, size):
    from torchvision.transforms import Resize

    download_data(signs.settings, tmp_path / "record.json")
    assert json.loads((tmp_path / "record.json").read_text())["files"]["gtsrb/test"] == "50 images"
    pool = prepared(signs.settings, tmp_path, size=size)
    test = read_part(tmp_path / "data.h5", "test")
    assert pool.classes == 43 and pool.y.tolist() == [label for label in range(43) for _ in range(2)]
    assert test.y.tolist() == [label for _, label in signs.rows]
    assert pool.mean.tolist() == [0.3403, 0.3121, 0.3214] and pool.std.tolist() == [0.2724, 0.2608, 0.2669]
    for part, split in ((pool, "train"), (test, "test")):
        assert part.x.shape[1:] == (3, size or 32, size or 32)
        for stored, pixels in zip(part.x, signs.images[split], strict=True):
            resized = np.asarray(Resize((size or 32,) * 2)(Image.fromarray(pixels)))
            np.testing.assert_array_equal(stored, np.moveaxis(resized, 2, 0))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: (s.training / "00007" / "00001.ppm").unlink(), "Training has 85 images of 86: delete"),
        (lambda s: s.rows.pop() and s.write_csv(), "Images has 49 images of 50: delete"),
        (lambda s: truncate(s.training / "00007" / "00001.ppm"), "00007/00001.ppm is no readable image"),
        (lambda s: (s.testing / "00002.ppm").write_text("GIF"), "00002.ppm is no readable image"),
        (lambda s: (s.testing / "00002.ppm").unlink(), "00002.ppm does not exist but GT-final_test.csv lists it"),
        (lambda s: (s.folder / "GT-final_test.csv").unlink(), "gtsrb is no whole GTSRB .*GT-final_test.csv"),
        (lambda s: s.write_csv("Name;a;b;c;d;e;f;ClassId"), "no whole GTSRB .no column 'Filename'"),
        (lambda s: (s.training / "00042").rename(s.training / "00050"), "00050/00000.ppm is counted as class 42"),
        (lambda s: s.rows.__setitem__(3, ("00003.ppm", "stop")) or s.write_csv(), "no whole GTSRB .invalid literal"),
        (lambda s: s.rows.__setitem__(3, ("00003.ppm", 43)) or s.write_csv(), "sample 89 is 43: allowed are 0 to 42"),
    ],
)
def test_damaged_and_mislabelled_gtsrb_is_refused(tmp_path, signs, change, said):
    change(signs)
    with pytest.raises(DataError, match=said) as error:
        prepared(signs.settings, tmp_path)
    assert "\n" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def test_gtsrb_without_a_network_says_what_to_put_where(tmp_path):
    with pytest.raises(DataError, match="put GTSRB-Training_fixed.zip, GTSRB_Final_Test_Images.zip, .*gtsrb and run"):
        download_data(Dataset(source="gtsrb", path=str(tmp_path / "raw")), tmp_path / "record.json")
    assert not (tmp_path / "record.json").exists()


ROWS = np.concatenate([np.arange(300)[:, None] % 100 + 1, RNG.integers(0, 2, (300, 600))], axis=1)


@pytest.fixture
def purchase(tmp_path, monkeypatch):
    monkeypatch.setattr(purchase100, "SHAPE", ROWS.shape)
    path = tmp_path / "raw" / "purchase" / "features_labels.npy"
    path.parent.mkdir(parents=True)
    np.save(path, ROWS)
    return path


PURCHASE = {"source": "purchase100", "seed": "run"}


def test_purchase_rows_are_divided_by_the_runs_seed(tmp_path, purchase):
    import torch

    settings = Dataset(**PURCHASE, path=str(tmp_path / "raw"))
    download_data(settings, tmp_path / "record.json")
    drawn = torch.utils.data.random_split(range(300), [210, 90], torch.Generator().manual_seed(5))
    pool = prepared(settings, tmp_path, seed=5)
    with h5py.File(tmp_path / "data.h5") as file:
        for name, part in zip(("pool", "test"), drawn, strict=True):
            assert file[name]["source"][:].tolist() == list(part.indices)
    np.testing.assert_array_equal(pool.x, ROWS[list(drawn[0].indices), 1:])
    np.testing.assert_array_equal(pool.y, ROWS[list(drawn[0].indices), 0] - 1)
    assert pool.x.dtype == np.float32 and pool.classes == 100
    assert pool.mean.tolist() == [0] * 600 and pool.std.tolist() == [1] * 600
    whole = prepared(settings.model_copy(update={"pool": "train+test"}), tmp_path)
    np.testing.assert_array_equal(whole.x, ROWS[:, 1:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: np.save(path, ROWS[:, :-1]), r"holds int64 \[300, 600\], expected numbers of shape \[300, 601\]"),
        (lambda path: np.save(path, ROWS - 1), "the label in row 0 is 0: allowed are 1 to 100"),
        (lambda path: np.save(path, ROWS + 0.25), r"column 0\[0\] is 1.25: labels are whole numbers"),
        (lambda path: np.save(path, ROWS.astype(object)), "no readable .npy array"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "no readable .npy array"),
        (lambda path: path.write_text("1,0,0,1"), "no readable .npy array"),
        (lambda path: path.unlink(), r"purchase/features_labels.npy does not exist: put .* shape \[300, 601\]"),
    ],
)
def test_an_unusable_purchase_array_is_refused(tmp_path, purchase, change, said):
    change(purchase)
    settings = Dataset(**PURCHASE, path=str(tmp_path / "raw"))
    with pytest.raises(DataError, match=said):
        prepared(settings, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def test_the_real_purchase_shape_is_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"data/purchase/features_labels.npy does not exist: .*\[197324, 601\]"):
        download_data(Dataset(source="purchase100", path=str(tmp_path / "data")), tmp_path / "record.json")
