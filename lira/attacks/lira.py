"""Scores of every sample for every target, by the attacks of :mod:`lira.attacks.registry`.

``leave_one_out`` attacks each model with all others as its shadow models, ``held_out`` some models with the rest, and
``score_file`` does either from file to file. A higher score means that the sample is more likely a member.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.attacks.block import IN, OUT, SAMPLES_PER_TASK, Attack, Reader, usable
from lira.attacks.definition import PUBLISHED as PUBLISHED
from lira.attacks.definition import UNCUT
from lira.attacks.definition import Definition as Definition
from lira.attacks.leave_one_out import score_all
from lira.attacks.likelihood import Split, score_splits
from lira.attacks.own import OwnAttacks
from lira.attacks.registry import ATTACKS as REGISTRY
from lira.attacks.streaming import Reads, score_each
from lira.config.catalogue import PAPER_ATTACKS
from lira.core.errors import ConfigError, DataError
from lira.core.validation import (
    NONFINITE,
    OR_OFFICIAL,
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
from lira.storage.run import MUCH, cut_sizes, read_asked, thrown_away

ATTACKS = PAPER_ATTACKS
FEW = 20  # samples, whose φ may all be from 0 to 1 by chance
log = logging.getLogger(__name__)


def leave_one_out(
    phi: Annotated[ArrayLike, "model sample view"],
    member: Annotated[ArrayLike, "model sample"],
    attacks: str | Sequence[str] = ATTACKS,
    *,
    definition: Definition = UNCUT,
    nonfinite: Nonfinite = "error",
) -> dict[str, Float[np.ndarray, "model sample"]]:
    """Attacks every model once, with all others as its shadow models.

    Args:
        phi: Scaled logits; without an axis of views, of one view.
        member: True where the sample trained the model.
        attacks: Names from :data:`lira.attacks.registry.ATTACKS`, or a single one; by default the paper's five.
        definition: Which reading of the attacks to use.
        nonfinite: ``"error"``, or ``"official"`` to treat NaN, infinite and missing scores as the published code does.

    Returns:
        Scores of each attack, a row per target, float64.

    Raises:
        DataError: Shapes do not match, phi is not finite, membership is neither 0 nor 1, or a sample lacks IN or OUT
            scores.
        ConfigError: The attack, definition or ``nonfinite`` is unknown.
    """
    phi, member, attacks = check_arguments(phi, member, attacks, definition, nonfinite)
    scores = {attack: np.empty(member.shape) for attack in attacks}
    score_leave_one_out(phi, member, scores, definition, nonfinite, OR_OFFICIAL)
    return scores


def held_out(
    phi: Annotated[ArrayLike, "model sample view"],
    member: Annotated[ArrayLike, "model sample"],
    targets: Annotated[ArrayLike, "target"],
    attacks: str | Sequence[str] = ATTACKS,
    *,
    definition: Definition = UNCUT,
    nonfinite: Nonfinite = "error",
) -> dict[str, Float[np.ndarray, "target sample"]]:
    """Attacks some models, with all models that are not attacked as their shadow models.

    Arguments, scores and errors are those of :func:`leave_one_out`, with a row for each of ``targets`` only.

    Args:
        targets: Indices of the attacked models, each once, or a single one; or a truth value for each model. Other
            values raise a DataError.
    """
    phi, member, attacks = check_arguments(phi, member, attacks, definition, nonfinite)
    attacked = _check_targets(targets, len(phi))
    scores = {attack: np.empty((len(attacked), phi.shape[1])) for attack in attacks}
    if nonfinite == "error":
        _check_usable(usable(phi), OR_OFFICIAL)
        shadows = np.setdiff1d(np.arange(len(phi)), attacked)
        if missing := next(filter(None, (lacking(member, shadows, name, partial=True) for name in attacks)), ""):
            raise DataError(missing)
    score_held_out(Reader(phi), member, attacked, scores, definition)
    return scores


def score_held_out(
    reader: Reads,
    member: Bool[np.ndarray, "model sample"],
    targets: Int[np.ndarray, " target"],
    scores: Mapping[str, Any],
    definition: Definition,
) -> None:
    """Fills ``scores`` as :func:`held_out` returns them, block by block; nothing is checked."""
    paper, others = _by_kind(scores)
    if paper:
        split = Split.of(targets, member, _sides(paper), definition.cut)
        score_splits(reader, member, [split], paper, definition, scores)
    if others:
        score_each(reader, member, others, scores, definition, targets)


def score_file(
    shadows: Path | str,
    output: Path | str,
    *,
    attacks: Sequence[str] = ATTACKS,
    definition: Definition = PUBLISHED,
    member: Bool[np.ndarray, "model sample"] | None = None,
    own: Mapping[str, str] | None = None,
    targets: Sequence[int] | None = None,
) -> None:
    """Reads a run's ``shadows.h5`` and writes its leave-one-out scores to ``scores.h5``, or those of held-out targets.

    Attacks that need IN or OUT scores which a sample lacks are left out: the log and the attribute ``not_scored`` say
    why.

    Args:
        shadows: File of encoding ``shadows``, with ``phi`` and ``member``.
        output: File of encoding ``scores``; it gets the attributes of ``shadows``.
        attacks: Names of the suite's attacks.
        definition: Which reading of the attacks to use; by default that of both protocols.
        member: Membership to use instead of the file's own, as in a null world.
        own: Further attacks by name, as ``package.module:function``. The function takes ``phi [model, sample, view]``
            and ``member [model, sample]`` and returns a score for each model and sample, higher for a member.
        targets: Models to attack with all others as shadow models; the file then has their rows alone, in this order,
            and says so in its attribute ``targets``. By default each model, with all others.

    Raises:
        StoreError: ``shadows`` is missing, damaged or of another kind.
        DataError: phi is not finite; no attack can be scored; or an attack in ``own`` returns another shape, or NaN.
        ConfigError: An attack in ``own`` cannot be imported.
    """
    with read_asked(shadows, "shadows") as source:
        member = _checked_member(shadows, source["phi"], source["member"][:] if member is None else member)
        functions, attacked = OwnAttacks(own or {}), None if targets is None else _check_targets(targets, len(member))
        missing = not_scored(member, attacks, attacked)
        if missing and not {*attacks} - {*missing, "global"} and not functions.codes:
            raise DataError(f"{shadows}: {next(iter(missing.values()))}")
        attributes = {key: value for key, value in hdf5.attributes(source).items() if not key.startswith("encoding-")}
        attributes |= {"definition": definition.attributes(), "own": functions.codes}
        attributes |= _remarks(member, attacks, definition, missing, attacked)
        with hdf5.create(output, "scores", attributes) as file:
            rows = member if attacked is None else member[attacked]
            hdf5.dataset(file, "member", data=rows)
            chunks = (len(rows), min(SAMPLES_PER_TASK, rows.shape[1])) if rows.size else True  # one per task
            chosen = [name for name in attacks if name not in missing]
            scores = {name: hdf5.dataset(file, name, rows.shape, np.float64, chunks=chunks) for name in chosen}
            try:
                if attacked is None:
                    score_leave_one_out(source["phi"], member, scores, definition, "error")
                else:
                    reader = Reader(source["phi"])
                    score_held_out(reader, member, attacked, scores, definition)
                    _check_usable(reader.clean)
            except DataError as error:
                raise DataError(f"{shadows}: {error}") from error
            for name, values in functions.scores(source["phi"], member, attacked):
                hdf5.dataset(file, name, data=values)


def _checked_member(shadows: Path | str, phi: Any, member: np.ndarray) -> np.ndarray:
    if phi.ndim != 3 or phi.shape[:2] != member.shape or member.dtype != bool:
        raise DataError(
            f"{shadows}: phi {phi.shape} must be [models, samples, views] and member {member.shape}, {member.dtype}, "
            "[models, samples] of truth values"
        )
    return member


def not_scored(
    member: Bool[np.ndarray, "model sample"], attacks: Iterable[str], targets: Int[np.ndarray, " target"] | None = None
) -> dict[str, str]:
    """Says which attacks cannot be made and why, if each model is the target once, or if some are held out."""
    others = None if targets is None else np.setdiff1d(np.arange(len(member)), targets)
    found = {
        name: _lacking(member, name, partial=False) if others is None else lacking(member, others, name)
        for name in attacks
    }
    return {name: why for name, why in found.items() if why}


def _remarks(
    member: np.ndarray,
    attacks: Sequence[str],
    definition: Definition,
    missing: Mapping[str, str],
    targets: np.ndarray | None,
) -> dict[str, Any]:
    """Logs what readers of the scores should know; returns what the file must say of it."""
    own, shadows = targets is None, member if targets is None else np.delete(member, targets, axis=0)
    for name, why in missing.items():
        log.warning("%s is not scored: %s", name, why)
    if "reference" in attacks and "reference" not in missing and member.size:
        levels = int((cut_sizes(~shadows) if own else (~shadows).sum(axis=0)).min()) + 1
        log.info("reference has %d levels, so that it resolves no FPR below 1 / %d", levels, levels)
    sides = _sides(_by_kind([name for name in attacks if name not in missing])[0]) if definition.cut else []
    lost = {side: share for side, share in thrown_away(shadows, own).items() if side in sides} if sides else {}
    if any(share > MUCH for share in lost.values()):
        said = " and ".join(f"{share:.0%} of the {side} scores" for side, share in lost.items())
        log.warning("cut to the smallest count over all samples, the LiRA attacks do not use %s", said)
    remarks: dict[str, Any] = {} if tuple(attacks) == PAPER_ATTACKS else {"attacks": list(attacks)}
    remarks |= {} if targets is None else {"targets": targets.tolist()}
    return remarks | ({"not_scored": dict(missing)} if missing else {})


def score_leave_one_out(
    phi: Any,
    member: Bool[np.ndarray, "model sample"],
    scores: Mapping[str, Any],
    definition: Definition,
    nonfinite: Nonfinite,
    otherwise: str = "",
) -> None:
    """Fills ``scores`` as :func:`leave_one_out` returns them; messages on φ end with another way out."""
    missing = next(filter(None, (_lacking(member, name) for name in scores)), "")
    if missing and nonfinite == "error":
        raise DataError(missing)
    reader, (paper, others) = Reader(phi), _by_kind(scores)
    if paper and definition.streams and not missing:
        score_all(reader, member, {name: scores[name] for name in paper}, definition.cut)
        if nonfinite == "error":
            _check_usable(reader.clean, otherwise)
        if definition.cut and reader.clean.all():
            _settle_ties(reader, member, {name: scores[name] for name in paper if name != "global"}, definition)
    if paper and (missing or not definition.streams or not reader.clean.all()):
        splits = [Split.of(np.array([target]), member, _sides(paper), definition.cut) for target in range(len(member))]
        score_splits(reader, member, splits, paper, definition, scores)
    if others:
        score_each(reader, member, others, scores, definition)
    if nonfinite == "error":
        _check_usable(reader.clean, otherwise)


def _settle_ties(reader: Reader, member: np.ndarray, scores: Mapping[str, Any], definition: Definition) -> None:
    """Takes the scores of :func:`held_out` where those of one pass order samples otherwise.

    With one score left on a side its spread is 1e-30, and rounding decides which of the huge scores tie.
    """
    for name, found in scores.items():
        sides = _sides([name])
        single = np.any([cut_sizes(member if side == IN else ~member) == 1 for side in sides], axis=0)
        if not single.any() or not member.size:
            continue
        targets = np.flatnonzero(single)
        splits = [Split.of(np.array([target]), member, sides, definition.cut) for target in targets]
        exact = np.empty((len(targets), member.shape[1]))
        score_splits(reader, member, splits, [name], definition, {name: exact})
        ours, theirs = found[targets], exact
        if isinstance(found, np.ndarray):  # a threshold may be another target's; files keep what they always held
            ours, theirs = ours.reshape(1, -1), theirs.reshape(1, -1)
        order = theirs.argsort(axis=1, kind="stable")
        steps = [np.sign(np.diff(np.take_along_axis(scores, order, axis=1), axis=1)) for scores in (ours, theirs)]
        if not np.array_equal(*steps):
            found[targets] = exact


def _by_kind(attacks: Iterable[str]) -> tuple[list[str], dict[str, Attack]]:
    """Returns those of the paper, and the others, which are computed in another way."""
    others = {name: REGISTRY[name] for name in attacks if REGISTRY[name].score}
    return [name for name in attacks if name not in others], others


def _sides(attacks: Iterable[str]) -> list[str]:
    """Returns the sides whose scores the attacks use."""
    needed = {side for name in attacks for side in REGISTRY[name].needs}
    return [side for side in (IN, OUT) if side in needed]


def _lacking(member: np.ndarray, attack: str, partial: bool = True) -> str:
    """Says which sample lacks scores that an attack needs, under which target; returns an empty text if none does.

    With ``partial``, an attack that scores such samples as NaN lacks nothing.
    """
    for name in REGISTRY[attack].needs if not (partial and REGISTRY[attack].partial) else ():
        side = member if name == IN else ~member
        if side.size and not (cuts := cut_sizes(side)).all():
            target = int(cuts.argmin())
            counts = side.sum(axis=0) - side[target]
            more = f", and {found - 1:,} more" if (found := int((counts == 0).sum())) > 1 else ""
            return _without_score(int(counts.argmin()), name, f"when model {target} is the target{more}")
    return ""


def lacking(
    member: Bool[np.ndarray, "model sample"], shadows: Int[np.ndarray, " shadow"], attack: str, partial: bool = False
) -> str:
    """Says which sample lacks scores of these shadow models that an attack needs; an empty text if none does.

    With ``partial``, an attack that scores such samples as NaN lacks nothing.
    """
    for name in REGISTRY[attack].needs if not (partial and REGISTRY[attack].partial) else ():
        counts = (member if name == IN else ~member)[shadows].sum(axis=0)
        if counts.size and counts.min() == 0:
            return _without_score(int(counts.argmin()), name, f"among the {len(shadows)} shadow models")
    return ""


def _without_score(sample: int, side: str, situation: str) -> str:
    return (
        f"sample {sample} has no {side} score {situation}: train more models, leave the sample out, "
        "or choose attacks that do not need it"
    )


def check_arguments(
    phi: ArrayLike,
    member: ArrayLike,
    attacks: str | Sequence[str],
    definition: Definition,
    nonfinite: Nonfinite = "error",
) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    """Returns φ with an axis of views, membership, and a list of the attacks; errors are :func:`leave_one_out`'s."""
    given = attacks
    attacks = [attacks] if isinstance(attacks, str) else list(attacks) if isinstance(attacks, Iterable) else []
    if not attacks:
        raise ConfigError(f"attacks are {quoted(given)}: one or more are needed, {allowed(REGISTRY)}")
    for attack in attacks:
        check_choice(attack, "attack", REGISTRY)
    if not isinstance(definition, Definition):
        raise ConfigError(f"definition is {quoted(definition)}: allowed is a Definition")
    check_choice(nonfinite, "nonfinite", NONFINITE)
    phi, member = check_array(phi, "phi"), check_booleans(member, "member")
    phi = phi if phi.dtype.kind == "f" and phi.dtype.itemsize <= 8 else phi.astype(np.float64)
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


def _check_usable(usable_models: Bool[np.ndarray, " model"], otherwise: str = "") -> None:
    if not usable_models.all():
        bad = ", ".join(str(model) for model in np.flatnonzero(~usable_models))
        raise DataError(
            f"phi of model {bad} has NaN, infinite or huge values, as after a diverged training: "
            f"retrain or leave out the model{otherwise}"
        )
