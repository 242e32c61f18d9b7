"""Training jobs: one trains a shard of shadow models, the other the model from which fine-tuning starts."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from jaxtyping import Int
from torch import nn

from lira.config import PretrainingSettings, RunDescription, TrainingSettings
from lira.core import preemption
from lira.core.errors import ConfigError, StoreError
from lira.core.pace import Pace
from lira.core.plugins import check_code
from lira.shadows.estimators import train_estimators
from lira.shadows.loading import Loaded, build_network
from lira.shadows.models import initialise
from lira.shadows.query import query, write_query
from lira.shadows.rng import INITIAL, QUERY, TRAINING, Streams, generator, of_attempt
from lira.shadows.training.cohort import Samples, check_members, diverged, evaluate, train_cohort
from lira.shadows.training.device import lease, memory_advice, name_of
from lira.shadows.training.optimizers import Tensors
from lira.shadows.training.precision import autocast
from lira.shadows.training.progress import Checkpoint, load_whole, read_whole
from lira.shadows.trial import blamed_on, try_out
from lira.shadows.weights import write_weights
from lira.storage import hdf5
from lira.storage.identity import data_identity, digest_of, file_digest, models_identity
from lira.storage.models import (
    Models,
    drop_checkpoints,
    finished_models,
    joined_attributes,
    missing_models,
    models_file,
    seconds_of,
    take_over,
    write_receipt,
)

log = logging.getLogger(__name__)


def train_shadows(
    settings: TrainingSettings,
    run: RunDescription,
    data: Path,
    first: int,
    last: int,
    output: Path,
    pretrained: Path | None = None,
    device: str = "cpu",
    jobs_per_gpu: int = 1,
    checkpoint_seconds: float = Checkpoint.seconds,
) -> float:
    """Trains and queries those of the shadow models ``first`` to ``last`` of a run that are not finished yet.

    Finished models lie beside the output, cohort by cohort until the job ends (:mod:`lira.storage.models`). The
    unfinished cohort is stored every five minutes, and when the job is told to stop. A restarted job continues from
    there and gives the same models, bit for bit. Finished models are taken over, whichever job trained them.

    Args:
        settings: From :meth:`lira.config.StudySettings.training_settings`.
        run: From :meth:`lira.config.StudySettings.describe_run`.
        data: Prepared dataset.
        first: First model, the first of a cohort.
        last: Last model, the last of a cohort or of the run.
        output: Receipt to write: the files that hold the models.
        pretrained: Model that a recipe with ``start: public`` fine-tunes.
        device: ``cpu`` or ``cuda``.
        jobs_per_gpu: Number of training jobs that may share one GPU.
        checkpoint_seconds: Time between two checkpoints of a cohort, each up to 0.4 GB for a large network.

    Returns:
        Seconds that the models took, in all attempts as far as they stored their work.

    Raises:
        ConfigError: The models are not whole cohorts, or the recipe and ``pretrained`` do not fit.
        Preempted: The job was told to stop; its progress is stored.
    """
    _check_shard(settings, first, last, pretrained)
    check_code(settings.code)
    folder, identity = hdf5.folder_of(output), models_identity(settings, run.seed, data, pretrained)
    job = _Job(settings, run, data, pretrained, folder, identity)
    output.unlink(missing_ok=True)
    with hdf5.atomic(output) as receipt:
        receipt.touch()  # as long as it lies there, this job is at work
        take_over(folder, settings, job.attributes, data, settings.kept)
        missing = missing_models(first, last, job.finished())
        log.info("models %d-%d: %d to train, the others are finished", first, last, len(missing))
        if missing:
            with (
                lease(device, jobs_per_gpu) as leased,
                blamed_on(f"runs.{run.dataset}/{run.architecture}/{run.regime}"),
            ):
                _train_missing(replace(job, device=leased), missing, last, checkpoint_seconds, receipt)
        _merge(job, first, last)
        drop_checkpoints(folder, first, last)
        finished = job.finished()
        write_receipt(receipt, first, last, identity, finished)
        return seconds_of(first, last, finished)


def _check_shard(settings: TrainingSettings, first: int, last: int, pretrained: Path | None) -> None:
    models, cohort, start = settings.shadow_models, settings.recipe.cohort, settings.recipe.start
    if not 0 <= first <= last < models:
        raise ConfigError(f"first {first} to last {last}: the models of this run are 0 to {models - 1}, in order")
    if first % cohort or ((last + 1) % cohort and last + 1 < models):
        raise ConfigError(f"first {first} to last {last}: a shard has whole cohorts, which are of {cohort} models here")
    if (start == "public") != (pretrained is not None):
        needs = "a model to start from" if pretrained is None else "no model to start from"
        raise ConfigError(f"pretrained: models of start {start!r} need {needs}")


@dataclass(frozen=True)
class _Job:
    """Everything that a run's models depend on, where they lie, and the device that trains them."""

    settings: TrainingSettings
    run: RunDescription
    data: Path
    pretrained: Path | None
    folder: Path
    identity: str
    device: str = "cpu"

    def finished(self) -> list[Models]:
        """Finds the finished models that have all that the study keeps of them."""
        return finished_models(self.folder, self.identity, self.settings.kept)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """What every file of the run's models says."""
        with hdf5.read(self.data, "data") as file:
            made_from = {"data_sha256": file.attrs["sha256"], "data_identity": digest_of(data_identity(self.data))}
        made_from |= {"pretrained_sha256": file_digest(self.pretrained)} if self.pretrained else {}
        return self.settings.attributes(self.run) | made_from | {"identity": self.identity}


