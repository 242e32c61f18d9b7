"""How often each sample is detected over the targets of a run, and which are vulnerable (paper, Figures 3 and 4)."""

from typing import Annotated

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lira.core.validation import NONFINITE, ArrayLike, Nonfinite, check_choice, check_not_nan, check_scores, check_whole
from lira.evaluation.roc import flagged

SUPPORTS = (1, 2, 3, 4, 5, 10, 20, 64)


def count_detections(
    scores: Annotated[ArrayLike, "model sample"],
    member: Annotated[ArrayLike, "model sample"],
    thresholds: Annotated[ArrayLike, "model"],
    *,
    nonfinite: Nonfinite = "error",
) -> pd.DataFrame:
    """Counts, per sample, how the targets' verdicts at their thresholds agree with membership.

    Args:
        scores: one attack's scores, a row per target.
        member: True where the sample trained the target.
        thresholds: one per target; a target whose threshold is not finite flags nothing.
        nonfinite: ``"error"``, or ``"official"`` to count NaN scores as not flagged.

    Returns:
        ``sample tp fp tn fn rank`` in sample order. ``rank`` is the position, from 0, when sorted by fp ascending and
        tp descending, ties in sample order.

    Raises:
        DataError: shapes that do not match, NaN scores, or other values than numbers.
        ConfigError: an unknown ``nonfinite``.
    """
    check_choice(nonfinite, "nonfinite", NONFINITE)
    scores, member = check_scores(scores, member)
    if nonfinite == "error":
        check_not_nan(scores, ", or pass nonfinite='official'")
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
    """Samples detected at least once and never flagged wrongly: fp = 0 and tp >= 1."""
    return support_qualified(detections, 1)


def support_qualified(detections: pd.DataFrame, support: int, *, zero_fp: bool = True) -> Bool[np.ndarray, " sample"]:
    """Samples detected in at least ``support`` targets, by default among those never flagged wrongly.

    Args:
        detections: from :func:`count_detections`.
        support: smallest number of true positives (the paper recommends 2 to 5).
        zero_fp: ask for fp = 0 too.

    Raises:
        ConfigError: a support that is no count.
    """
    check_whole(support, "support", 0)
    detected = detections["tp"].to_numpy() >= support
    return detected & (detections["fp"].to_numpy() == 0) if zero_fp else detected
