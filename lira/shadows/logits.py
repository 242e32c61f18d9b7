"""Computes the scaled logit φ, the score of a sample that every attack uses."""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from lira.core.errors import DataError
from lira.core.validation import ArrayLike, check_array
from lira.shadows.plausible import check_no_probabilities

TINY = 1e-45


def scaled_logit(
    logits: Annotated[ArrayLike, "sample view class"], labels: Annotated[ArrayLike, "sample"]
) -> Float[np.ndarray, "sample view"]:
    """Computes log(p_y) − log(sum of the other probabilities), in float64 (Carlini et al. 2022).

    Args:
        logits: Logits of one model, as an array or a tensor of torch; a row that is not finite gives NaN. Of
            probabilities give the logarithm, which has the same φ.
        labels: True class of each sample.

    Raises:
        DataError: Shapes do not match, logits are not numbers, of one class or probabilities, or a label is not one of
            the classes.
    """
    logits, labels = check_array(_on_cpu(logits), "logits"), check_array(_on_cpu(labels), "labels")
    if logits.ndim != 3 or labels.shape != logits.shape[:1]:
        raise DataError(f"logits {logits.shape} must be [samples, views, classes] and labels {labels.shape} [samples]")
    if logits.shape[2] < 2:
        raise DataError(f"logits {logits.shape} are of {logits.shape[2]} classes: two or more are needed")
    if labels.dtype.kind not in "iub" or not ((labels >= 0) & (labels < logits.shape[2])).all():
        raise DataError(f"labels must be classes, whole numbers from 0 to {logits.shape[2] - 1}")
    check_no_probabilities(logits)
    labels = labels.astype(np.int64)
    with np.errstate(invalid="ignore"):
        scaled = logits.astype(np.float64)
        scaled -= scaled.max(-1, keepdims=True)
        probability = np.exp(scaled, out=scaled)
        probability /= probability.sum(-1, keepdims=True)
    return _log_odds(probability, labels, TINY)


def log_odds(
    probabilities: Float[np.ndarray, "sample view class"], labels: Int[np.ndarray, " sample"]
) -> Float[np.ndarray, "sample view"]:
    """Computes the same of probabilities, of two classes or more; infinite where p_y or all others are 0."""
    with np.errstate(divide="ignore"):
        return _log_odds(probabilities.astype(np.float64), labels, 0)


def largest_phi(clip: float) -> float:
    """Returns the largest φ of probabilities of which the smallest is ``clip``."""
    return float(np.log1p(-clip) - np.log(clip))


def _log_odds(
    probability: Float[np.ndarray, "sample view class"], labels: Shaped[np.ndarray, " sample"], tiny: float
) -> Float[np.ndarray, "sample view"]:
    true = labels[:, None, None].astype(np.intp, copy=False)
    p_true = np.take_along_axis(probability, true, -1)[..., 0]
    np.put_along_axis(probability, true, 0, -1)
    return np.log(p_true + tiny) - np.log(probability.sum(-1) + tiny)


def _on_cpu(values: Any) -> Any:
    """Returns a tensor of torch as numpy reads it: without gradient, and of a type that numpy has."""
    if not hasattr(values, "detach"):
        return values
    found = values.detach().cpu()
    return found.float() if str(found.dtype) == "torch.bfloat16" else found
