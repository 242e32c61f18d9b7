"""Gathers the shards of a run into one file whose blocks of samples span every model."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from lira.config import RunDescription, TrainingSettings
from lira.core.errors import StoreError
from lira.storage import hdf5
from lira.storage.identity import models_identity
from lira.storage.models import Models, differences, joined_attributes, missing_models, read_receipts
from lira.storage.records import passed_on, write_names

BLOCK_BYTES = 4 << 20


def gather_shadows(
    settings: TrainingSettings,
    run: RunDescription,
    receipts: Sequence[Path],
    data: Path,
    output: Path,
    pretrained: Path | None = None,
) -> None:
    """Writes φ, membership and utility of all M models of a run, one block of samples at a time.

    Args:
        settings: From :meth:`lira.config.StudySettings.training_settings`.
        run: From :meth:`lira.config.StudySettings.describe_run`.
        receipts: Receipts of the run's training jobs, in any order.
        data: Prepared dataset, for the labels.
        output: ``shadows.h5``.
        pretrained: Model that the run was fine-tuned from, if it was.

    Raises:
        StoreError: A file is damaged, or of another recipe, code or dataset; or a model is missing.
    """
    identity, models = models_identity(settings, run.seed, data, pretrained), settings.shadow_models
    files = read_receipts(receipts, identity)
    if missing := missing_models(0, models - 1, files):
        raise StoreError(f"{output}: the receipts lack models {missing}: 0 to {models - 1} are expected")
    with hdf5.read(data, "data") as file:
        labels, checksum = file["pool/y"][:], file.attrs["sha256"]
    names, about = passed_on(data)
    made_from = {"data_sha256": checksum, "identity": identity}
    samples, views = len(labels), settings.recipe.query_views
    utility: list[str] = []
    epochs = np.full(max(one.last for one in files) + 1, np.nan)  # estimators have none
    for (first, last, path), receipt in files.items():
        with hdf5.read(path, "shard", receipt) as file:
            shape, remedy = (last - first + 1, samples, views), f"rm {path} {receipt}, and run the same command again"
            utility = utility or list(file["utility"])
            if differences(file, settings, made_from | {"seed": run.seed}):
                raise StoreError(f"{path} holds other models than its name says: {remedy}")
            if file["phi"].shape != shape or file["member"].shape != shape[:2] or list(file["utility"]) != utility:
                raise StoreError(f"{path} has other arrays than this run: {remedy}")
            if "history" in file:
                epochs[first : last + 1] = file["history/best_epoch"][:] + 1  # counted from 1, as people do
    block = max(1, min(samples, BLOCK_BYTES // (models * views * 4)))
    attributes = settings.attributes(run) | about | made_from | joined_attributes(files)
    with hdf5.create(output, "shadows", attributes) as file:
        phi = hdf5.dataset(file, "phi", (models, samples, views), np.float32, chunks=(models, block, views))
        member = hdf5.dataset(file, "member", (models, samples), bool)
        hdf5.dataset(file, "labels", data=labels)
        write_names(file, names)
        for name in utility:
            hdf5.dataset(file, f"utility/{name}", (models,), np.float64)
        file.attrs["sha256"] = _copy(files, phi, member, file["utility"], block)
        if not np.isnan(epochs).any():
            hdf5.dataset(file, "utility/best_epoch", data=epochs[:models])
        if "clipped" in utility and (share := file["utility/clipped"][:].mean()):
            file.attrs["remarks"] = hdf5.stored([clipping(share, settings.architecture.clip)])


def clipping(share: float, clip: float | None) -> str:
    """Says which share of φ was clipped, and how; see :func:`lira.shadows.estimators.bound_of`."""
    said = f"{100 * share:.3g} % of the values of φ are of probabilities"
    if clip:
        return f"{said} below {clip:g} or above {1 - clip:.10g}, and were clipped to these"
    return f"{said} of 0 or 1, where 0 was taken as half of the smallest other one that the model gives"


def _copy(
    files: Mapping[Models, Path], phi: h5py.Dataset, member: h5py.Dataset, utility: h5py.Group, block: int
) -> str:
    """Copies the arrays of the shards; returns the checksum of φ and membership, in this order."""
    checksum = hashlib.sha256()
    with ExitStack() as stack:
        opened = [
            (
                one,
                slice(one.first, min(one.last + 1, len(phi))),
                stack.enter_context(h5py.File(one.path, locking=False)),
            )
            for one in files
        ]
        for one, rows, shard in opened:
            with hdf5.sound(one.path, files[one]):
                wanted = slice(rows.stop - rows.start)
                member[rows] = shard["member"][wanted]
                for name, values in utility.items():
                    values[rows] = shard["utility"][name][wanted]
        models, samples, views = phi.shape
        for start in range(0, samples, block):
            columns = slice(start, min(start + block, samples))
            buffer = np.empty((models, columns.stop - start, views), np.float32)
            for one, rows, shard in opened:
                with hdf5.sound(one.path, files[one]):
                    shard["phi"].read_direct(buffer, np.s_[: rows.stop - rows.start, columns], rows)
            phi[:, columns] = buffer
            checksum.update(buffer.data)
        checksum.update(member[:])
    return checksum.hexdigest()
