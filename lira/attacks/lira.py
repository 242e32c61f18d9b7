"""The five attacks: likelihood ratios under the shadow models (Carlini et al. 2022, as released with the paper).

For sample j and view a, IN and OUT are the scores of the shadow models that were trained with j and without j, in model
order and cut to the smallest such count over all samples. Their centre is the median, and their spread the population
standard deviation over models. A score is the mean over views of

==============  ===================================================================================
online          log N(phi; IN) - log N(phi; OUT)
online_fixed    the same with one spread for both, that of all IN scores of all samples and views
offline         -log N(phi; OUT), two-sided
offline_fixed   the same with one spread, that of all OUT scores
global          phi
==============  ===================================================================================

A higher score means that the sample is more likely a member.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.attacks.leave_one_out import SAMPLES_PER_TASK, cut_sizes, score_all, usable
from lira.attacks.order_statistics import SMALLEST_SPREAD
from lira.core.errors import ConfigError, DataError
from lira.core.plugins import code_digest, load_function
from lira.core.threads import cores
from lira.core.validation import (
    NONFINITE,
    ArrayLike,
    Nonfinite,
    allowed,
    check_array,
    check_booleans,
    check_choice,
    quoted,
)
from lira.shadows.plausible import check_phi
from lira.storage import hdf5
from lira.storage.run import read_asked

ATTACKS = ("online", "online_fixed", "offline", "offline_fixed", "global")
NEEDS_IN = ("online", "online_fixed")
FEW = 20  # samples, whose φ may all be from 0 to 1 by chance


@dataclass(frozen=True)
class Definition:
    """Details in which readings of the attacks differ; the defaults are those of the published code.

    Other definitions are computed target by target, which takes seconds per target instead of hundredths.

    Attributes:
        cut: Use as many IN (OUT) scores of each sample as the sample with the fewest has; False: use all.
        fixed_spread: ``"in"``: ``online_fixed`` uses the spread of the IN scores for OUT too; ``"own"``: each its own.
        offline: ``"two-sided"``: a score far below OUT also suggests a member; ``"one-sided"``: the distance to OUT
            in spreads, which ranks one view like 1 - Pr[Z > phi] but does not round to 1.
    """

    cut: bool = True
    fixed_spread: Literal["in", "own"] = "in"
    offline: Literal["two-sided", "one-sided"] = "two-sided"

    def __post_init__(self):
        """Checks each value."""
        if not isinstance(self.cut, bool):
            raise ConfigError(f"cut is {quoted(self.cut)}: {allowed([True, False])}")
        check_choice(self.fixed_spread, "fixed_spread", ("in", "own"))
        check_choice(self.offline, "offline", ("two-sided", "one-sided"))


PUBLISHED = Definition()


def leave_one_out(
    phi: Annotated[ArrayLike, "model sample view"],
    member: Annotated[ArrayLike, "model sample"],
    attacks: str | Sequence[str] = ATTACKS,
    *,
    definition: Definition = PUBLISHED,
    nonfinite: Nonfinite = "error",
) -> dict[str, Float[np.ndarray, "model sample"]]:
    """Attacks every model once, with all others as its shadow models.

    Args:
        phi: Scaled logits; without an axis of views, of one view.
        member: True where the sample trained the model.
        attacks: Names from :data:`ATTACKS`, or a single one.
        definition: Which reading of the attacks to use.
        nonfinite: ``"error"``, or ``"official"`` to treat NaN, infinite and missing scores as the published code does.

    Returns:
        Scores of each attack, a row per target, float64.

    Raises:
        DataError: Shapes do not match, phi is not finite, membership is neither 0 nor 1, or a sample lacks IN or OUT
            scores.
        ConfigError: The attack, definition or ``nonfinite`` is unknown.
    """
    phi, member, attacks = _check_arguments(phi, member, attacks, definition, nonfinite)
    scores = {attack: np.empty(member.shape) for attack in attacks}
    if nonfinite == "official" and (_lacking(member, attacks) or not usable(phi).all()):
        _each_held_out(phi, member, scores, definition, nonfinite)
    else:
        _leave_one_out(phi, member, scores, definition)
    return scores


def held_out(
    phi: Annotated[ArrayLike, "model sample view"],
    member: Annotated[ArrayLike, "model sample"],
    targets: Annotated[ArrayLike, "target"],
    attacks: str | Sequence[str] = ATTACKS,
    *,
    definition: Definition = PUBLISHED,
    nonfinite: Nonfinite = "error",
) -> dict[str, Float[np.ndarray, "target sample"]]:
    """Attacks some models, with all models that are not attacked as their shadow models.

    Arguments, scores and errors are those of :func:`leave_one_out`, with a row for each of ``targets`` only.

    Args:
        targets: Indices of the attacked models, each once, or a single one; or a truth value for each model. Other
            values raise a DataError.
    """
    phi, member, attacks = _check_arguments(phi, member, attacks, definition, nonfinite)
    if nonfinite == "error":
        _check_usable(usable(phi))
    attacked = _check_targets(targets, len(phi))
    shadows = np.setdiff1d(np.arange(len(phi)), attacked)
    x, sides = phi[attacked].astype(np.float64), _sides(member, attacks)
    with np.errstate(invalid="ignore", over="ignore"):
        fits = {name: _fit(phi, side, shadows, definition, nonfinite, name) for name, side in sides.items()}
        return {attack: _score(attack, x, fits, definition).mean(axis=2) for attack in attacks}


def score_file(
    shadows: Path | str,
    output: Path | str,
    *,
    definition: Definition = PUBLISHED,
    member: Bool[np.ndarray, "model sample"] | None = None,
    own: Mapping[str, str] | None = None,
) -> None:
    """Reads a run's ``shadows.h5`` and writes its leave-one-out scores to ``scores.h5``.

    Args:
        shadows: File of encoding ``shadows``, with ``phi`` and ``member``.
        output: File of encoding ``scores``; it gets the attributes of ``shadows``.
        definition: Which reading of the attacks to use.
        member: Membership to use instead of the file's own, as in a null world.
        own: Further attacks by name, as ``package.module:function``. The function takes ``phi [model, sample, view]``
            and ``member [model, sample]`` and returns a score for each model and sample, higher for a member.

    Raises:
        StoreError: ``shadows`` is missing, damaged or of another kind.
        DataError: As :func:`leave_one_out`; or an attack in ``own`` returns another shape, or NaN.
        ConfigError: An attack in ``own`` cannot be imported.
    """
    with read_asked(shadows, "shadows") as source:
        member = source["member"][:] if member is None else member
        if source["phi"].ndim != 3 or source["phi"].shape[:2] != member.shape or member.dtype != bool:
            raise DataError(
                f"{shadows}: phi {source['phi'].shape} must be [models, samples, views] and member {member.shape}, "
                f"{member.dtype}, [models, samples] of truth values"
            )
        attributes = {key: value for key, value in hdf5.attributes(source).items() if not key.startswith("encoding-")}
        codes = {name: code_digest(function) for name, function in (own or {}).items()}
        loaded = {name: load_function(function, codes[name]) for name, function in (own or {}).items()}
        with hdf5.create(output, "scores", attributes | {"definition": asdict(definition), "own": codes}) as file:
            hdf5.dataset(file, "member", data=member)
            chunks = (len(member), min(SAMPLES_PER_TASK, member.shape[1])) if member.size else True  # one per task
            scores = {name: hdf5.dataset(file, name, member.shape, np.float64, chunks=chunks) for name in ATTACKS}
            try:
                _leave_one_out(source["phi"], member, scores, definition)
            except DataError as error:
                raise DataError(f"{shadows}: {error}") from error
            for name, function in (own or {}).items():
                given = loaded[name](source["phi"][:], member.copy())
                hdf5.dataset(file, name, data=_own_scores(function, given, member))


def _own_scores(function: str, given: Any, member: np.ndarray) -> np.ndarray:
    needed = f"{function} must return a score, not NaN, of each of {member.shape} models and samples"
    try:
        scores = check_array(given, "what it returned")
    except DataError as error:
        raise DataError(f"{needed}: {error}") from error
    if scores.shape != member.shape or np.isnan(scores).any():
        raise DataError(needed)
    return scores.astype(np.float64)


def _leave_one_out(phi: Any, member: np.ndarray, scores: Mapping, definition: Definition) -> None:
    if lacking := _lacking(member, scores):
        raise DataError(lacking)
    if definition == PUBLISHED:
        _check_usable(score_all(phi, member, scores))
    else:
        rows = {attack: np.empty(member.shape) for attack in scores}  # a file has its chunks across all targets
        _each_held_out(phi[:], member, rows, definition, "error")
        for attack, values in rows.items():
            scores[attack][:] = values


def _each_held_out(
    phi: np.ndarray, member: np.ndarray, scores: Mapping, definition: Definition, nonfinite: Nonfinite
) -> None:
    def attack(target: int) -> None:
        rows = held_out(phi, member, [target], list(scores), definition=definition, nonfinite=nonfinite)
        for name, row in rows.items():
            scores[name][target] = row[0]

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(attack, range(len(member))))


def _lacking(member: np.ndarray, attacks: Collection[str]) -> str:
    """Says which sample lacks scores under which target; returns an empty text if none does."""
    for name, side in _sides(member, attacks).items():
        if side.size and not (cuts := cut_sizes(side)).all():
            target = int(cuts.argmin())
            sample = int((side.sum(axis=0) - side[target]).argmin())
            return _without_score(sample, name, f"when model {target} is the target")
    return ""


def _sides(member: np.ndarray, attacks: Collection[str]) -> dict[str, Bool[np.ndarray, "model sample"]]:
    """Returns which models hold each sample (IN) and which do not (OUT), as far as the attacks use them."""
    held = {"IN": member} if set(attacks) & set(NEEDS_IN) else {}
    return held | ({"OUT": ~member} if set(attacks) - {"global"} else {})


def _without_score(sample: int, side: str, situation: str) -> str:
    return (
        f"sample {sample} has no {side} score {situation}: train more models, leave the sample out, "
        "or choose attacks that do not need it"
    )


class _Fit(NamedTuple):
    """Normal distributions of one side's scores: centre and spread ``[sample, view]``, and one spread for all."""

    centre: np.ndarray
    spread: np.ndarray
    pooled: float


