"""Purchase-100's real on-disk format, read by the real loader; what is damaged is refused."""

import io
import tarfile

import h5py
import numpy as np
import pytest
from raw_files import prepared

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import download_data, purchase100

RNG = np.random.default_rng(0)
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
        (lambda path: np.save(path, ROWS.astype(object)), "not a readable .npy array"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "not a readable .npy array"),
        (lambda path: path.write_text("1,0,0,1"), "not a readable .npy array"),
        (lambda path: path.unlink(), r"purchase/features_labels.npy does not exist: put .* shape \[300, 601\]"),
    ],
)
def test_an_unusable_purchase_array_is_refused(tmp_path, purchase, change, said):
    change(purchase)
    settings = Dataset(**PURCHASE, path=str(tmp_path / "raw"))
    with pytest.raises(DataError, match=said):
        prepared(settings, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def csv(rows=ROWS):
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def entry(name, content=None, link=None):
    member = tarfile.TarInfo(name)
    member.size = len(content or b"")
    if link:
        member.type, member.linkname = tarfile.SYMTYPE, link
    return member, content


def archive(path, *entries):
    with tarfile.open(path, "w:gz") as file:
        for member, content in entries:
            file.addfile(member, None if content is None else io.BytesIO(content))


@pytest.mark.parametrize("packed", [True, False])
def test_the_original_gives_the_same_samples_as_the_array(tmp_path, purchase, packed):
    settings = Dataset(**PURCHASE, path=str(tmp_path / "raw"))
    prepared(settings, tmp_path, seed=5)
    with h5py.File(tmp_path / "data.h5") as file:
        expected = file.attrs["sha256"]
    purchase.unlink()
    if packed:
        archive(purchase.with_name("dataset_purchase.tgz"), entry("notes", b"x"), entry("dataset_purchase", csv()))
    else:
        purchase.with_name("dataset_purchase").write_bytes(csv())
    download_data(settings, tmp_path / "record.json")
    assert f"dataset_purchase{'.tgz' * packed}" in (tmp_path / "record.json").read_text()
    assert "uint8 [300, 601]" in (tmp_path / "record.json").read_text()
    prepared(settings, tmp_path, seed=5)
    with h5py.File(tmp_path / "data.h5") as file:
        assert file.attrs["sha256"] == expected
    assert len(list(purchase.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            [entry("dataset_purchase", csv(ROWS[:, :-1]))],
            r"holds uint8 \[300, 600\], expected numbers of shape",
        ),
        ([entry("dataset_purchase", csv(ROWS[:-1]))], r"holds uint8 \[299, 601\], expected numbers of shape"),
        ([entry("dataset_purchase", csv(ROWS * 300))], "601 whole numbers from 0 to 255 in each line"),
        ([entry("dataset_purchase", csv().replace(b",1,", b",yes,"))], "601 whole numbers from 0 to 255"),
        ([entry("dataset_purchase", csv() + b"1,0\n")], "601 whole numbers from 0 to 255"),
        ([entry("dataset_purchase", csv(ROWS - [1, *[0] * 600]))], "the label in row 0 is 0: allowed are 1 to 100"),
        ([entry("dataset_purchase", b"")], "601 whole numbers"),
        ([entry("other", csv())], "dataset_purchase.tgz has no file dataset_purchase: get the original's archive anew"),
        ([entry("dataset_purchase", link="outside")], "has no file dataset_purchase"),
        ([], "has no file dataset_purchase"),
        (None, "601 whole numbers from 0 to 255 in each line, the label first: "),
    ],
)
def test_an_unusable_original_is_refused(tmp_path, purchase, entries, said):
    purchase.unlink()
    purchase.with_name("outside").write_bytes(csv())
    path = purchase.with_name("dataset_purchase.tgz")
    archive(path, *(entries or [entry("dataset_purchase", csv())]) if entries != [] else ())
    if entries is None:
        path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=said):
        prepared(Dataset(**PURCHASE, path=str(tmp_path / "raw")), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}
    assert {path.name for path in purchase.parent.iterdir()} == {"outside", "dataset_purchase.tgz"}


def test_the_real_purchase_shape_is_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"data/purchase/features_labels.npy does not exist: .*\[197324, 601\]"):
        download_data(Dataset(source="purchase100", path=str(tmp_path / "data")), tmp_path / "record.json")