def _train_missing(job: _Job, missing: Sequence[int], last: int, checkpoint_seconds: float, receipt: Path) -> None:
    """Trains and queries the cohorts in which models are missing."""
    if job.settings.architecture.estimator:
        place = partial(models_file, job.folder, identity=job.identity)
        train_estimators(job.settings, job.run.seed, job.data, missing, place, job.attributes, receipt)
        return
    cohort, loaded = job.settings.recipe.cohort, None
    firsts = dict.fromkeys(model - model % cohort for model in missing)
    places = [models_file(job.folder, first, min(first + cohort - 1, last), job.identity) for first in firsts]
    pace = Pace(sum(models.number for models in places), receipt)
    for models in places:
        fingerprint = digest_of([job.identity, models[:2], torch.__version__, name_of(job.device)])
        checkpoint = Checkpoint(models.path.with_suffix(".pt"), fingerprint, checkpoint_seconds, pace)
        with preemption.deferred(), memory_advice(models.number, name_of(job.device)):
            loaded = loaded or _tried(job, models)
            _train_and_query(job, loaded, models, checkpoint)
        checkpoint.path.unlink(missing_ok=True)


def _tried(job: _Job, models: Models) -> Loaded:
    """Loads the data, and tries a cohort on them."""
    loaded = Loaded.of(job.settings, job.data, job.run.seed, job.device)
    check_members(job.settings.recipe, loaded.membership)  # of all models, also those that other jobs train
    network = partial(build_network, job.settings, loaded.part, models.number)
    try_out(network, models.number, job.settings.recipe, loaded, models.path.with_suffix(".trial.pt"))
    return loaded


def _merge(job: _Job, first: int, last: int) -> None:
    """Joins a job's cohorts in one file, as a file system may not bear a file for every model.

    Cohorts stay as they are if some have arrays that others lack, as where ``store_weights`` was changed in between.
    Another job, left over from an earlier Snakemake, may do the same at the same time.
    """
    try:
        inside = [models for models in job.finished() if first <= models.first and models.last <= last]
        cohorts = [models for models in inside if models.number <= job.settings.recipe.cohort]
        if len(inside) < 2 or not cohorts or missing_models(first, last, inside):
            return
        if len(set(map(_arrays, inside))) > 1:
            log.info("models %d-%d stay in %d files, as not all hold the same arrays", first, last, len(inside))
            return
        whole = models_file(job.folder, first, last, job.identity)
        said = job.attributes | joined_attributes(inside) | {"first": first, "last": last}
        said |= {"seconds": seconds_of(first, last, inside)}
        with hdf5.create(whole.path, "shard", said) as file:
            for models in inside:
                with hdf5.read(models.path, "shard") as part:
                    _append(part, file, models.first - first, whole.number)
    except (StoreError, FileNotFoundError) as error:
        if missing_models(first, last, finished := job.finished()):
            raise
        if models_file(job.folder, first, last, job.identity) in finished:
            log.info("another job, left over from an earlier Snakemake, has joined the same models meanwhile")
        else:
            log.warning("models %d-%d stay in several files: %s", first, last, error)
        return
    for models in inside:
        models.path.unlink(missing_ok=True)


