"""Shadow models that are estimators: of any class with ``fit`` and ``predict_proba``, as scikit-learn has them.

Each is made by itself, from its seed and number, so that it does not depend on those before it.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from inspect import signature, unwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from threadpoolctl import threadpool_limits

from lira.config import Architecture, TrainingSettings
from lira.core.errors import ConfigError
from lira.core.pace import Pace
from lira.core.plugins import check_code, guarded, load_function
from lira.datasets import Part, read_part
from lira.shadows.loading import draw_members
from lira.shadows.logits import largest_phi, log_odds
from lira.shadows.plausible import BEYOND, ROUNDING
from lira.shadows.rng import INITIAL, generator
from lira.shadows.training.cohort import diverged
from lira.shadows.training.device import memory_advice
from lira.storage import hdf5
from lira.storage.models import Models

log = logging.getLogger(__name__)

CHUNK = 4096


@dataclass(frozen=True)
class Records:
    """Data of a run as estimators get them, :func:`features`, and all members; ``test`` is None for non-members."""

    pool: Part
    test: Part | None
    member: Bool[np.ndarray, "model sample"]

    @classmethod
    def of(cls, settings: TrainingSettings, data: Path, seed: int) -> "Records":
        """Reads a prepared dataset, and draws the members of all shadow models."""
        pool = features(read_part(data, "pool"))
        test = features(read_part(data, "test")) if settings.recipe.test_set == "test" else None
        return cls(pool, test, draw_members(settings, len(pool.y), seed))


class Fitted(NamedTuple):
    """What is kept of a model: φ and probabilities of the pool, and measures by the names of a file of models."""

    phi: Float[np.ndarray, " sample"]
    probabilities: Float[np.ndarray, "sample class"]
    utility: dict[str, float]


def features(part: Part) -> Part:
    """Returns a part whose samples are rows of features, normalised as for networks, in float64."""
    shape = (-1, *[1] * (part.x.ndim - 2))
    x = (part.x / part.scale - part.mean.reshape(shape)) / part.std.reshape(shape)
    return replace(part, x=x.reshape(len(x), -1))


def fit(architecture: Architecture, records: Records, seed: int, model: int, pace: Pace | None = None) -> Fitted:
    """Fits one shadow model to its members and queries it.

    It gets classes as whole numbers from 0, without those that none of its members has; these have a probability of 0.

    Args:
        architecture: Of family ``sklearn``.
        records: The run's data.
        seed: The run's seed.
        model: Number of the model in the run.
        pace: What is told how far it is.

    Raises:
        ConfigError: The class is none with ``fit`` and ``predict_proba``, fails, or gives no probabilities; or all
            members are of one class.
    """
    pool, member, pace = records.pool, records.member[model], pace or Pace()
    name, state = str(architecture.estimator), generator(seed, model, INITIAL).initial_seed() % 2**31
    estimator = _made(architecture, state)
    present, y = np.unique(pool.y[member], return_inverse=True)
    if len(present) < 2:
        said = f"the members of model {model} are all of class {present[0]}"
        raise ConfigError(f"{said}: {name} needs two classes, so each needs more samples in the pool")
    parts = [pool] if records.test is None else [pool, records.test]
    with threadpool_limits(1):  # a model must not depend on how many cores ran it
        pace.start()
        guarded(estimator.fit, f"{name}.fit")(pool.x[member], y)
        pace.tell(pace.training, 1, 0, "fitted")
        found = [_probabilities(estimator, name, part, present) for part in parts]
        pace.tell(pace.query, 1, 0, "queried")
    raw = [log_odds(each[:, None], part.y)[:, 0] for each, part in zip(found, parts, strict=True)]
    bound, samples = bound_of(raw[0], architecture.clip, name), len(pool.y)
    phi = np.clip(np.concatenate(raw), -bound, bound)
    right = np.concatenate([each.argmax(1) == part.y for each, part in zip(found, parts, strict=True)])
    tested = np.flatnonzero(~member) if records.test is None else np.arange(samples, len(phi))
    utility = {"clipped": float((np.abs(raw[0]) > bound).mean())}
    for of, rows in (("train", np.flatnonzero(member)), ("test", tested)):
        utility[f"{of}_loss"] = float(np.logaddexp(0, -phi[rows]).mean())
        utility[f"{of}_accuracy"] = float(right[rows].mean())
    return Fitted(phi[:samples], found[0], utility)


def bound_of(phi: Float[np.ndarray, " sample"], clip: float | None, place: str) -> float:
    """Returns the largest φ of one model, of either sign, whose smallest probability counts as ``clip``.

    If that is not given, a probability of 0 counts as half of the smallest other one: an infinite φ is the largest that
    is not, plus log 2, as for an imported target.

    Raises:
        ConfigError: It is not given, and all probabilities are 0 or 1.
    """
    if clip:
        return largest_phi(clip)
    if not (finite := np.abs(phi[np.isfinite(phi)])).size:
        raise ConfigError(
            f"{place} gives only probabilities of 0 and 1, as predicted classes are: set clip, the smallest probability"
        )
    return float(finite.max() + np.log(2))


def _made(architecture: Architecture, state: int) -> Any:
    """Calls the class, with the model's own ``random_state`` if it has such a parameter, or parts of it do.

    What a function returns may be, or hold, what earlier models were trained with, so a copy of it is taken.
    """
    name, params = str(architecture.estimator), architecture.params
    make = load_function(architecture.function)
    if isinstance(called := unwrap(make), type):  # no other class is called, as params come from the study file
        _check_methods(called, name)
    elif params:
        raise ConfigError(f"{name} is a function, but params are given: allowed are those of a class")
    own = {"random_state": state} if "random_state" in guarded(signature, name)(make).parameters else {}
    made = make(**params, **own)
    _check_methods(made, name)
    try:
        made = deepcopy(made)
    except MemoryError:
        raise
    except Exception as error:  # as of one that holds a module or a lock
        if make(**params, **own) is made:
            said = "gives the same object in each call, which cannot be copied"
            raise ConfigError(f"{name} {said}: make it anew in each call") from error
    if hasattr(made, "get_params") and hasattr(made, "set_params"):
        states = [key for key in made.get_params() if key.rpartition("__")[2] == "random_state"]
        made.set_params(**dict.fromkeys(states, state))
    return made


def _check_methods(made: Any, name: str) -> None:
    if lacking := [each for each in ("fit", "predict_proba") if not callable(getattr(made, each, None))]:
        raise ConfigError(f"{name} has no {' and no '.join(lacking)}: allowed are classes with fit and predict_proba")


def _probabilities(
    estimator: Any, name: str, part: Part, present: Int[np.ndarray, " known"]
) -> Float[np.ndarray, "sample class"]:
    """Returns the probabilities of all classes, in float64; those of classes that the model does not know are 0."""
    place = f"{name}.predict_proba"
    given = guarded(lambda x: np.asarray(estimator.predict_proba(x), float), place)(part.x.copy())
    if given.shape != (len(part.y), len(present)):
        raise ConfigError(
            f"{place} gives {list(given.shape)}: allowed is {[len(part.y), len(present)]}, a probability of each class "
            "that the model was trained on"
        )
    within = (given >= -BEYOND) & (given <= 1 + BEYOND)
    wrong = ~within.all(1) | (np.abs(given.sum(1) - 1) > ROUNDING)
    if wrong.any():
        said = f"{place} gives {given[wrong.argmax()].tolist()!s:.200} for a sample"
        raise ConfigError(f"{said}: allowed are numbers from 0 to 1 that sum to 1")
    found = np.zeros((len(part.y), part.classes))
    found[:, present[_columns(estimator, name, len(present))]] = given.clip(0, 1)
    return found


def _columns(estimator: Any, name: str, classes: int) -> Int[np.ndarray, " known"]:
    """Returns which class each column of the probabilities is: as ``classes_`` says if there is one, else in order."""
    place = f"{name}.classes_"
    if (given := guarded(getattr, place)(estimator, "classes_", None)) is None:
        return np.arange(classes)
    found = np.atleast_1d(np.asarray(given, dtype=object)).tolist()
    if len(found) != classes or any(found.count(label) != 1 for label in range(classes)):
        said = f"{place} is {found!s:.200}: allowed are the classes that fit was given, 0 to {classes - 1}"
        raise ConfigError(f"{said}, each once, in the order of the columns of predict_proba")
    return np.array(found, dtype=np.int64)


def _environment(package: str) -> dict[str, Any]:
    """Describes where models were made, with the version of the package that they are from, if it says one."""
    made = hdf5.describe_environment("cpu")
    if version := getattr(sys.modules[package], "__version__", None):
        made["versions"][package] = str(version)
    return made


def train_estimators(
    settings: TrainingSettings,
    seed: int,
    data: Path,
    missing: Sequence[int],
    place: Callable[[int, int], Models],
    attributes: dict[str, Any],
    receipt: Path,
) -> None:
    """Fits and queries models, and writes each to a file of its own when it is done.

    Args:
        settings: How they are made.
        seed: The run's seed.
        data: Prepared dataset.
        missing: Numbers of the models.
        place: Returns where models, the first and the last given, are to lie.
        attributes: What every file of the run's models says.
        receipt: Where it is told how far they are.
    """
    records, pace, architecture = Records.of(settings, data, seed), Pace(len(missing), receipt), settings.architecture
    samples, environment = len(records.pool.y), dict[str, Any]()
    for model in missing:
        begun, member = time.monotonic(), records.member[model]
        tested = (~member).sum() if records.test is None else len(records.test.y)
        pace.begin(f"model {model}", 1, 1, member.sum(), int(tested), samples)
        with memory_advice(1, "cpu"):
            found = fit(architecture, records, seed, model, pace)
        check_code(settings.code)  # again: it was imported after the job had begun
        loss, accuracy = (np.array([found.utility[f"train_{of}"]]) for of in ("loss", "accuracy"))
        lost = diverged(loss, accuracy, records.pool.classes, member.sum(keepdims=True))
        utility = found.utility | {"diverged": float(lost[0]), "retries": 0.0}
        environment = environment or _environment(str(architecture.estimator).split(".")[0])
        said = attributes | environment | {"first": model, "last": model, "seconds": time.monotonic() - begun}
        with hdf5.create(place(model, model).path, "shard", said) as file:
            hdf5.dataset(file, "member", data=member[None])
            phi = found.phi.astype(np.float32)[None, :, None]
            hdf5.dataset(file, "phi", data=phi, chunks=(1, min(samples, CHUNK), 1))
            for name, value in utility.items():
                hdf5.dataset(file, f"utility/{name}", data=np.array([value]))
            if settings.store_logits:
                with np.errstate(divide="ignore"):
                    logits = np.log(found.probabilities).astype(np.float32)[None, :, None]
                hdf5.dataset(file, "logits", data=logits, chunks=(1, min(samples, CHUNK), *logits.shape[2:]))
        shown = utility["test_accuracy"], 100 * utility["clipped"]
        log.info("model %d: test accuracy %.4f, %.3g %% of φ clipped", model, *shown)