def _fit(
    phi: np.ndarray, side: np.ndarray, shadows: np.ndarray, definition: Definition, nonfinite: Nonfinite, name: str
) -> _Fit:
    held = side[shadows]
    counts = held.sum(axis=0)
    if counts.size and counts.min() == 0:
        if nonfinite == "error":
            raise DataError(_without_score(int(counts.argmin()), name, f"among the {len(shadows)} shadow models"))
        nothing = np.full(phi.shape[1:], np.nan)
        return _Fit(nothing, nothing, np.nan)
    if definition.cut:
        counts[:] = counts.min(initial=len(shadows))
    models = shadows[np.argsort(~held, axis=0, kind="stable")]
    centre, spread = np.empty(phi.shape[1:]), np.empty(phi.shape[1:])
    origin, moments = np.float64(phi[models[0, 0], 0, 0]) if models.size else 0.0, np.zeros(2)
    for start in range(0, phi.shape[1], SAMPLES_PER_TASK):
        for count in np.unique(counts[start : start + SAMPLES_PER_TASK]):
            samples = start + np.flatnonzero(counts[start : start + SAMPLES_PER_TASK] == count)
            values = phi[models[:count, samples], samples].astype(np.float64)
            centre[samples] = np.median(values, axis=0)
            spread[samples] = (values - centre[samples]).std(axis=0)  # equal values must have no spread at all
            moments += (values - origin).sum(), np.square(values - origin).sum()
    mean, mean_square = moments / max(counts.sum() * phi.shape[2], 1)
    return _Fit(centre, spread, np.sqrt(np.maximum(mean_square - mean**2, 0)))


