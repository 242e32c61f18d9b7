"""Gathers the shards of a run into one file whose blocks of samples span every model."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lira.config import RunDescription, TrainingSettings
from lira.core.errors import StoreError
from lira.storage import hdf5

BLOCK_BYTES = 4 << 20
JOINED = ("device", "revision")  # may differ between the shards of a run; all values are recorded


def gather_shadows(
    settings: TrainingSettings, run: RunDescription, shards: list[Path], data: Path, output: Path
) -> None:
    """Writes φ, membership and utility of all M models of a run, one block of samples at a time.

    Args:
        settings: From :meth:`lira.config.StudySettings.training_settings`.
        run: From :meth:`lira.config.StudySettings.describe_run`.
        shards: The run's shards, in any order.
        data: Prepared dataset, for the labels.
        output: ``shadows.h5``.

    Raises:
        StoreError: A shard is damaged or of another run, recipe or dataset; or a model is missing or given twice.
    """
    with hdf5.read(data, "data") as file:
        labels, checksum = file["pool/y"][:], file.attrs["sha256"]
    expected = settings.attributes(run) | {"data_sha256": checksum}
    ranges = sorted((*_range(path, expected), path) for path in shards)
    covered = [model for first, last, _ in ranges for model in range(first, last + 1)]
    models = settings.shadow_models
    if covered != list(range(models)):
        raise StoreError(f"{output}: the shards hold models {covered}, expected each of 0 to {models - 1} once")
    with hdf5.read(ranges[0][2], "shard") as file:
        samples, views = len(labels), file["phi"].shape[2]
        utility = list(file["utility"])
    for first, last, path in ranges:
        with hdf5.read(path, "shard") as file:
            shape = (last - first + 1, samples, views)
            if file["phi"].shape != shape or file["member"].shape != shape[:2] or list(file["utility"]) != utility:
                raise StoreError(f"{path} has other arrays than this run: rm {path}, and run the same command again")
    block = max(1, min(samples, BLOCK_BYTES // (models * views * 4)))
    with hdf5.create(output, "shadows", expected | _carried([path for _, _, path in ranges])) as file:
        phi = hdf5.dataset(file, "phi", (models, samples, views), np.float32, chunks=(models, block, views))
        member = hdf5.dataset(file, "member", (models, samples), bool)
        hdf5.dataset(file, "labels", data=labels)
        for name in utility:
            hdf5.dataset(file, f"utility/{name}", (models,), np.float64)
        file.attrs["sha256"] = _copy(ranges, phi, member, file["utility"], block)


def _copy(ranges: list, phi: h5py.Dataset, member: h5py.Dataset, utility: h5py.Group, block: int) -> str:
    """Copies the arrays of the shards; returns the checksum of φ and membership, in this order."""
    checksum = hashlib.sha256()
    with ExitStack() as stack:
        opened = [
            (path, slice(first, last + 1), stack.enter_context(h5py.File(path, "r", locking=False)))
            for first, last, path in ranges
        ]
        for path, rows, shard in opened:
            with hdf5.sound(path):
                member[rows] = shard["member"][:]
                for name, values in utility.items():
                    values[rows] = shard["utility"][name][:]
        models, samples, views = phi.shape
        for start in range(0, samples, block):
            columns = slice(start, min(start + block, samples))
            buffer = np.empty((models, columns.stop - start, views), np.float32)
            for path, rows, shard in opened:
                with hdf5.sound(path):
                    shard["phi"].read_direct(buffer, np.s_[:, columns], rows)
            phi[:, columns] = buffer
            checksum.update(buffer.data)
        checksum.update(member[:])
    return checksum.hexdigest()


def _range(path: Path, expected: dict[str, Any]) -> tuple[int, int]:
    """Checks that a shard is of this run, and returns its first and last model."""
    with hdf5.read(path, "shard") as file:
        for name, value in expected.items():
            if file.attrs.get(name) != hdf5.stored(value):
                raise StoreError(f"{path} has another {name} than this run: rm {path}, and run the same command again")
        return int(file.attrs["first"]), int(file.attrs["last"])


def _carried(paths: Sequence[Path]) -> dict[str, Any]:
    """Returns attributes in which shards may differ; checks that all started from the same pretrained model."""
    found = []
    for path in paths:
        with hdf5.read(path, "shard") as file:
            found.append(hdf5.attributes(file))
        if found[-1].get("pretrained_sha256") != found[0].get("pretrained_sha256"):
            said = f"{path} has another pretrained model than {paths[0]}"
            raise StoreError(f"{said}: rm {path} {paths[0]}, and run again")
    carried: dict[str, Any] = {name: _joined([shard[name] for shard in found]) for name in JOINED}
    versions = [shard["versions"] for shard in found]
    carried["versions"] = {name: _joined([version.get(name) for version in versions]) for name in versions[0]}
    return carried | {name: found[0][name] for name in ("pretrained_sha256",) if name in found[0]}


def _joined(values: Sequence[str | None]) -> str:
    return hdf5.SEVERAL.join(sorted({str(value) for value in values}))
