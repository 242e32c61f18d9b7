"""Counts how often each sample is detected over a run's targets, and finds vulnerable ones (paper, Figures 3 and 4)."""

from typing import Annotated

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lira.core.validation import (
    NONFINITE,
    OR_OFFICIAL,
    ArrayLike,
    Nonfinite,
    check_choice,
    check_not_nan,
    check_scores,
    check_whole,
)
from lira.evaluation.roc import flagged


def count_detections(
    scores: Annotated[ArrayLike, "model sample"],
    member: Annotated[ArrayLike, "model sample"],
    thresholds: Annotated[ArrayLike, "model"],
    *,
    nonfinite: Nonfinite = "error",
) -> pd.DataFrame:
    """Counts, per sample, the targets on which the attack is right and wrong about its membership.

    Args:
        scores: One attack's scores, a row per target.
        member: True where the sample trained the target.
        thresholds: One per target: samples that reach it are flagged as members. If it is not finite, none is.
        nonfinite: ``"error"``, or ``"official"`` to count NaN scores as not flagged.

    Returns:
        ``sample tp fp tn fn rank`` in sample order. ``rank`` is the position, from 0, when samples are sorted by fp
        ascending, then tp descending, then sample.

    Raises:
        DataError: The shapes do not match, or a score is NaN or not a number.
        ConfigError: ``nonfinite`` is unknown.
    """
    check_choice(nonfinite, "nonfinite", NONFINITE)
    scores, member = check_scores(scores, member)
    if nonfinite == "error":
        check_not_nan(scores, OR_OFFICIAL)
    verdicts = flagged(scores, thresholds)
    members, positives = member.sum(axis=0), verdicts.sum(axis=0)
    tp = (verdicts & member).sum(axis=0)
    fp = positives - tp
    order = np.lexsort((-tp, fp))
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    columns = {"sample": np.arange(order.size), "tp": tp, "fp": fp}
    return pd.DataFrame(columns | {"tn": len(member) - members - fp, "fn": members - tp, "rank": rank})


def highly_vulnerable(detections: pd.DataFrame) -> Bool[np.ndarray, " sample"]:
    """Marks the samples that are detected at least once and never flagged wrongly: fp = 0 and tp >= 1."""
    return support_qualified(detections, 1)


def support_qualified(detections: pd.DataFrame, support: int, *, zero_fp: bool = True) -> Bool[np.ndarray, " sample"]:
    """Marks the samples that are detected on at least ``support`` targets.

    Args:
        detections: From :func:`count_detections`.
        support: Smallest number of true positives (the paper recommends 2 to 5).
        zero_fp: Mark only samples that are never flagged wrongly (fp = 0).

    Raises:
        ConfigError: The support is not a whole number of at least 0.
    """
    check_whole(support, "support", 0)
    detected = detections["tp"].to_numpy() >= support
    return detected & (detections["fp"].to_numpy() == 0) if zero_fp else detected