def _train_and_query(job: _Job, loaded: Loaded, place: Models, checkpoint: Checkpoint) -> None:
    recipe, part, models = job.settings.recipe, loaded.part, list(range(place.first, place.last + 1))
    network = build_network(job.settings, part, len(models))
    members, tested = loaded.membership[models].sum(1).mean(), len(loaded.test or loaded.pool)
    work = recipe.epochs, members, tested, recipe.query_views * len(loaded.pool)
    checkpoint.pace.begin(f"models {place.first}-{place.last}", len(models), *work)
    trained = _train(job, loaded, network, models, checkpoint)
    for attempt in range(1, recipe.retries + 1):
        failed = np.flatnonzero(trained.values["utility/diverged"])
        if not len(failed):
            break
        again = [models[row] for row in failed]
        log.info("models %s: trained again, %d of at most %d times", again, attempt, recipe.retries)
        kept, fresh = checkpoint.of_attempt(attempt), build_network(job.settings, part, len(again))
        trained.put(failed, _train(job, loaded, fresh, again, kept, attempt))
        checkpoint.before = kept.before
    said = {"first": place.first, "last": place.last} | hdf5.describe_environment(name_of(job.device))
    with hdf5.create(place.path, "shard", job.attributes | said) as file:
        hdf5.dataset(file, "member", data=loaded.membership[models])
        for name, value in trained.values.items():
            hdf5.dataset(file, name, data=value)
        if job.settings.store_weights:
            write_weights(file, trained.best)
        queried = query(network, trained.best, loaded.pool, recipe, Streams(job.run.seed, models, job.device, QUERY))
        shape, stored = (len(models), len(loaded.pool), recipe.query_views), job.settings.store_logits and part.classes
        write_query(file, queried, shape, recipe.batch_size, part.y, stored, checkpoint.pace)
        file.attrs["seconds"] = checkpoint.seconds_spent()
    utility = {name: trained.values[f"utility/{name}"] for name in hdf5.UTILITY}
    means = utility["test_accuracy"].mean(), (utility["test_loss"] / utility["train_loss"]).mean()
    log.info("models %d-%d: test accuracy %.4f, loss ratio %.3g (means)", models[0], models[-1], *means)


@dataclass
class _Trained:
    """The models that are attacked, and the stored values of their training: an array per name, a row per model."""

    best: Tensors
    values: dict[str, np.ndarray]

    def put(self, rows: Int[np.ndarray, " row"], other: "_Trained") -> None:
        """Replaces some of the models."""
        for name, weight in other.best.items():
            self.best[name][rows] = weight
        for name, value in other.values.items():
            self.values[name][rows] = value


def _train(
    job: _Job, loaded: Loaded, network: nn.Module, models: list[int], checkpoint: Checkpoint, attempt: int = 0
) -> _Trained:
    recipe, seed, device = job.settings.recipe, job.run.seed, job.device
    pool, member = loaded.pool, loaded.membership[models]
    test, tested = (pool, ~member) if loaded.test is None else (loaded.test, None)
    if loaded.test is None and len(models) == 1:
        x, y = loaded.part.x[~member[0]], loaded.part.y[~member[0]]
        test, tested = Samples(replace(loaded.part, x=x, y=y), device), None
    generators = [generator(seed, model, of_attempt(INITIAL, attempt)) for model in models]
    initial = _initial(network, generators, job.pretrained, device)
    network.to(device)  # buffers that are not saved
    streams = Streams(seed, models, device, of_attempt(TRAINING, attempt))
    progress = train_cohort(network, initial, recipe, pool, test, member, streams, checkpoint, tested)
    with autocast(recipe, device):
        utility = (*evaluate(network, progress.best, pool, member), *evaluate(network, progress.best, test, tested))
    lost = diverged(*utility[:2], loaded.part.classes, member.sum(axis=1))
    if lost.any():
        log.warning("models %s: training diverged (NaN, or accuracy at chance)", np.array(models)[lost].tolist())
    values = {f"utility/{name}": value for name, value in zip(hdf5.UTILITY, utility, strict=True)}
    values |= {"utility/diverged": lost.astype(float), "utility/retries": np.full(len(models), float(attempt))}
    values |= {f"history/{name}": value for name, value in progress.history.items()}
    return _Trained(progress.best, values | {"history/best_epoch": progress.best_epoch})


def _arrays(models: Models) -> frozenset[str]:
    with hdf5.read(models.path, "shard") as file:
        names: list[str] = []
        file.visit(names.append)
        return frozenset(names)


