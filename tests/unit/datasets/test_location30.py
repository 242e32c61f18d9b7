"""Location-30 in the form of its archive, read by the real loader; other rows and a missing network are told."""

import io
import json
import tarfile

import h5py
import numpy as np
import pytest
from raw_files import prepared

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import download_data, location30

RNG = np.random.default_rng(0)
ROWS = np.concatenate([np.arange(300)[:, None] % 30 + 1, RNG.integers(0, 2, (300, 446))], axis=1)


def csv(rows=ROWS):
    return "".join(f'"{row[0]}",' + ",".join(map(str, row[1:])) + "\n" for row in rows).encode()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the raw files lie, with the archive of 300 rows in the place of all."""
    monkeypatch.setattr(location30, "SHAPE", ROWS.shape)
    monkeypatch.setattr(location30, "SHA256", location30._checksum(ROWS.astype(np.uint8)))
    place = tmp_path / "raw" / "location"
    place.mkdir(parents=True)
    pack(place, csv())
    return place


def pack(place, content):
    with tarfile.open(place / "dataset_location.tgz", "w:gz") as file:
        member = tarfile.TarInfo("bangkok")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))


def settings_of(tmp_path):
    return Dataset(source="location30", path=str(tmp_path / "raw"), test=60)


@pytest.mark.parametrize("packed", [True, False])
def test_rows_of_the_archive_or_of_its_file(tmp_path, folder, packed):
    if not packed:
        (folder / "dataset_location.tgz").unlink()
        (folder / "bangkok").write_bytes(csv())
    download_data(settings_of(tmp_path), tmp_path / "record.json")
    ((name, said),) = json.loads((tmp_path / "record.json").read_text())["files"].items()
    assert name == ("location/dataset_location.tgz" if packed else "location/bangkok")
    assert said == f"sha256 of the rows {location30.SHA256}"
    pool = prepared(settings_of(tmp_path), tmp_path)
    assert pool.classes == 30 and len(pool.y) == 240 and pool.x.shape == (240, 446)
    with h5py.File(tmp_path / "data.h5") as file:
        source = file["pool/source"][:]
        np.testing.assert_array_equal(file["pool/x"][:], ROWS[source, 1:])
        np.testing.assert_array_equal(file["pool/y"][:], ROWS[source, 0] - 1)


@pytest.mark.parametrize("rows", [ROWS[:-1], ROWS[::-1], np.where(ROWS == 2, 3, ROWS)], ids=["short", "order", "label"])
def test_other_rows_are_refused(tmp_path, folder, rows):
    pack(folder, csv(rows))
    with pytest.raises(DataError, match=r"has other rows than Location-30 \(\d+ of 300, or other values\)"):
        download_data(settings_of(tmp_path), tmp_path / "record.json")
    assert not (tmp_path / "record.json").exists()


def test_without_a_network_it_says_which_file_to_put_where(tmp_path, folder, monkeypatch):
    def refused(url, root, filename):
        assert url == location30.URL
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", refused)
    (folder / "dataset_location.tgz").unlink()
    with pytest.raises(DataError, match=r"cannot be downloaded \(no network\): put dataset_location.tgz from https"):
        download_data(settings_of(tmp_path), tmp_path / "record.json")


def test_it_is_downloaded_where_it_is_missing(tmp_path, folder, monkeypatch):
    whole = (folder / "dataset_location.tgz").read_bytes()
    (folder / "dataset_location.tgz").unlink()
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_url", lambda url, root, filename: (root / filename).write_bytes(whole)
    )
    download_data(settings_of(tmp_path), tmp_path / "record.json")
    assert (folder / "dataset_location.tgz").is_file()


def test_the_real_rows_are_asked_for(tmp_path):
    pack_at = tmp_path / "raw" / "location"
    pack_at.mkdir(parents=True)
    pack(pack_at, csv())
    with pytest.raises(DataError, match=r"has other rows than Location-30 \(300 of 5,010"):
        download_data(settings_of(tmp_path), tmp_path / "record.json")
