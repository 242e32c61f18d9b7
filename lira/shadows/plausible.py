"""Notices scores that are not what they are called: probabilities for logits, models for samples."""

import numpy as np
from jaxtyping import Bool, Float

from lira.core.errors import DataError

ROUNDING = 0.05
"""Largest distance of a sum of probabilities from 1."""

BEYOND = 1e-3
"""How far beyond 0 and 1 rounding may take a probability."""

CLEARLY = 4
"""Ratio of spreads, or number of standard errors, from which on chance is no explanation."""

ENOUGH = 8
"""Models, samples or rows from which on their values can be compared."""

SPREAD = 0.1
"""Range of values from 0 to 1 from which on they are probabilities; logits that are nearly constant have less."""

LEAVE_OUT = "query the model again, or leave it out of the scores and of the membership"


def check_logits(outputs: Float[np.ndarray, "sample view class"], place: str) -> None:
    """Raises DataError if a model's logits are probabilities: all from 0 to 1, of one class or of each by itself."""
    if not _within(outputs).all():
        return
    single, spread = outputs.shape[-1] == 1, np.ptp(outputs)
    if (single and spread > 0) or _sum_to_1(outputs):
        said = "all are from 0 to 1" if single else "all are from 0 to 1 and sum to 1"
        raise DataError(f"{place}: the logits are probabilities ({said}): give them as probabilities")
    if len(outputs) >= ENOUGH and spread > SPREAD:
        said = "all are from 0 to 1 and do not sum to 1, as sigmoids of each class"
        raise DataError(f"{place}: the logits are probabilities ({said}): give what the sigmoid was taken of")


def check_no_probabilities(logits: Float[np.ndarray, "sample view class"]) -> None:
    """Raises DataError if some rows or more are from 0 to 1, sum to 1, and are not all the same."""
    if logits.size < ENOUGH * logits.shape[-1] or not _within(logits).all():
        return
    if np.ptp(logits) > 0 and _sum_to_1(logits):
        raise DataError("logits are probabilities, all are from 0 to 1 and sum to 1: give logits, or their logarithm")


def _within(outputs: Float[np.ndarray, "sample view class"]) -> Bool[np.ndarray, "sample view class"]:
    return (outputs >= -BEYOND) & (outputs <= 1 + BEYOND)


def _sum_to_1(outputs: Float[np.ndarray, "sample view class"]) -> bool:
    return outputs.shape[-1] > 1 and bool((np.abs(outputs.sum(-1, dtype=np.float64) - 1) <= ROUNDING).all())


def check_probabilities(
    outputs: Float[np.ndarray, "sample view class"], place: str, start: int
) -> Float[np.ndarray, "sample view class"]:
    """Returns probabilities without what rounding took beyond 0 and 1.

    Args:
        outputs: Those of one model.
        place: Source, for messages.
        start: Number of the first sample.

    Raises:
        DataError: One is not from 0 to 1, or those of a sample do not sum to 1.
    """
    if len(wrong := np.argwhere(~_within(outputs))):
        value = outputs[tuple(wrong[0])]
        remedy = LEAVE_OUT if np.isnan(value) else "allowed are numbers from 0 to 1; give logits as logits"
        raise DataError(f"{place}: a probability of sample {start + wrong[0, 0]} is {value:g}: {remedy}")
    outputs = np.clip(outputs, 0, 1)
    sums = outputs.sum(-1, dtype=np.float64) if outputs.shape[-1] > 1 else np.ones(outputs.shape[:2])
    if len(wrong := np.argwhere(np.abs(sums - 1) > ROUNDING)):
        said = f"probabilities of sample {start + wrong[0, 0]} sum to {sums[tuple(wrong[0])]:.4g}"
        raise DataError(f"{place}: {said}: those of all classes sum to 1, up to {ROUNDING:g} for rounding")
    return outputs


def check_phi(least: float, most: float, place: str) -> None:
    """Raises DataError if all φ are from 0 to 1."""
    if least >= 0 and most <= 1:
        raise DataError(
            f"{place}: all φ are from {least:.3g} to {most:.3g}, as probabilities are: give log(p_y) − log(1 − p_y), "
            "or the probabilities of the classes as probabilities"
        )


def check_orientation(phi: Float[np.ndarray, "n n"], member: Bool[np.ndarray, "n n"], place: str) -> None:
    """Raises DataError if φ or membership of as many models as samples seems to have models in its columns.

    Args:
        phi: φ of each model and sample, mean over views.
        member: True where the sample trained the model.
        place: Source, for messages.
    """
    size = f"there are {len(phi)} models and {len(phi)} samples"
    given, turned = (_correlation(phi, held) for held in (member, member.T))
    if abs(turned) > max(2 * abs(given), CLEARLY / len(phi)):
        said = f"φ goes with the transposed member (correlation {turned:.2f}), not with member ({given:.2f})"
        raise DataError(f"{place}: {size}, and {said}: transpose one of them, both are [models, samples]")
    of_models, of_samples = member.sum(1), member.sum(0)
    turned_draws = np.ptp(of_models) == 0 < np.ptp(of_samples)
    rest = phi - (phi[member].mean() - phi[~member].mean()) * member if 0 < member.mean() < 1 else phi
    rows, columns = (_spread(rest.mean(axis)) for axis in (1, 0))
    if columns < rows * 2 if turned_draws else len(phi) >= ENOUGH and columns < rows / CLEARLY:
        said = f"each row of member has {of_models[0]} members, and columns {of_samples.min()} to {of_samples.max()}"
        said = said if turned_draws else "φ differs more from row to row than from column to column"
        remedy = "give [models, samples], or one model less if that is what they are"
        raise DataError(f"{place}: {size}, and {said}, as if models were in the columns: {remedy}")


def _spread(values: Float[np.ndarray, " n"]) -> float:
    """Returns the median absolute deviation, which a few diverged models do not change."""
    return float(np.median(np.abs(values - np.median(values))))


def _correlation(phi: np.ndarray, member: np.ndarray) -> float:
    """Returns the correlation of φ and membership without the means of models and of samples."""
    one, other = (values - values.mean(0) - values.mean(1, keepdims=True) + values.mean() for values in (phi, member))
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale > 0 else 0.0