def _score(attack: str, x: np.ndarray, fits: Mapping[str, _Fit], definition: Definition) -> np.ndarray:
    if attack == "global":
        return x
    out = fits["OUT"]
    if attack in NEEDS_IN:
        held = fits["IN"]
        if attack == "online":
            return _log_density(x, held.centre, held.spread) - _log_density(x, out.centre, out.spread)
        spread_out = held.pooled if definition.fixed_spread == "in" else out.pooled
        return _log_density(x, held.centre, held.pooled) - _log_density(x, out.centre, spread_out)
    spread = out.spread if attack == "offline" else out.pooled
    if definition.offline == "one-sided":
        return (x - out.centre) / (spread + SMALLEST_SPREAD)
    return -_log_density(x, out.centre, spread)


def _log_density(x: np.ndarray, centre: np.ndarray, spread: np.ndarray | float) -> np.ndarray:
    spread = spread + SMALLEST_SPREAD
    return -(((x - centre) / spread) ** 2) / 2 - np.log(spread) - np.log(2 * np.pi) / 2


def _check_arguments(
    phi: ArrayLike, member: ArrayLike, attacks: str | Sequence[str], definition: Definition, nonfinite: Nonfinite
) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    given = attacks
    attacks = [attacks] if isinstance(attacks, str) else list(attacks) if isinstance(attacks, Iterable) else []
    if not attacks:
        raise ConfigError(f"attacks are {quoted(given)}: one or more are needed, {allowed(ATTACKS)}")
    for attack in attacks:
        check_choice(attack, "attack", ATTACKS)
    if not isinstance(definition, Definition):
        raise ConfigError(f"definition is {quoted(definition)}: allowed is a Definition")
    check_choice(nonfinite, "nonfinite", NONFINITE)
    phi, member = check_array(phi, "phi"), check_booleans(member, "member")
    phi = phi.astype(np.float64, copy=False) if phi.dtype.itemsize > 8 else phi
    phi = phi[..., np.newaxis] if phi.ndim == 2 else phi
    if phi.ndim != 3 or member.shape != phi.shape[:2]:
        raise DataError(f"phi {phi.shape} must be [models, samples, views] and member {member.shape} [models, samples]")
    for size, of in zip(phi.shape[::2], ("models", "views"), strict=True):
        if not size:
            raise DataError(f"phi {phi.shape} has no {of}: at least one is needed")
    if phi.shape[1] > FEW:
        check_phi(float(np.fmin.reduce(phi, axis=None)), float(np.fmax.reduce(phi, axis=None)), "phi")
    return phi, member, attacks


