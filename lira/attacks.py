"""The five attacks: likelihood ratios under the shadow models (paper, section 4; Carlini et al. 2022).

For sample j and view a, IN and OUT are the scores of the shadow models that do and do not hold j, in model order and
cut to the smallest such count over all samples. Their centre is the median and their spread the population standard
deviation over models. A score is the mean over views of

==============  ===================================================================================
online          log N(phi; IN) - log N(phi; OUT)
online_fixed    the same with one spread for both, that of all IN scores of all samples and views
offline         -log N(phi; OUT), two-sided
offline_fixed   the same with one spread, that of all OUT scores
global          phi
==============  ===================================================================================

Higher means more likely a member. One-sided, the offline attacks score log P(a draw from N(OUT) < phi) instead, as in
Carlini et al.: a score far below the OUT centre is then no sign of membership.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_ndtr

from lira import store
from lira.blocks import SAMPLES_PER_TASK, cut_sizes, score_all, usable
from lira.cores import cores
from lira.errors import ConfigError, DataError
from lira.exclusion import SMALLEST_SPREAD

ATTACKS = ("online", "online_fixed", "offline", "offline_fixed", "global")
NEEDS_IN = ("online", "online_fixed")
OFFLINE = ("offline", "offline_fixed")
Nonfinite = Literal["error", "official"]
Sides = Literal["two-sided", "one-sided"]


def leave_one_out(
    phi: Float[np.ndarray, "model sample view"],
    member: Bool[np.ndarray, "model sample"],
    attacks: Sequence[str] = ATTACKS,
    *,
    nonfinite: Nonfinite = "error",
    offline: Sides = "two-sided",
) -> dict[str, Float[np.ndarray, "model sample"]]:
    """Attacks every model once, with all others as its shadow models.

    Args:
        phi: scaled logits.
        member: True where the sample trained the model.
        attacks: names from :data:`ATTACKS`.
        nonfinite: ``"error"``; or ``"official"`` to let NaN, infinite and missing scores spread as in the published
            code.
        offline: ``"two-sided"`` or ``"one-sided"``.

    Returns:
        Scores of each attack, a row per target, float64.

    Raises:
        DataError: shapes that do not match, non-finite phi, or a sample without an IN or OUT score.
        ConfigError: an unknown attack.
    """
    phi, member = _checked(phi, member, attacks, nonfinite, offline)
    scores = {attack: np.empty(member.shape) for attack in attacks}
    if nonfinite == "official" and (_lacking(member, attacks) or not usable(phi).all()):
        for target in range(len(member)):
            for attack, row in held_out(phi, member, [target], attacks, nonfinite=nonfinite, offline=offline).items():
                scores[attack][target] = row[0]
        return scores
    _leave_one_out(phi, member, scores, offline)
    return scores


def held_out(
    phi: Float[np.ndarray, "model sample view"],
    member: Bool[np.ndarray, "model sample"],
    targets: Sequence[int],
    attacks: Sequence[str] = ATTACKS,
    *,
    nonfinite: Nonfinite = "error",
    offline: Sides = "two-sided",
) -> dict[str, Float[np.ndarray, "target sample"]]:
    """Attacks some models with all the others as their shadow models.

    Args:
        phi: scaled logits.
        member: True where the sample trained the model.
        targets: indices of the attacked models.
        attacks: names from :data:`ATTACKS`.
        nonfinite: as in :func:`leave_one_out`.
        offline: as in :func:`leave_one_out`.

    Returns:
        Scores of each attack, a row per target, float64.

    Raises:
        DataError, ConfigError: as :func:`leave_one_out`, or targets that are not model indices.
    """
    phi, member = _checked(phi, member, attacks, nonfinite, offline)
    if nonfinite == "error":
        _refuse_unusable(usable(phi))
    targets = np.asarray(targets, dtype=np.int64)
    if targets.ndim != 1 or not np.isin(targets, np.arange(len(phi))).all():
        raise DataError(f"targets are {targets.tolist()}: allowed are model indices from 0 to {len(phi) - 1}")
    shadows = np.setdiff1d(np.arange(len(phi)), targets)
    x = phi[targets].astype(np.float64)
    scores = {}
    surprise = {"two-sided": _surprise, "one-sided": _log_below}[offline]
    with np.errstate(invalid="ignore", over="ignore"):
        if set(attacks) - {"global"}:
            out = _fit(phi, ~member, shadows, nonfinite, "OUT")
            scores["offline"] = lambda: surprise(x, out.centre, out.spread)
            scores["offline_fixed"] = lambda: surprise(x, out.centre, out.pooled)
        if set(attacks) & set(NEEDS_IN):
            held = _fit(phi, member, shadows, nonfinite, "IN")
            scores["online"] = lambda: (
                _log_density(x, held.centre, held.spread) - _log_density(x, out.centre, out.spread)
            )
            scores["online_fixed"] = lambda: (
                _log_density(x, held.centre, held.pooled) - _log_density(x, out.centre, held.pooled)
            )
        scores["global"] = lambda: x
        return {attack: scores[attack]().mean(axis=2) for attack in attacks}


def score_file(
    shadows: Path | str, output: Path | str, attacks: Sequence[str] = ATTACKS, offline: Sides = "two-sided"
) -> None:
    """Writes the leave-one-out scores of a run: ``shadows.h5`` to ``scores.h5``.

    Args:
        shadows: file of encoding ``shadows``, with ``phi`` and ``member``.
        output: file of encoding ``scores``; it gets the attributes of ``shadows``.
        attacks: names from :data:`ATTACKS`.
        offline: as in :func:`leave_one_out`; recorded in the file.

    Raises:
        StoreError: ``shadows`` is missing, damaged or of another kind.
        DataError: as :func:`leave_one_out`, with the path.
    """
    with store.read(shadows, "shadows") as source:
        member = source["member"][:]
        attributes = {key: value for key, value in source.attrs.items() if not key.startswith("encoding-")}
        with store.create(output, "scores", attributes | {"offline": offline}) as file:
            file["member"] = member
            chunks = (len(member), min(SAMPLES_PER_TASK, member.shape[1])) if member.size else None  # one per task
            scores = {
                attack: file.create_dataset(attack, member.shape, np.float64, chunks=chunks) for attack in attacks
            }
            try:
                _leave_one_out(source["phi"], member, scores, offline)
            except DataError as error:
                raise DataError(f"{shadows}: {error}") from error


def _leave_one_out(phi, member: np.ndarray, scores: Mapping, offline: Sides) -> None:
    if lacking := _lacking(member, scores):
        raise DataError(lacking)
    one_sided = [attack for attack in OFFLINE if attack in scores and offline == "one-sided"]
    _refuse_unusable(score_all(phi, member, {name: into for name, into in scores.items() if name not in one_sided}))
    if not one_sided:
        return
    values = phi[:]  # target by target: the tail of a normal distribution is no sum that leaves one value out
    _refuse_unusable(usable(values))

    def attack(target: int) -> np.ndarray:
        x, shadows = values[target].astype(np.float64), np.delete(np.arange(len(values)), target)
        out = _fit(values, ~member, shadows, "error", "OUT")
        spreads = {"offline": out.spread, "offline_fixed": out.pooled}
        return np.stack([_log_below(x, out.centre, spreads[name]).mean(axis=1) for name in one_sided])

    with ThreadPoolExecutor(cores()) as pool:
        rows = np.stack(list(pool.map(attack, range(len(values)))), axis=1)
    for name, found in zip(one_sided, rows, strict=True):
        scores[name][:] = found


def _lacking(member: np.ndarray, attacks: Collection[str]) -> str:
    """What keeps some target from being attacked, or nothing."""
    for side, name, needed in ((member, "IN", set(NEEDS_IN)), (~member, "OUT", {*ATTACKS} - {"global"})):
        cuts = cut_sizes(side) if needed & set(attacks) and side.size else np.ones(1)
        if not cuts.all():
            target = int(cuts.argmin())
            sample = int((side.sum(axis=0) - side[target]).argmin())
            return _without_score(sample, name, f"when model {target} is the target")
    return ""


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


def _fit(phi: np.ndarray, side: np.ndarray, shadows: np.ndarray, nonfinite: Nonfinite, name: str) -> _Fit:
    held = side[shadows]
    counts = held.sum(axis=0)
    smallest = counts.min(initial=len(shadows))
    if smallest == 0 and counts.size:
        if nonfinite == "error":
            raise DataError(_without_score(counts.argmin(), name, f"among the {len(shadows)} shadow models"))
        nothing = np.full(phi.shape[1:], np.nan)
        return _Fit(nothing, nothing, np.nan)
    models = shadows[np.argsort(~held, axis=0, kind="stable")[:smallest]]
    centre, spread = np.empty(phi.shape[1:]), np.empty(phi.shape[1:])
    origin, moments = np.float64(phi[models[0, 0], 0, 0]) if models.size else 0.0, np.zeros(2)
    for start in range(0, phi.shape[1], SAMPLES_PER_TASK):
        block = slice(start, start + SAMPLES_PER_TASK)
        values = np.take_along_axis(phi[:, block], models[:, block, None], axis=0).astype(np.float64)
        centre[block] = np.median(values, axis=0)
        spread[block] = (values - centre[block]).std(axis=0)  # equal values must have no spread at all
        moments += (values - origin).sum(), np.square(values - origin).sum()
    mean, mean_square = moments / max(models.size * phi.shape[2], 1)
    return _Fit(centre, spread, np.sqrt(np.maximum(mean_square - mean**2, 0)))


def _surprise(x: np.ndarray, centre: np.ndarray, spread) -> np.ndarray:
    return -_log_density(x, centre, spread)


def _log_below(x: np.ndarray, centre: np.ndarray, spread) -> np.ndarray:
    return log_ndtr((x - centre) / (spread + SMALLEST_SPREAD))


def _log_density(x: np.ndarray, centre: np.ndarray, spread) -> np.ndarray:
    spread = spread + SMALLEST_SPREAD
    return -(((x - centre) / spread) ** 2) / 2 - np.log(spread) - np.log(2 * np.pi) / 2


def _checked(
    phi, member, attacks: Sequence[str], nonfinite: Nonfinite, offline: Sides
) -> tuple[np.ndarray, np.ndarray]:
    if unknown := [attack for attack in attacks if attack not in ATTACKS]:
        raise ConfigError(f"attack {unknown[0]!r} is unknown: allowed are {', '.join(ATTACKS)}")
    if nonfinite not in ("error", "official"):
        raise ConfigError(f"nonfinite is {nonfinite!r}: allowed are 'error' and 'official'")
    if offline not in ("two-sided", "one-sided"):
        raise ConfigError(f"offline is {offline!r}: allowed are 'two-sided' and 'one-sided'")
    phi, member = np.asarray(phi), np.asarray(member, dtype=bool)
    if phi.ndim != 3 or member.shape != phi.shape[:2]:
        raise DataError(f"phi {phi.shape} must be [models, samples, views] and member {member.shape} [models, samples]")
    if not phi.shape[2]:
        raise DataError(f"phi {phi.shape} has no views: at least one is needed")
    return phi, member


def _refuse_unusable(usable_models: Bool[np.ndarray, " model"]) -> None:
    if not usable_models.all():
        bad = ", ".join(str(model) for model in np.flatnonzero(~usable_models))
        raise DataError(
            f"phi of model {bad} has NaN, infinite or huge values, as after a diverged training: "
            "retrain or leave out the model, or pass nonfinite='official'"
        )
