"""The rehearsal of a run: it goes through everything once, small, so that nothing fails late that is known early."""

import logging
import math
import resource
import time
from functools import partial
from pathlib import Path

import torch

from lira.config import PretrainingSettings, Recipe, TrainingSettings
from lira.core.errors import LiraError, said
from lira.core.plugins import check_code, load_function
from lira.shadows.estimators import Records, fit
from lira.shadows.loading import Loaded, build_network
from lira.shadows.training.cohort import check_members
from lira.shadows.training.device import lease, memory_advice, name_of
from lira.shadows.trial import Trial, blamed_on, try_out
from lira.storage.rehearsals import Rehearsal, stored_bytes

log = logging.getLogger(__name__)

SPEND = 0.5  # seconds for which each kind of batch is repeated: the first is slow, as libraries choose their kernels


def rehearse_models(
    settings: PretrainingSettings, name: str, spec: str, data: Path, output: Path, device: str, jobs_per_gpu: int
) -> Rehearsal:
    """Rehearses the training of a run's shadow models, or of a model that others are fine-tuned from.

    A model that others are fine-tuned from is rehearsed by itself: theirs start from random weights here.

    Args:
        settings: How the models are trained; of a run, :class:`TrainingSettings`.
        name: What is rehearsed, as ``dataset/architecture/regime`` or ``dataset/architecture``.
        spec: Name of the spec that the settings are from.
        data: Prepared dataset.
        output: File to write; beside it a checkpoint is tried.
        device: ``cpu`` or ``cuda``.
        jobs_per_gpu: Number of jobs that may share one GPU.

    Returns:
        What was found, and also if the run fails.
    """
    place = f"runs.{name}" if isinstance(settings, TrainingSettings) else f"pretraining of {name}"
    try:
        check_code(settings.code)
        with lease(device, jobs_per_gpu) as leased, blamed_on(place):
            if settings.architecture.estimator and isinstance(settings, TrainingSettings):
                found = _fitted(settings, name, spec, data, device)
            else:
                found = _found(settings, name, spec, data, output, leased)
    except Exception as error:  # whatever would fail a training job is to be said of this run
        log.debug("traceback", exc_info=True)
        found = Rehearsal(
            name, spec, device, failed=str(error if isinstance(error, LiraError) else LiraError(said(error)))
        )
    found.write(output)
    return found


def _found(settings: PretrainingSettings, name: str, spec: str, data: Path, output: Path, device: str) -> Rehearsal:
    recipe, run = settings.recipe, settings if isinstance(settings, TrainingSettings) else None
    loaded = Loaded.of(run, data, 0, device) if run else Loaded.public(settings, data, device)
    check_members(recipe, loaded.membership)
    models = min(recipe.cohort, run.shadow_models) if run else 1
    build, checkpoint = partial(build_network, settings, loaded.part, models), output.with_suffix(".trial.pt")
    output.parent.mkdir(parents=True, exist_ok=True)
    with memory_advice(models, name_of(device)):
        trial = try_out(build, models, recipe, loaded, checkpoint, queried=run is not None, spend=SPEND)
    size = len(loaded.pool), recipe.query_views, loaded.part.classes, trial.values
    stored = stored_bytes(*size, run.kept) if run else {"weights": 4 * trial.values}
    return Rehearsal(
        name=name,
        spec=spec,
        device=device.split(":")[0],
        seconds=seconds_of(trial, recipe, loaded, queried=run is not None) / models,
        memory=_memory(),
        gpu_memory=torch.cuda.max_memory_reserved(device) / 2**20 if device != "cpu" else 0.0,
        disk=sum(stored.values()),
    )


def _fitted(settings: TrainingSettings, name: str, spec: str, data: Path, device: str) -> Rehearsal:
    """Fits and queries an estimator: one whole model, as it has no steps."""
    records = Records.of(settings, data, 0)
    load_function(settings.architecture.function)  # its import is no work of a model
    begun = time.monotonic()
    found = fit(settings.architecture, records, 0, 0)
    seconds = time.monotonic() - begun
    disk = sum(stored_bytes(len(found.phi), 1, records.pool.classes, 0, settings.kept).values())
    return Rehearsal(name, spec, device, seconds=seconds, memory=_memory(), disk=disk)


def _memory() -> float:
    """Returns the peak memory of the process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds_of(trial: Trial, recipe: Recipe, loaded: Loaded, *, queried: bool) -> float:
    """Returns the seconds to train a cohort in all its epochs, to evaluate it after each, and to query the pool."""
    steps = loaded.membership.sum(1).max() // recipe.batch_size
    tested, pool = (len(part) / recipe.batch_size for part in (loaded.test or loaded.pool, loaded.pool))
    training = recipe.epochs * (steps * trial.step + tested * trial.forward)
    return float(training + queried * math.ceil(pool) * recipe.query_views * trial.forward)
