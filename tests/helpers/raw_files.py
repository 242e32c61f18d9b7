"""Datasets of a few samples in their real on-disk formats."""

import hashlib
import pickle

import numpy as np
from array_files import write_arrays
from torchvision import datasets as vision

from lira.config import Dataset
from lira.datasets import prepare_data, read_part

RNG = np.random.default_rng(0)


class Cifar:
    """A CIFAR of a few images: pickled batches with their keys, and torchvision's checksums changed to theirs."""

    def __init__(self, folder, monkeypatch, name="CIFAR10", classes=10, per_batch=20):
        self.dataset, self.monkeypatch = getattr(vision, name), monkeypatch
        self.settings = Dataset(source=name.lower(), path=str(folder))
        self.batches = folder / self.dataset.base_folder
        self.batches.mkdir(parents=True)
        self.key = "labels" if name == "CIFAR10" else "fine_labels"
        self.content = {}
        for listed in ("train_list", "test_list"):
            for file, _ in getattr(self.dataset, listed):
                count = per_batch if name == "CIFAR10" else classes * 2
                pixels = RNG.integers(0, 256, (count, 3072), np.uint8)
                self.content[file] = {
                    "data": pixels,
                    self.key: [index % classes for index in range(count)],
                    "batch_label": file,
                    "filenames": [f"{index}.png" for index in range(count)],
                }
        names = {"num_cases_per_batch": per_batch, self.dataset.meta["key"]: [f"class {i}" for i in range(classes)]}
        self.content[self.dataset.meta["filename"]] = names
        self.write()

    def write(self):
        sums = {}
        for file, content in self.content.items():
            written = pickle.dumps(content, protocol=2)
            (self.batches / file).write_bytes(written)
            sums[file] = hashlib.md5(written).hexdigest()
        for listed in ("train_list", "test_list"):
            renewed = [[file, sums[file]] for file, _ in getattr(self.dataset, listed)]
            self.monkeypatch.setattr(self.dataset, listed, renewed)
        meta = self.dataset.meta
        self.monkeypatch.setattr(self.dataset, "meta", meta | {"md5": sums[meta["filename"]]})

    def array(self, listed):
        files = [file for file, _ in getattr(self.dataset, listed)]
        return np.concatenate([self.content[file]["data"] for file in files]).reshape(-1, 3, 32, 32)


X = RNG.integers(0, 256, (40, 3, 6, 5), np.uint8)
Y = np.arange(40) % 4
TABLE = RNG.normal(5, 3, (40, 7))


def own(tmp_path, kind="tabular", suffix=".npz", **arrays):
    """Settings of a file with these arrays."""
    return Dataset(source="file", path=str(write_arrays(tmp_path / f"own{suffix}", **arrays)), kind=kind)


def prepared(settings, tmp_path, size=None, seed=0):
    """The pool of a dataset."""
    prepare_data(settings, size, seed, tmp_path / "data.h5")
    return read_part(tmp_path / "data.h5", "pool")