def _check_targets(targets: ArrayLike, models: int) -> Int[np.ndarray, " target"]:
    """Returns the indices of the attacked models."""
    may = f"allowed are model indices from 0 to {models - 1}, or {models} truth values, at least one true"
    try:
        given = np.atleast_1d(np.asarray(targets.detach() if hasattr(targets, "detach") else targets))
    except (ValueError, TypeError, RuntimeError):  # rows of different lengths, or an array on a GPU
        raise DataError(f"targets are {quoted(targets)}: {may}") from None
    said = f"targets are {quoted(given.tolist())}"
    if given.dtype == bool and given.shape == (models,):
        given = np.flatnonzero(given)
    if np.ma.is_masked(targets):
        raise DataError(f"targets are {quoted(targets)}: they have masked values, {may}")
    if (
        given.dtype.kind not in "iufO"
        or given.ndim != 1
        or not np.isin(given, np.arange(models)).all()
        or not len(given)
    ):
        raise DataError(f"{said}: {may}")
    if len(np.unique(given)) < len(given):
        raise DataError(f"{said}: allowed is each model once; a mask is {models} truth values")
    return given.astype(np.int64)


def _check_usable(usable_models: Bool[np.ndarray, " model"]) -> None:
    if not usable_models.all():
        bad = ", ".join(str(model) for model in np.flatnonzero(~usable_models))
        raise DataError(
            f"phi of model {bad} has NaN, infinite or huge values, as after a diverged training: "
            "retrain or leave out the model, or pass nonfinite='official'"
        )
