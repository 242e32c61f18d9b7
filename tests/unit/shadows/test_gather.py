"""Gathering: any order of shards gives the same file; incomplete or mixed shards are refused."""

import re

import h5py
import numpy as np
import pytest
from receipts import models_of, receipt_for

from lira.config import RECIPE_VERSION, Architecture, Recipe, RunDescription, TrainingSettings
from lira.core.errors import StoreError
from lira.shadows.gather import gather_shadows
from lira.storage import hdf5
from lira.storage.identity import models_identity
from lira.storage.models import models_file
from lira.storage.run import Run

M, N, A = 6, 50, 2
PHI = np.random.default_rng(0).normal(size=(M, N, A)).astype(np.float32)
MEMBER = np.random.default_rng(1).random((M, N)) < 0.5
RUN = RunDescription(study="s", dataset="d", architecture="a", regime="r", seed=0)
SETTINGS = TrainingSettings(
    recipe=Recipe(epochs=3, query_views=A),
    recipe_version=RECIPE_VERSION,
    architecture=Architecture(family="fcn"),
    shadow_models=M,
    member_fraction=0.5,
    membership_draws="legacy",
    store_logits=False,
    store_weights=False,
)


def shard(folder, first, last, **changes):
    """The receipt of a job whose models lie in one file; ``changes`` are of the file's attributes."""
    identity, rows = models_identity(SETTINGS, RUN.seed, folder / "data.h5"), slice(first, last + 1)
    models = models_file(folder, first, last, identity)
    of_shard = {"first": first, "last": last, "data_sha256": "d0", "identity": identity, "seconds": 2.0}
    attributes = SETTINGS.attributes(RUN) | of_shard | hdf5.describe_environment() | changes
    with hdf5.create(models.path, "shard", attributes) as file:
        hdf5.dataset(file, "phi", data=PHI[rows])
        hdf5.dataset(file, "member", data=MEMBER[rows])
        hdf5.dataset(file, "utility/train_loss", data=np.arange(M, dtype=float)[rows])
        hdf5.dataset(file, "history/best_epoch", data=3 * np.arange(M)[rows])
    return receipt_for(models)


def gather(folder, shards):
    gather_shadows(SETTINGS, RUN, shards, folder / "data.h5", folder / "shadows.h5")


@pytest.fixture(autouse=True)
def data(tmp_path):
    prepare(tmp_path)


def prepare(folder, **changes):
    attributes = {"sha256": "d0", "scale": 1.0, "classes": N, "mean": [0.0], "std": [1.0]} | changes
    with hdf5.create(folder / "data.h5", "data", attributes) as file:
        file["pool/y"] = np.arange(N)


@pytest.mark.parametrize("ranges", [[(0, 5)], [(0, 1), (2, 3), (4, 5)], [(4, 5), (0, 3)], [(0, 3), (2, 5)]])
def test_shards_of_any_size_in_any_order_give_the_same(tmp_path, ranges, monkeypatch):
    monkeypatch.setattr("lira.shadows.gather.BLOCK_BYTES", 500)
    gather(tmp_path, [shard(tmp_path, *r) for r in ranges])
    with h5py.File(tmp_path / "shadows.h5") as file:
        np.testing.assert_array_equal(file["phi"][:], PHI)
        np.testing.assert_array_equal(file["member"][:], MEMBER)
        np.testing.assert_array_equal(file["utility/train_loss"][:], np.arange(M))
        np.testing.assert_array_equal(file["utility/best_epoch"][:], 3 * np.arange(M) + 1)
        np.testing.assert_array_equal(file["labels"][:], np.arange(N))
        assert file["phi"].chunks == (M, 10, A)
    assert Run(tmp_path).recipe == SETTINGS.recipe.model_dump()
    assert Run(tmp_path).key == {"dataset": "d", "architecture": "a", "regime": "r", "seed": 0}


@pytest.mark.parametrize(("ranges", "lacking"), [([(0, 3)], "4, 5"), ([(0, 1), (3, 5)], "2"), ([(2, 5)], "0, 1")])
def test_missing_models_are_an_error(tmp_path, ranges, lacking):
    with pytest.raises(StoreError, match=re.escape(f"lack models [{lacking}]: 0 to 5 are expected")):
        gather(tmp_path, [shard(tmp_path, *r) for r in ranges])
    assert not (tmp_path / "shadows.h5").exists()


