"""Gathering: any order of shards gives the same file; incomplete or mixed shards are refused."""

import h5py
import numpy as np
import pytest

from lira import store
from lira.errors import StoreError
from lira.gather import gather_shadows

M, N, A = 6, 50, 3
PHI = np.random.default_rng(0).normal(size=(M, N, A)).astype(np.float32)
MEMBER = np.random.default_rng(1).random((M, N)) < 0.5


def shard(folder, first, last, **changes):
    run = {"study": "s", "dataset": "d", "architecture": "a", "regime": "r", "seed": 0, "recipe": {"epochs": 3}}
    more = {
        "recipe_version": 1,
        "network": {},
        "shadow_models": M,
        "member_fraction": 0.5,
        "membership_draws": "legacy",
    }
    path = folder / f"{first}-{last}.h5"
    rows = slice(first, last + 1)
    attributes = run | more | {"first": first, "last": last} | store.provenance() | changes
    with store.create(path, "shard", attributes) as file:
        file["phi"], file["member"] = PHI[rows], MEMBER[rows]
        file["utility/train_loss"] = np.arange(M, dtype=float)[rows]
    return path


@pytest.fixture
def data(tmp_path):
    with store.create(tmp_path / "data.h5", "data", {}) as file:
        file["pool/y"] = np.arange(N)
    return tmp_path / "data.h5"


@pytest.mark.parametrize("ranges", [[(0, 5)], [(0, 1), (2, 3), (4, 5)], [(4, 5), (0, 3)]])
def test_shards_of_any_size_in_any_order_give_the_same(tmp_path, data, ranges, monkeypatch):
    monkeypatch.setattr("lira.gather.BLOCK_BYTES", 500)
    gather_shadows([shard(tmp_path, *r) for r in ranges], data, M, tmp_path / "shadows.h5")
    with h5py.File(tmp_path / "shadows.h5") as file:
        np.testing.assert_array_equal(file["phi"][:], PHI)
        np.testing.assert_array_equal(file["member"][:], MEMBER)
        np.testing.assert_array_equal(file["utility/train_loss"][:], np.arange(M))
        np.testing.assert_array_equal(file["labels"][:], np.arange(N))
        assert file["phi"].chunks == (M, 6, A)
    assert store.Run(tmp_path).recipe == {"epochs": 3}
    assert store.Run(tmp_path).key == {"dataset": "d", "architecture": "a", "regime": "r", "seed": 0}


@pytest.mark.parametrize("ranges", [[(0, 3)], [(0, 3), (3, 5)], [(2, 5)]])
def test_missing_or_doubled_models_are_an_error(tmp_path, data, ranges):
    with pytest.raises(StoreError, match="expected each of 0 to 5 once"):
        gather_shadows([shard(tmp_path, *r) for r in ranges], data, M, tmp_path / "shadows.h5")
    assert not (tmp_path / "shadows.h5").exists()


@pytest.mark.parametrize("change", [{"seed": 1}, {"recipe": {"epochs": 4}}, {"regime": "x"}])
def test_shards_of_different_runs_are_an_error(tmp_path, data, change):
    shards = [shard(tmp_path, 0, 2), shard(tmp_path, 3, 5, **change)]
    with pytest.raises(StoreError, match=f"differ in {next(iter(change))}"):
        gather_shadows(shards, data, M, tmp_path / "shadows.h5")
