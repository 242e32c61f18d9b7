"""Imports the predictions of one given model, which the shadow models of a run are to attack."""

import logging
from pathlib import Path

import numpy as np
from jaxtyping import Int

from lira.core.errors import DataError
from lira.datasets._arrays import check_labels
from lira.shadows.formats.given import Given
from lira.shadows.formats.predictions import Pool, Predictions, read_members, read_predictions
from lira.shadows.imported import Blocks, Shape, check_classes, check_shapes
from lira.storage import hdf5
from lira.storage.records import read_names
from lira.storage.run import RUN_KEYS, read_asked

log = logging.getLogger(__name__)


def import_target(predictions: Path, shadows: Path, output: Path, members: Path | None = None) -> None:
    """Writes φ of a given model on the pool of a run, and which records it was trained on, if that is known.

    Args:
        predictions: What :func:`lira.shadows.formats.predictions.read_predictions` reads.
        shadows: ``shadows.h5`` of the run.
        output: File of encoding ``target``; the attribute ``shadows_sha256`` says which shadow models it is for.
        members: What :func:`lira.shadows.formats.predictions.read_members` reads.

    Raises:
        DataError: A file cannot be read or does not fit the run's pool, its classes or its query views.
        StoreError: ``shadows`` is missing, damaged or of another kind.
    """
    with read_asked(shadows, "shadows") as file:
        attributes, names = hdf5.attributes(file), read_names(file)
        _, samples, views = file["phi"].shape
        labels = file["labels"][:] if "labels" in file else None
    pool, remarks = Pool(samples, names.get("id"), names.get("class_names")), list[str]()
    found = read_predictions(predictions, pool)
    if found.foreign:
        remarks.append(f"{found.foreign:,} predictions are of records that are not in the pool, and were left out")
    member = found.member
    if members is not None:
        if member is not None:
            raise DataError(f"{predictions} has member, and {members} is given: leave one of them out")
        member, absent = read_members(members, pool)
        if absent:
            whole = absent + int(member.sum())
            remarks.append(f"{absent:,} of its {whole:,} members are not in the pool, and were not attacked")
    given = Given(found.kind, [found.values], np.zeros((1, samples), bool), labels, [str(predictions)])
    shape = check_shapes(given)
    if shape.views != views:
        raise DataError(f"{predictions} is of {shape.views} views, the shadow models of {views}: query it as they were")
    about = {key: attributes[key] for key in ("study", "protocol", *RUN_KEYS) if key in attributes}
    about |= {"shadows_sha256": attributes["sha256"], "predictions": str(predictions)}
    with hdf5.create(output, "target", about) as file:
        blocks = Blocks(
            given, _labels(predictions, found, labels, shape), shape, attributes.get("network", {}).get("clip")
        )
        file.attrs["sha256"] = blocks.write(file, None if member is None else member[np.newaxis])
        file.attrs["remarks"] = hdf5.stored([*remarks, *blocks.remarks])
    for remark in [*remarks, *blocks.remarks]:
        log.warning("%s: %s", predictions, remark)


def _labels(
    path: Path, found: Predictions, known: Int[np.ndarray, " sample"] | None, shape: Shape
) -> Int[np.ndarray, " sample"] | None:
    """Returns the run's labels, or else those of the predictions, which must not be others."""
    own = None if found.labels is None else check_labels(found.labels, f"{path}: labels", found.values)
    if own is not None and known is not None and len(wrong := np.flatnonzero(own != known)):
        said = f"sample {wrong[0]} has label {own[wrong[0]]}, in the run it is {known[wrong[0]]}"
        raise DataError(f"{path}: {said}: the predictions are of other records, or in another order")
    labels = own if known is None else known
    if found.kind != "phi":
        if labels is None:
            raise DataError(f"{path}: {found.kind} need labels, and the run has none: add them, or give phi")
        check_classes(path, labels, found.kind, shape)
    return labels
