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

Higher means more likely a member.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lira import store
from lira.errors import ConfigError, DataError

ATTACKS = ("online", "online_fixed", "offline", "offline_fixed", "global")
NEEDS_IN = ("online", "online_fixed")
SMALLEST_SPREAD = 1e-30
Nonfinite = Literal["error", "official"]


def leave_one_out(
    phi: Float[np.ndarray, "model sample view"],
    member: Bool[np.ndarray, "model sample"],
    attacks: Sequence[str] = ATTACKS,
    *,
    nonfinite: Nonfinite = "error",
) -> dict[str, Float[np.ndarray, "model sample"]]:
    """Attacks every model once, with all others as its shadow models.

    Args:
        phi: scaled logits.
        member: True where the sample trained the model.
        attacks: names from :data:`ATTACKS`.
        nonfinite: ``"error"``; or ``"official"`` to let NaN, infinite and missing scores spread as in the published
            code.

    Returns:
        Scores of each attack, a row per target, float64.

    Raises:
        DataError: shapes that do not match, non-finite phi, or a sample without an IN or OUT score.
        ConfigError: an unknown attack.
    """
    rows = [held_out(phi, member, [target], attacks, nonfinite=nonfinite) for target in range(len(member))]
    return {attack: np.concatenate([row[attack] for row in rows]) for attack in attacks}


def held_out(
    phi: Float[np.ndarray, "model sample view"],
    member: Bool[np.ndarray, "model sample"],
    targets: Sequence[int],
    attacks: Sequence[str] = ATTACKS,
    *,
    nonfinite: Nonfinite = "error",
) -> dict[str, Float[np.ndarray, "target sample"]]:
    """Attacks some models with all the others as their shadow models.

    Args:
        phi: scaled logits.
        member: True where the sample trained the model.
        targets: indices of the attacked models.
        attacks: names from :data:`ATTACKS`.
        nonfinite: as in :func:`leave_one_out`.

    Returns:
        Scores of each attack, a row per target, float64.

    Raises:
        DataError, ConfigError: as :func:`leave_one_out`, or targets that are not model indices.
    """
    phi, member = _checked(phi, member, attacks, nonfinite)
    targets = np.asarray(targets, dtype=np.int64)
    if targets.ndim != 1 or not np.isin(targets, np.arange(len(phi))).all():
        raise DataError(f"targets are {targets.tolist()}: allowed are model indices from 0 to {len(phi) - 1}")
    shadows = np.setdiff1d(np.arange(len(phi)), targets)
    x = phi[targets].astype(np.float64)
    scores = {}
    with np.errstate(invalid="ignore", over="ignore"):
        if set(attacks) - {"global"}:
            out = _fit(phi, ~member, shadows, nonfinite, "OUT")
            scores["offline"] = lambda: -_log_density(x, out.centre, out.spread)
            scores["offline_fixed"] = lambda: -_log_density(x, out.centre, out.pooled)
        if set(attacks) & set(NEEDS_IN):
            held = _fit(phi, member, shadows, nonfinite, "IN")
            scores["online"] = lambda: _log_density(x, held.centre, held.spread) + scores["offline"]()
            scores["online_fixed"] = lambda: (
                _log_density(x, held.centre, held.pooled) - _log_density(x, out.centre, held.pooled)
            )
        scores["global"] = lambda: x
        return {attack: scores[attack]().mean(axis=2) for attack in attacks}


def score_file(shadows: Path | str, output: Path | str, attacks: Sequence[str] = ATTACKS) -> None:
    """Writes the leave-one-out scores of a run: ``shadows.h5`` to ``scores.h5``.

    Args:
        shadows: file of encoding ``shadows``, with ``phi`` and ``member``.
        output: file of encoding ``scores``; it gets the attributes of ``shadows``.
        attacks: names from :data:`ATTACKS`.

    Raises:
        StoreError: ``shadows`` is missing, damaged or of another kind.
        DataError: as :func:`leave_one_out`, with the path.
    """
    with store.read(shadows, "shadows") as source:
        phi, member, attributes = source["phi"][:], source["member"][:], dict(source.attrs)
    try:
        scores = leave_one_out(phi, member, attacks)
    except DataError as error:
        raise DataError(f"{shadows}: {error}") from error
    with store.create(output, "scores", {k: v for k, v in attributes.items() if not k.startswith("encoding-")}) as file:
        file["member"] = member
        for attack, values in scores.items():
            file[attack] = values


class _Fit(NamedTuple):
    """Normal distributions of one side's scores: centre and spread ``[sample, view]``, and one spread for all."""

    centre: np.ndarray
    spread: np.ndarray
    pooled: float


def _fit(phi: np.ndarray, side: np.ndarray, shadows: np.ndarray, nonfinite: Nonfinite, name: str) -> _Fit:
    held = side[shadows]
    counts = held.sum(axis=0)
    smallest = counts.min(initial=len(shadows))
    if smallest == 0:
        if nonfinite == "error":
            raise DataError(
                f"sample {counts.argmin()} has no {name} score among the {len(shadows)} shadow models: "
                "train more models, leave the sample out, or choose attacks that do not need it"
            )
        nothing = np.full(phi.shape[1:], np.nan)
        return _Fit(nothing, nothing, np.nan)
    models = shadows[np.argsort(~held, axis=0, kind="stable")[:smallest]]
    values = np.take_along_axis(phi, models[:, :, None], axis=0).astype(np.float64)
    return _Fit(np.median(values, axis=0), values.std(axis=0), values.std())


def _log_density(x: np.ndarray, centre: np.ndarray, spread) -> np.ndarray:
    spread = spread + SMALLEST_SPREAD
    return -(((x - centre) / spread) ** 2) / 2 - np.log(spread) - np.log(2 * np.pi) / 2


def _checked(phi, member, attacks: Sequence[str], nonfinite: Nonfinite) -> tuple[np.ndarray, np.ndarray]:
    if unknown := [attack for attack in attacks if attack not in ATTACKS]:
        raise ConfigError(f"attack {unknown[0]!r} is unknown: allowed are {', '.join(ATTACKS)}")
    if nonfinite not in ("error", "official"):
        raise ConfigError(f"nonfinite is {nonfinite!r}: allowed are 'error' and 'official'")
    phi, member = np.asarray(phi), np.asarray(member, dtype=bool)
    if phi.ndim != 3 or member.shape != phi.shape[:2]:
        raise DataError(f"phi {phi.shape} must be [models, samples, views] and member {member.shape} [models, samples]")
    if nonfinite == "error":
        _refuse_nonfinite(np.isfinite(phi).all(axis=(1, 2)))
    return phi, member


def _refuse_nonfinite(finite: Bool[np.ndarray, " model"]) -> None:
    if not finite.all():
        bad = ", ".join(str(model) for model in np.flatnonzero(~finite))
        raise DataError(
            f"phi of model {bad} has NaN or infinite values, as after a diverged training: "
            "retrain or leave out the model, or pass nonfinite='official'"
        )
