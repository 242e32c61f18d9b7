"""Gathers the shards of a run into one file whose blocks of samples span every model."""

from pathlib import Path

import h5py
import numpy as np

from lira import store
from lira.errors import StoreError

BLOCK_BYTES = 4 << 20
SAME = (
    *store.RUN_KEYS,
    "study",
    "recipe",
    "recipe_version",
    "network",
    "shadow_models",
    "member_fraction",
    "membership_draws",
)
CARRIED = (*SAME, "versions", "device", "revision")


def gather_shadows(shards: list[Path], data: Path, models: int, output: Path) -> None:
    """Writes φ, membership and utility of all M models of a run, block of samples by block.

    Args:
        shards: The run's shards, in any order.
        data: Prepared dataset, for the labels.
        models: M.
        output: ``shadows.h5``.

    Raises:
        StoreError: shards of different runs or recipes, or models missing or given twice.
    """
    ranges = sorted((*_range(path), path) for path in shards)
    covered = [model for first, last, _ in ranges for model in range(first, last + 1)]
    if covered != list(range(models)):
        raise StoreError(f"{output}: the shards hold models {covered}, expected each of 0 to {models - 1} once")
    paths = [path for _, _, path in ranges]
    attributes = _common_attributes(paths)
    with store.read(data, "data") as file:
        labels = file["pool/y"][:]
    with store.read(paths[0], "shard") as file:
        _, samples, views = file["phi"].shape
        utility = list(file["utility"])
    block = max(1, min(samples, BLOCK_BYTES // (models * views * 4)))
    with store.create(output, "shadows", attributes) as file:
        phi = file.create_dataset("phi", (models, samples, views), np.float32, chunks=(models, block, views))
        member = file.create_dataset("member", (models, samples), bool)
        file["labels"] = labels
        for name in utility:
            file.create_dataset(f"utility/{name}", (models,), np.float64)
        _copy(ranges, phi, member, file["utility"], block)


def _copy(ranges: list, phi: h5py.Dataset, member: h5py.Dataset, utility: h5py.Group, block: int) -> None:
    opened = [(slice(first, last + 1), h5py.File(path, "r")) for first, last, path in ranges]
    try:
        for rows, shard in opened:
            member[rows] = shard["member"][:]
            for name, values in utility.items():
                values[rows] = shard["utility"][name][:]
        models, samples, views = phi.shape
        for start in range(0, samples, block):
            columns = slice(start, min(start + block, samples))
            buffer = np.empty((models, columns.stop - start, views), np.float32)
            for rows, shard in opened:
                shard["phi"].read_direct(buffer, np.s_[:, columns], rows)
            phi[:, columns] = buffer
    finally:
        for _, shard in opened:
            shard.close()


def _range(path: Path) -> tuple[int, int]:
    with store.read(path, "shard") as file:
        return int(file.attrs["first"]), int(file.attrs["last"])


def _common_attributes(paths: list[Path]) -> dict:
    """Attributes of the first shard, after checking that all shards are of one run and recipe."""
    found = []
    for path in paths:
        with store.read(path, "shard") as file:
            found.append({name: file.attrs[name] for name in CARRIED})
        for name in SAME:
            if found[-1][name] != found[0][name]:
                raise StoreError(f"{path} and {paths[0]} differ in {name}: delete the one that is out of date")
    return found[0]