def _append(cohort: h5py.File, shard: h5py.File, row: int, models_in_shard: int) -> None:
    def copy(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            if name not in shard:
                hdf5.dataset(shard, name, (models_in_shard, *item.shape[1:]), item.dtype, chunks=item.chunks)
            target, rows = shard[name], slice(row, row + len(item))
            if item.ndim < 3 or not item.size:
                target[rows] = item[:]
                return
            for start in range(0, item.shape[1], item.chunks[1]):
                columns = slice(start, start + item.chunks[1])
                target[rows, columns] = item[:, columns]

    cohort.visititems(copy)


def pretrain_model(
    settings: PretrainingSettings, data: Path, output: Path, device: str = "cpu", jobs_per_gpu: int = 1
) -> float:
    """Trains the model from which fine-tuning starts, on the dataset's public part.

    The public part also chooses the best epoch, so that the model depends on neither pool nor test set.

    Args:
        settings: From :meth:`lira.config.StudySettings.pretraining_settings`.
        data: Prepared dataset with a public part.
        output: State file to write. Beside it the model lies under its identity, from where it is taken over.
        device: ``cpu`` or ``cuda``.
        jobs_per_gpu: Number of training jobs that may share one GPU.

    Returns:
        Seconds of training, in all attempts as far as they stored their work; 0 for a model that is taken over.
    """
    check_code(settings.code)
    seconds = 0.0
    identity = models_identity(settings, 0, data)
    finished = output.with_name(f"{output.stem}.{identity}.pt")
    place = f"pretraining of {output.parent.name}/{output.stem}"
    with hdf5.atomic(output) as beside:
        if read_whole(finished) is None:
            with lease(device, jobs_per_gpu) as leased, memory_advice(1, name_of(leased)), blamed_on(place):
                seconds = _pretrain(settings, data, finished, identity, leased, Pace(1, beside))
        shutil.copyfile(finished, beside)
    return seconds


def _pretrain(settings: PretrainingSettings, data: Path, output: Path, identity: str, device: str, pace: Pace) -> float:
    loaded, recipe = Loaded.public(settings, data, device), settings.recipe
    build, trial = partial(build_network, settings, loaded.part, 1), output.with_suffix(".trial.pt")
    try_out(build, 1, recipe, loaded, trial, queried=False)
    fingerprint = digest_of([identity, torch.__version__, name_of(device)])
    first = Checkpoint(output.with_name(f"{output.name}.part"), fingerprint, pace=pace)
    pace.begin("the model to start from", 1, recipe.epochs, len(loaded.pool), len(loaded.pool))
    tried: list[Checkpoint] = []
    for attempt in range(recipe.retries + 1):
        tried.append(first.of_attempt(attempt) if attempt else first)
        with preemption.deferred():
            weights, loss, lost = _train_public(settings, loaded, build(), device, tried[-1], attempt)
        first.before = tried[-1].before
        if not lost:
            break
        log.warning("the model to start from: training diverged (NaN, or accuracy at chance)")
    for checkpoint in tried:
        checkpoint.path.unlink()
    if not np.isfinite(loss):
        raise ConfigError(
            f"pretraining.learning_rate is {recipe.learning_rate:g}: the model to start from diverged, its loss is "
            f"{loss:g}, in {recipe.retries + 1} attempts: lower it, or set pretraining.retries"
        )
    with hdf5.atomic(output) as beside, beside.open("wb") as file:
        torch.save({name: value[0].cpu() for name, value in weights.items()}, file)
    return first.seconds_spent()


def _train_public(
    settings: PretrainingSettings, loaded: Loaded, network: nn.Module, device: str, checkpoint: Checkpoint, attempt: int
) -> tuple[Tensors, float, bool]:
    """Trains the model to start from; returns its weights, its loss, and whether its training diverged."""
    public, members = loaded.pool, loaded.membership
    initial = _initial(network, [generator(0, 0, of_attempt(INITIAL, attempt))], None, device)
    network.to(device)
    streams = Streams(0, [0], device, of_attempt(TRAINING, attempt))
    best = train_cohort(network, initial, settings.recipe, public, public, members, streams, checkpoint).best
    with autocast(settings.recipe, device):
        loss, accuracy = evaluate(network, best, public, None)
    return best, float(loss[0]), bool(diverged(loss, accuracy, loaded.part.classes, members.sum(axis=1))[0])


def _initial(network: nn.Module, generators: list[torch.Generator], pretrained: Path | None, device: str) -> Tensors:
    if pretrained:
        try:
            weights = load_whole(pretrained)
            there = {name: (tuple(value.shape), str(value.dtype)) for name, value in weights.items()}
        except Exception as error:
            raise StoreError(f"{pretrained} is damaged ({error}): delete it and run snakemake again") from error
        here = {name: (tuple(value.shape[1:]), str(value.dtype)) for name, value in network.state_dict().items()}
        if other := sorted(name for name, _ in there.items() ^ here.items()):
            shapes = f"{there.get(other[0], ['not'])[0]} there and {here.get(other[0], ['not'])[0]} here"
            raise StoreError(
                f"{pretrained} is of another network than this run's, whose {other[0]} is {shapes}: where the network "
                "depends on them, give pretraining the run's image_size and dropout; or delete the file and run "
                "snakemake again"
            )
        return {name: value.expand(len(generators), *value.shape).to(device) for name, value in weights.items()}
    return {name: value.to(device) for name, value in initialise(network, generators).items()}
