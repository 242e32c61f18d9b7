"""What the released code prints in its single mode: some models are targets, all others their shadow models.

It joins the scores of all targets in one ROC, drops the interior points of its straight pieces, and takes the precision
as 0 where nothing is flagged. Thresholds are chosen on the scores that they are judged by, so there are no intervals.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import pandas as pd

from lira.core.validation import ArrayLike, check_fraction, check_fractions, check_scores, check_scores_by_attack
from lira.evaluation.calibration import positive_predictive_value
from lira.evaluation.roc import balanced_accuracy_by_chance, summarise_roc, tpr_by_chance


def single_target(
    scores: Mapping[str, Annotated[ArrayLike, "target sample"]],
    member: Annotated[ArrayLike, "target sample"],
    fprs: Sequence[float],
    prior: float = 0.5,
) -> pd.DataFrame:
    """Computes the rates of held-out targets as the released code does; scores that are not finite are dropped.

    Args:
        scores: Of each attack, as :func:`lira.attacks.lira.held_out` returns them.
        member: True where the sample trained the target.
        fprs: Target FPRs.
        prior: Share of members for the precision.

    Returns:
        A row per attack and FPR: ``attack balanced_accuracy auc fpr tpr precision`` and, of scores that say nothing,
        ``balanced_accuracy_null tpr_null``; fractions.

    Raises:
        DataError: Shapes do not match, or membership is neither 0 nor 1.
        ConfigError: An FPR or the prior is not a fraction.
    """
    from sklearn.metrics import roc_curve

    check_fractions(fprs, "fpr", "a false positive rate")
    check_fraction(prior, "prior", "a share of members")
    member, rows = check_scores_by_attack(scores, member).ravel(), []
    inside, outside = int(member.sum()), int((~member).sum())
    for attack, found in scores.items():
        values = check_scores(found, member.reshape(np.shape(found)), of=f" of {attack}")[0].ravel()
        finite, whole = np.isfinite(values), summarise_roc(values, member, nonfinite="official")
        held = member[finite]
        achieved, tpr = np.array([0.0, 1.0]), np.array([0.0, 1.0])
        if held.any() and not held.all():
            achieved, tpr, _ = roc_curve(held, values[finite], drop_intermediate=True)
        for fpr in fprs:
            last = np.searchsorted(achieved, fpr, side="right") - 1
            row = {"attack": attack, "balanced_accuracy": whole.balanced_accuracy, "auc": whole.auc, "fpr": fpr}
            row |= {"tpr": tpr[last], "precision": positive_predictive_value(tpr[last], achieved[last], prior)}
            rows.append(row | {"tpr_null": tpr_by_chance(np.array([fpr]), outside)[0]})
    chance = balanced_accuracy_by_chance(inside, outside)
    return pd.DataFrame(rows).fillna({"precision": 0.0}).assign(balanced_accuracy_null=chance)
