"""GTSRB's real on-disk format, read by the real loader; what is damaged or mislabelled is refused."""

import json

import numpy as np
import pytest
from PIL import Image
from raw_files import prepared

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import download_data, gtsrb, read_part

RNG = np.random.default_rng(0)


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
        (lambda s: truncate(s.training / "00007" / "00001.ppm"), "00007/00001.ppm is not a readable image"),
        (lambda s: (s.testing / "00002.ppm").write_text("GIF"), "00002.ppm is not a readable image"),
        (lambda s: (s.testing / "00002.ppm").unlink(), "00002.ppm does not exist but GT-final_test.csv lists it"),
        (lambda s: (s.folder / "GT-final_test.csv").unlink(), "gtsrb is not a complete GTSRB .*GT-final_test.csv"),
        (lambda s: s.write_csv("Name;a;b;c;d;e;f;ClassId"), "not a complete GTSRB .no column 'Filename'"),
        (lambda s: (s.training / "00042").rename(s.training / "00050"), "00050/00000.ppm is counted as class 42"),
        (
            lambda s: s.rows.__setitem__(3, ("00003.ppm", "stop")) or s.write_csv(),
            "not a complete GTSRB .invalid literal",
        ),
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
