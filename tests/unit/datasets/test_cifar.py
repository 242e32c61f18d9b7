"""CIFAR's real on-disk format, read by the real loader; what is damaged or mislabelled is refused."""

import hashlib
import json
import tarfile

import h5py
import numpy as np
import pytest
from raw_files import Cifar, prepared

from lira.core.errors import DataError
from lira.datasets import download_data, read_part


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
    said = r"lacks test_batch and https://\S+ cannot be downloaded \(.*unreachable.*\): put cifar-10-python.tar.gz "
    said += "into .*raw"
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
