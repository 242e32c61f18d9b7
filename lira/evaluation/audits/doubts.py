"""What makes the numbers of an audit doubtful: another share of members, another recipe, too few models or records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lira.attacks.block import SAMPLES_PER_TASK, Reader
from lira.attacks.target import precision_of
from lira.evaluation.audits.answer import percent

CLEARLY = 4
"""Number of spreads of many shadow models' values from which on chance is no explanation; of few models it is more."""

SHARE = 0.05
"""Difference of the target's share of the pool that is always said."""

FEW_MODELS = 16
"""Shadow models below which single records are hardly told apart (docs/attacks.md has measurements)."""


def of_share(truth: Bool[np.ndarray, " sample"] | None, member: Bool[np.ndarray, "model sample"]) -> list[str]:
    """Warns if the target holds another share of the pool than the shadow models."""
    if truth is None or not member.any():
        return []
    own, theirs = float(truth.mean()), member.mean(axis=1)
    if abs(own - theirs.mean()) <= max(SHARE, CLEARLY * theirs.std()):
        return []
    saw = "fewer" if own > theirs.mean() else "more"
    return [
        f"the target holds {percent(own)} of the pool, the shadow models {percent(theirs.mean())} on average: they saw "
        f"{saw} records of it in training, so that their φ and thresholds may not be those of models like the target"
    ]


class Shift(NamedTuple):
    """How the target's φ compare with those of the shadow models, which are compared with each other in the same way.

    Attributes:
        outside: Share of the records whose φ is beyond those of all shadow models.
        outside_shadows: The same of each shadow model, beyond those of all others.
        mean: Mean φ over all records.
        mean_shadows: The same of each shadow model.
    """

    outside: float
    outside_shadows: Float[np.ndarray, " model"]
    mean: float
    mean_shadows: Float[np.ndarray, " model"]


def shift(reader: Reader, target: Float[np.ndarray, "sample view"]) -> Shift:
    """Compares φ, averaged over views, block by block of samples."""
    models, samples, _ = reader.shape
    beyond, total, dtype = np.zeros(models + 1), np.zeros(models + 1), precision_of(reader)
    for first in range(0, samples, SAMPLES_PER_TASK):
        columns = slice(first, min(first + SAMPLES_PER_TASK, samples))
        phi = np.concatenate([reader(columns), target[np.newaxis, columns]], dtype=dtype).mean(axis=2, dtype=np.float64)
        total += phi.sum(axis=1)
        shadows, own = phi[:-1], phi[-1]
        least, most = np.sort(shadows, axis=0)[[0, 1]], np.sort(shadows, axis=0)[[-1, -2]]
        beyond[-1] += ((own < least[0]) | (own > most[0])).sum()
        beyond[:-1] += ((shadows < least[1]) | (shadows > most[1])).sum(axis=1)
    share, mean = beyond / samples, total / samples
    return Shift(float(share[-1]), share[:-1], float(mean[-1]), mean[:-1])


def of_shift(found: Shift) -> list[str]:
    """Warns if the target's φ are clearly others than those of the shadow models, as with another recipe.

    A single shadow model has no spread to say so by, and two say it of hardly any target.
    """
    said: list[str] = []
    outside, mean = found.outside_shadows, found.mean_shadows
    if len(mean) < 2:
        return said
    if found.outside - outside.mean() > _clearly(outside) and found.outside > 2 * outside.mean():
        said.append(
            f"φ of {percent(found.outside)} of the records lies beyond those of all shadow models, for which that is "
            f"{percent(outside.mean())} on average and {percent(outside.max())} at most"
        )
    if abs(found.mean - mean.mean()) > _clearly(mean):
        theirs = f"those of the shadow models are {mean.min():.3g} to {mean.max():.3g}"
        other = " (it may give the probability of another class)" if found.mean < 0 < mean.min() else ""
        said.append(f"the target's mean φ is {found.mean:.3g}{other}, {theirs}")
    if not said:
        return []
    return [f"the target was hardly trained as the shadow models were: {', and '.join(said)}"]


def _clearly(values: Float[np.ndarray, " model"]) -> float:
    """Returns how far from the mean of these values one more like them hardly ever lies.

    It is as rare as :data:`CLEARLY` spreads of a normal distribution, but the mean and the spread are those of so few
    values (Student's prediction interval).
    """
    from scipy.special import ndtr, stdtrit

    models = values.size
    return float(stdtrit(models - 1, ndtr(CLEARLY)) * values.std(ddof=1) * np.sqrt(1 + 1 / models))


def of_resolution(
    fprs: Sequence[float], truth: Bool[np.ndarray, " sample"] | None, member: Bool[np.ndarray, "model sample"]
) -> list[str]:
    """Warns of FPRs that so few records or models cannot show."""
    others = int((~member).sum(axis=1).min()) if truth is None else int((~truth).sum())
    said = [
        f"an FPR of {percent(fpr)} is less than one of the {others:,} non-members: its threshold allows "
        "no false alarm, and how many it stands for is known no better than the interval of the FPR says"
        for fpr in fprs
        if fpr * others < 1 and others
    ]
    if len(member) < FEW_MODELS:
        said.append(
            f"there are {len(member)} shadow models: an attack with more may find a leak that these do not show, and a "
            f"record's p-value is never below {1 / (int((~member).sum(axis=0).max()) + 1):.2g}"
        )
    return said


def of_offline(member: Bool[np.ndarray, "model sample"], left_out: Mapping[str, str]) -> list[str]:
    """Says which attacks were not made, and why."""
    if not member.any():
        made = "the shadow models never held these records, so that the offline attacks alone were made"
        return [f"{made}, without {', '.join(left_out)}" if left_out else made]
    return [f"{name} was not made: {why}" for name, why in left_out.items()]


def of_duplicates(counted: Mapping[str, int]) -> Iterator[str]:
    """Says how many records of the pool are there more than once, or in the test set too."""
    if any(counted.values()):
        said = ", ".join(f"{number:,} {place}" for place, number in counted.items() if number)
        yield f"records are there more than once ({said}): a copy of a member counts as no member, or as another one"