CHANGES = {
    "recipe": {"recipe": Recipe(epochs=4)},
    "code": {"code": {"net:build": "ab"}},
    "draws": {"membership_draws": "default_rng"},
    "models": {"shadow_models": 12},
    "architecture": {"architecture": Architecture(family="fcn", hidden=[3])},
}


@pytest.mark.parametrize("change", [*CHANGES, "data", "scale", "seed"])
def test_models_of_another_recipe_code_dataset_or_seed_are_named(tmp_path, monkeypatch, change):
    foreign = shard(tmp_path, 0, 5)
    if change in CHANGES:
        monkeypatch.setattr(f"{__name__}.SETTINGS", SETTINGS.model_copy(update=CHANGES[change]))
    if change == "seed":
        monkeypatch.setattr(f"{__name__}.RUN", RUN.model_copy(update={"seed": 1}))
    if change in ("data", "scale"):
        prepare(tmp_path, **{"data": {"sha256": "d1"}, "scale": {"scale": 2.0}}[change])
    said = f"{foreign} is of other models than this run's, of another recipe, code or data: rm {foreign}, and run"
    with pytest.raises(StoreError, match=re.escape(said)):
        gather(tmp_path, [foreign])
    assert not (tmp_path / "shadows.h5").exists()


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path):
    receipt = shard(tmp_path, 0, 5, identity="0" * 20)
    with pytest.raises(StoreError, match="holds other models than its name says: rm"):
        gather(tmp_path, [receipt])


def test_with_nested_draws_more_models_are_the_same_and_more(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.SETTINGS", SETTINGS.model_copy(update={"membership_draws": "nested"}))
    receipt = shard(tmp_path, 0, 5)
    fewer = SETTINGS.model_copy(update={"shadow_models": 4})
    monkeypatch.setattr(f"{__name__}.SETTINGS", fewer)
    gather(tmp_path, [receipt])
    with h5py.File(tmp_path / "shadows.h5") as file:
        np.testing.assert_array_equal(file["phi"][:], PHI[:4])


@pytest.mark.parametrize("name", ["phi", "member", "utility"])
def test_a_shard_with_other_arrays_is_named(tmp_path, name):
    receipts = [shard(tmp_path, 0, 3), shard(tmp_path, 4, 5)]
    (foreign,) = models_of(receipts[1])
    with hdf5.read(foreign, "shard") as file:
        arrays = {"phi": file["phi"][:], "member": file["member"][:], "utility/train_loss": np.zeros(2)}
        attributes = {key: value for key, value in file.attrs.items() if not key.startswith("encoding")}
    arrays |= {"phi": arrays["phi"][:, :, :1]} if name == "phi" else {}
    arrays |= {"member": arrays["member"][:, 1:]} if name == "member" else {}
    arrays |= {"utility/test_loss": np.zeros(2)} if name == "utility" else {}
    with hdf5.create(foreign, "shard", attributes) as file:
        for place, values in arrays.items():
            hdf5.dataset(file, place, data=values)
    with pytest.raises(StoreError, match=f"{foreign} has other arrays than this run: rm"):
        gather(tmp_path, receipts)
    assert not (tmp_path / "shadows.h5").exists()


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: flipped(content, content.index(PHI[4:].tobytes()[:64]) + 3),
        lambda content: flipped(content, content.index(b"legacy")),
    ],
    ids=["emptied", "halved", "shortened", "flipped phi", "flipped attribute"],
)
def test_a_damaged_shard_is_named_and_nothing_written(tmp_path, damage):
    receipts = [shard(tmp_path, 0, 3), shard(tmp_path, 4, 5)]
    (whole,), (damaged,) = map(models_of, receipts)
    damaged.write_bytes(damage(damaged.read_bytes()))
    with pytest.raises(
        StoreError,
        match=f"{re.escape(str(damaged))} is damaged .*: rm {re.escape(f'{damaged} {receipts[1]}')}, and run",
    ):
        gather(tmp_path, receipts)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("data.h5", "0-3.json", "4-5.json"),
        *(whole.name, damaged.name),
    }
