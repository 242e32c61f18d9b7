"""Audits one given model: does it leak which records it was trained on, which of them, and how sure is that?

All shadow models attack it. Its threshold at an FPR is the median of those that the shadow models have as targets of
each other, so that the model itself plays no part in it. What these show as targets, each at the median of the others'
thresholds, is what an ordinary model of their kind shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from lira.attacks.block import Reader
from lira.attacks.lira import ATTACKS, UNCUT, Definition, check_arguments, not_scored, score_leave_one_out
from lira.attacks.target import score_target
from lira.config.catalogue import DELTA, main_attack
from lira.core.errors import DataError
from lira.core.validation import ArrayLike, check_booleans, check_fractions, check_six_digits, check_unmasked
from lira.evaluation.audits import doubts
from lira.evaluation.audits.answer import Verdict, answer
from lira.evaluation.audits.exact import holm
from lira.evaluation.audits.rates import OfShadows, summarise_target
from lira.evaluation.audits.records import describe_records, judge_records, rates_by
from lira.evaluation.calibration import shadow_thresholds
from lira.evaluation.detections import count_detections
from lira.storage.csv_files import COLUMNS

FPRS, PRIORS = (0.001, 0.01, 0.1), (0.01, 0.1, 0.5)


@dataclass(frozen=True)
class Audit:
    """What is known of one given model.

    Attributes:
        answer: One sentence, with its uncertainty.
        verdict: ``"leaks"`` if any attack at any FPR tells members apart by more than chance at the 95 % level, all of
            them corrected together; else ``"no leak found"``; ``"cannot tell"`` where members or others are not known.
        summary: From :func:`~lira.evaluation.audits.rates.summarise_target` for each ``attack``, with ``p_holm``: the
            p-value corrected for all tests.
        records: From :func:`~lira.evaluation.audits.records.describe_records`.
        groups: From :func:`~lira.evaluation.audits.records.rates_by`, under the attack that counts of records are of.
        warnings: What makes the numbers doubtful, a sentence each.
    """

    answer: str
    verdict: Verdict
    summary: pd.DataFrame
    records: pd.DataFrame
    groups: pd.DataFrame
    warnings: list[str]


def audit(
    phi: Annotated[ArrayLike, "model sample view"],
    member: Annotated[ArrayLike, "model sample"],
    target_phi: Annotated[ArrayLike, "sample view"],
    target_member: Annotated[ArrayLike, "sample"] | None = None,
    *,
    attacks: str | Sequence[str] = ATTACKS,
    fprs: Sequence[float] = FPRS,
    priors: Sequence[float] = PRIORS,
    definition: Definition = UNCUT,
    labels: Annotated[ArrayLike, "sample"] | None = None,
    groups: Annotated[ArrayLike, "sample"] | None = None,
) -> Audit:
    """Attacks one given model with shadow models that never were it, and says whether it leaks.

    Args:
        phi: Scaled logits of the shadow models; without an axis of views, of one view.
        member: True where the sample trained the shadow model; nowhere, if they never held these samples: then the
            offline attacks alone are made.
        target_phi: Scaled logits of the given model, on the same samples and views.
        target_member: True where the sample trained the given model, if that is known.
        attacks: Names from :data:`lira.attacks.registry.ATTACKS`, or a single one.
        fprs: False positive rates to flag at, as fractions.
        priors: Shares of members among the attacked samples, as fractions.
        definition: Which reading of the attacks to use.
        labels: Class of each sample, for the rates of classes.
        groups: Group of each sample, for the rates of groups.

    Raises:
        DataError: Shapes do not match, values are not finite, there are fewer than two shadow models, or no attack
            can be made.
        ConfigError: An attack or the definition is unknown, or an FPR or a prior is no fraction of six digits.
    """
    check_asked(fprs, priors)
    phi, member, names = check_arguments(phi, member, attacks, definition)
    for size, of, least in zip(phi.shape, ("shadow models", "samples"), (2, 1), strict=False):
        if size < least:
            raise DataError(f"phi {phi.shape} is of {size} {of}: an audit needs {least} or more")
    left_out = not_scored(member, names)
    chosen = [name for name in names if name not in left_out]
    if left_out and not chosen:
        raise DataError(next(iter(left_out.values())))
    scores, reader = {name: np.empty(member.shape) for name in chosen}, Reader(phi)
    score_leave_one_out(phi, member, scores, definition, "error")
    of_target = score_target(reader, member, target_phi, chosen, definition)
    truth = check_truth(target_member, member.shape[1])
    given = {"class": labels, "group": groups}
    about = {name: _names(values, name, member.shape[1]) for name, values in given.items() if values is not None}
    moved = doubts.shift(reader, np.asarray(target_phi).reshape(reader.shape[1:]))
    warnings = [*doubts.of_offline(member, left_out), *doubts.of_share(truth, member), *doubts.of_shift(moved)]
    return conclude(scores, member, of_target, truth, fprs, priors, about, warnings=warnings)


def check_asked(fprs: Sequence[float], priors: Sequence[float]) -> None:
    """Raises ConfigError unless FPRs and priors are fractions of six digits, each once."""
    check_fractions(fprs, "fpr", "a false positive rate")
    check_fractions(priors, "prior", "a share of members")
    check_six_digits(fprs, "fprs", "columns")
    check_six_digits(priors, "priors", "columns")


def check_truth(target_member: ArrayLike | None, samples: int) -> Bool[np.ndarray, " sample"] | None:
    """Returns the given model's membership, if it is known; raises DataError unless it is of so many samples."""
    if target_member is None:
        return None
    truth = check_booleans(target_member, "target_member", "samples")
    if truth.shape != (samples,):
        raise DataError(f"target_member {truth.shape} must be [samples], of which the shadow models have {samples}")
    return truth


