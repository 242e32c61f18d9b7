"""Files appear whole or not at all, and say what they are."""

import h5py
import numpy as np
import pytest

from lira import store
from lira.errors import StoreError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "a.h5"
    with pytest.raises(RuntimeError), store.create(path, "shadows", {}) as file:
        file["phi"] = np.zeros(3)
        raise RuntimeError
    assert not list(path.parent.iterdir())
    with store.create(path, "shadows", {"recipe": {"epochs": 3}, "seed": 4}) as file:
        file["phi"] = np.zeros(3)
        assert not path.exists()
    with store.read(path, "shadows") as file:
        assert file.attrs["recipe"] == '{"epochs": 3}'
        assert file.attrs["seed"] == 4
    assert [entry.name for entry in path.parent.iterdir()] == ["a.h5"]


def test_an_interrupted_rewrite_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), store.atomic(path) as beside:
        beside.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"


def test_what_is_missing_damaged_or_of_another_kind_is_named(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(StoreError, match="does not exist"), store.read(path, "shadows"):
        pass
    path.write_bytes(b"not HDF5 at all")
    with pytest.raises(StoreError, match="not a readable HDF5 file"), store.read(path, "shadows"):
        pass
    with store.create(path, "scores", {}):
        pass
    with pytest.raises(StoreError, match=r"holds scores 1\.0, expected shadows 1\.0"), store.read(path, "shadows"):
        pass
    with h5py.File(path, "w"):
        pass
    with pytest.raises(StoreError, match="holds None None"), store.read(path, "scores"):
        pass


def test_provenance_names_versions_and_revision():
    found = store.provenance("cpu")
    assert found["versions"]["numpy"] == np.__version__
    assert {"torch", "h5py", "python", "lira"} <= set(found["versions"])
    assert found["device"] == "cpu" and found["revision"]
