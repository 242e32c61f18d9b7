"""Finished shadow models: files ``<first>-<last>.<identity>.h5``, which every job that needs these models takes over.

Snakemake does not know these files, as it deletes a job's outputs before the job runs. The output of a training job is
its receipt, a JSON file that says in which files its models lie.

Files of encoding 1.1 are named ``<first>-<last>.h5`` and know no identity: :func:`take_over` gives them their name.
"""

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from lira.config import TrainingSettings
from lira.config.catalogue import FUNCTION
from lira.core.errors import StoreError, VersionError
from lira.storage import hdf5
from lira.storage.identity import differing_settings

log = logging.getLogger(__name__)

NAME = re.compile(r"(\d+)-(\d+)\.([0-9a-f]+)\.h5")
NAME_IN_1_1 = re.compile(r"(\d+)-(\d+)\.h5")
RECEIPT = re.compile(r"\.(\d+)-(\d+)\.json\.(.+)\.json")
"""A receipt that is not written yet; the job that holds it is at work."""

JOINED = ("device", "revision")
"""Attributes in which the models of a run may differ; all values are recorded."""


class Models(NamedTuple):
    """A file with finished shadow models ``first`` to ``last``."""

    first: int
    last: int
    path: Path

    @property
    def number(self) -> int:
        """Number of models."""
        return self.last - self.first + 1


def models_file(folder: Path, first: int, last: int, identity: str) -> Models:
    """Returns where finished shadow models lie, or are to lie."""
    return Models(first, last, folder / f"{first}-{last}.{identity}.h5")


def finished_models(folder: Path, identity: str, needed: Collection[str] = ()) -> list[Models]:
    """Returns the files of a folder with finished shadow models of an identity, by their first model.

    Files that are being written have other names. A file whose models are all in a larger one does not count, nor one
    that is damaged.

    Args:
        folder: Folder of a run's models.
        identity: As :func:`lira.storage.identity.models_identity`.
        needed: Groups and arrays that the files must have, such as ``logits``.

    Raises:
        VersionError: A file is of an encoding version that is not read here.
    """
    found: list[Models] = []
    named = (NAME.fullmatch(path.name) for path in folder.glob(f"*.{identity}.h5"))
    every = [Models(int(name[1]), int(name[2]), folder / name[0]) for name in named if name]
    for models in sorted(every, key=lambda one: (one.first, -one.last)):
        if not (found and models.last <= found[-1].last) and _has(models.path, needed):
            found.append(models)
    return found


def _has(path: Path, needed: Collection[str]) -> bool:
    try:
        with hdf5.read(path, "shard") as file:
            return all(name in file for name in needed)
    except VersionError:  # a file that is trained anew would take its place
        raise
    except (StoreError, FileNotFoundError):  # another job may have merged it meanwhile
        return False


def take_over(
    folder: Path, settings: TrainingSettings, expected: Mapping[str, Any], data: Path, needed: Collection[str]
) -> None:
    """Renames the files of encoding 1.1 that hold the expected models, as :func:`finished_models` looks for them.

    A file is renamed if all that it says is what is expected. It does not say what the user's own code and weights
    held: models that depend on any are not taken over.

    Args:
        folder: Folder of a run's models.
        settings: Settings of the training.
        expected: Attributes of a file with the run's models, with ``identity``.
        data: Prepared dataset.
        needed: As for :func:`finished_models`.
    """
    for path in sorted(folder.glob("*-*.h5")):
        if named := NAME_IN_1_1.fullmatch(path.name):
            models = models_file(folder, int(named[1]), int(named[2]), expected["identity"])
            if models.path.exists():
                continue
            said = {**expected, "first": models.first, "last": models.last}
            if reason := _lacks(path, settings, said, data, needed):
                log.info("%s is not taken over: %s", path.name, reason)
                continue
            with suppress(FileNotFoundError):  # another job has renamed it
                path.rename(models.path)
                log.info("%s is taken over as %s", path.name, models.path.name)


def _lacks(
    path: Path, settings: TrainingSettings, expected: Mapping[str, Any], data: Path, needed: Collection[str]
) -> str:
    """Returns why a file of encoding 1.1 does not hold the expected models, as far as it says; or an empty text."""
    with hdf5.read(data, "data") as file:
        functions = (settings.architecture.family, str(file.attrs["dataset"]))
    own = [name for name in functions if re.fullmatch(FUNCTION, name)]
    if own := [*own, *filter(None, [settings.architecture.weights])]:
        return f"it does not say what {' and '.join(own)} held then"
    try:
        with hdf5.read(path, "shard") as file:
            other = differences(file, settings, expected)
    except (StoreError, ValueError, LookupError) as error:
        return str(error)
    if other:
        return f"it is of another {' and '.join(other)}"
    return "" if _has(path, needed) else f"it lacks {' or '.join(needed)}"