def _names(values: ArrayLike, name: str, samples: int) -> Shaped[np.ndarray, " sample"]:
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths, or an array on a GPU
        raise DataError(f"{name} of each sample is not an array that numpy reads: [samples] is needed") from error
    check_unmasked(values, f"{name} of each sample")
    if found.shape != (samples,):
        raise DataError(f"{name} of each sample {found.shape} must be [samples], of which there are {samples}")
    return found


def conclude(
    scores: Mapping[str, Any],
    member: Bool[np.ndarray, "model sample"],
    of_target: Mapping[str, Float[np.ndarray, " sample"]],
    truth: Bool[np.ndarray, " sample"] | None,
    fprs: Sequence[float],
    priors: Sequence[float],
    about: Mapping[str, Shaped[np.ndarray, " sample"]],
    counts: Mapping[float, Sequence[pd.DataFrame]] | None = None,
    warnings: Sequence[str] = (),
    delta: float = DELTA,
    main: str = "",
) -> Audit:
    """Draws all conclusions from scores, reading those of one attack at a time.

    Args:
        scores: By attack, of the shadow models as targets of each other ``[model, sample]``: arrays or HDF5 datasets.
        member: True where the sample trained the shadow model.
        of_target: By attack, of the given model.
        truth: Its membership, if it is known.
        fprs: False positive rates.
        priors: Shares of members.
        about: ``id``, ``class`` and ``group`` of each sample, as far as they are known.
        counts: Per FPR and seed of the run, how often each sample is flagged (``tp fp tn fn``); by default, of the
            shadow models here.
        warnings: What is doubtful so far.
        delta: δ of the records' bounds on ε.
        main: The attack that counts and groups are of; by default :func:`~lira.config.catalogue.main_attack`.
    """
    main, rows, judged = main or main_attack(of_target) or "global", list[pd.DataFrame](), dict[str, np.ndarray]()
    for name, target in of_target.items():
        shadows = OfShadows.of(scores[name][:], member, fprs)
        rows.append(summarise_target(shadows, target, truth, fprs, priors).assign(attack=name))
        judged |= {f"{name}_{key}": values for key, values in judge_records(shadows, target, fprs).items()}
        if name == main:
            groups = rates_by(name, target, truth, dict(zip(fprs, shadows.medians, strict=True)), about, priors)
            if counts is None:
                counts = _counts(shadows, fprs)
    summary = pd.concat(rows, ignore_index=True)
    summary["p_holm"] = holm(summary["p_value"].to_numpy())
    records = describe_records(truth, about, judged, counts or {}, priors, delta)
    verdict, said = answer(summary, truth, member.shape[1])
    more = doubts.of_resolution(fprs, truth, member)
    return Audit(said, verdict, summary[COLUMNS["audit"]], records, groups, [*warnings, *more])


def _counts(shadows: OfShadows, fprs: Sequence[float]) -> dict[float, list[pd.DataFrame]]:
    if not shadows.member.any():
        return {}
    of_models = dict(zip(fprs, map(shadow_thresholds, shadows.thresholds), strict=True))
    return {fpr: [count_detections(shadows.scores, shadows.member, at)] for fpr, at in of_models.items()}