def differences(file: h5py.File, settings: TrainingSettings, expected: Mapping[str, Any]) -> list[str]:
    """Names what a file of models says that differs from what is expected: identity, or if it has none, anything."""
    found = hdf5.attributes(file)
    if "identity" in found:
        return ["identity"] if found["identity"] != expected["identity"] else []
    plain = [name for name in expected if name not in ("identity", "data_identity", "recipe", "network")]
    other = [name for name in plain if found.get(name) != expected[name]]
    return list(dict.fromkeys([*differing_settings(settings, found), *other]))


def missing_models(first: int, last: int, finished: Iterable[Models]) -> list[int]:
    """Returns the models ``first`` to ``last`` that are in none of the files."""
    there = {model for models in finished for model in range(models.first, models.last + 1)}
    return [model for model in range(first, last + 1) if model not in there]


def running_jobs(folder: Path, seconds: float) -> list[Path]:
    """Finds the training jobs that are at work on a run, and returns their unfinished receipts.

    A job holds its unfinished receipt, whose name says its node and process. A process of another node counts as alive
    if one of its files is younger than ``seconds``: models, checkpoints, or the receipt.
    """
    files = [(path, found) for path in folder.glob("*") if (found := re.match(r"\.?(\d+)-", path.name))]
    running = []
    for path, _ in files:
        if receipt := RECEIPT.fullmatch(path.name):
            first, last = int(receipt[1]), int(receipt[2])
            own = [path for path, found in files if first <= int(found[1]) <= last]
            running += [path] if any(hdf5.is_written(file, receipt[3], seconds) for file in own) else []
    return running


def drop_checkpoints(folder: Path, first: int, last: int) -> None:
    """Removes those of finished cohorts, which a job that was stopped left, and of recipes no longer asked for."""
    for path in folder.glob("*-*.pt"):  # those that a job is writing begin with a dot
        named = re.match(r"(\d+)-(\d+)\.", path.name)
        if named and first <= int(named[1]) <= int(named[2]) <= last:
            path.unlink(missing_ok=True)


def write_receipt(output: Path, first: int, last: int, identity: str, finished: Sequence[Models]) -> None:
    """Writes in which files the models ``first`` to ``last`` lie, to a path that :func:`hdf5.atomic` gave."""
    files = [models for models in finished if models.first <= last and models.last >= first]
    content = {"identity": identity, "files": [models.path.name for models in files]}
    output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_receipts(receipts: Iterable[Path], identity: str) -> dict[Models, Path]:
    """Reads in which files the models of training jobs lie: by first model, each with a receipt that names it.

    Raises:
        StoreError: A receipt is missing, damaged, or of other models than those of the identity.
    """
    files: dict[Models, Path] = {}
    for receipt in receipts:
        remedy = f"rm {receipt}, and run the same command again"
        if not receipt.is_file():
            raise StoreError(f"{receipt} does not exist: run the rule that makes it")
        try:
            content = json.loads(receipt.read_text(encoding="utf-8"))
            named = [NAME.fullmatch(name) for name in content["files"]]
            found = content["identity"]
            if not all(named):
                raise ValueError("it names other files")
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(f"{receipt} is damaged ({error}): {remedy}") from error
        if found != identity:
            raise StoreError(f"{receipt} is of other models than this run's, of another recipe, code or data: {remedy}")
        for name in filter(None, named):
            files[Models(int(name[1]), int(name[2]), receipt.parent / name[0])] = receipt
    return dict(sorted(files.items()))


def seconds_of(first: int, last: int, finished: Iterable[Models]) -> float:
    """Returns how long the models ``first`` to ``last`` took; of a larger file, their share."""
    total = 0.0
    for models in finished:
        share = min(last, models.last) - max(first, models.first) + 1
        if share > 0:
            with hdf5.read(models.path, "shard") as file:
                total += share / models.number * file.attrs.get("seconds", 0.0)
    return total


def joined_attributes(finished: Iterable[Models]) -> dict[str, Any]:
    """Returns what the files say of their making: device, revision and versions, with all their values."""
    found = []
    for models in finished:
        with hdf5.read(models.path, "shard") as file:
            found.append(hdf5.attributes(file))
    carried: dict[str, Any] = {name: _joined([one[name] for one in found]) for name in JOINED}
    names = dict.fromkeys(name for one in found for name in one["versions"])
    carried["versions"] = {name: _joined([one["versions"].get(name) for one in found]) for name in names}
    return carried | {name: found[0][name] for name in ("pretrained_sha256",) if name in found[0]}


def _joined(values: Sequence[str | None]) -> str:
    parts = {part for value in values for part in str(value).split(hdf5.SEVERAL)}
    return hdf5.SEVERAL.join(sorted(parts))
