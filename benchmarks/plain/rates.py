"""Thresholds at an FPR and what is flagged there, one target at a time."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve


class Point(NamedTuple):
    """A point of a ROC, as lira.evaluation.roc names its parts."""

    threshold: float
    fpr: float
    tpr: float


def operating_points(scores, member, fprs):
    """For each FPR the last point of the ROC that is not beyond it."""
    rates, hits, thresholds = roc_curve(member, scores, drop_intermediate=False)
    last = [np.flatnonzero(rates <= fpr)[-1] for fpr in fprs]
    return [Point(thresholds[at], rates[at], hits[at]) for at in last]


def shadow_thresholds(thresholds):
    """For each target the median of the other models' thresholds, infinite ones left out."""
    others = [np.delete(thresholds, target) for target in range(len(thresholds))]
    finite = [values[np.isfinite(values)] for values in others]
    return [np.median(values) if values.size else np.inf for values in finite]


def calibrate(scores, member, fprs, priors):
    """Rows (attack, mode, fpr, target, prior, threshold, tp, fp, ppv, auc) in both threshold modes."""
    rows = []
    for attack, values in scores.items():
        auc = [roc_auc_score(held, target) for target, held in zip(values, member, strict=True)]
        points = [operating_points(*target, fprs) for target in zip(values, member, strict=True)]
        for fpr, at in zip(fprs, zip(*points, strict=True), strict=True):
            own = [point.threshold for point in at]
            modes = {"target": own} | ({"shadow": shadow_thresholds(own)} if attack != "global" else {})
            for mode, thresholds in modes.items():
                for target, threshold in enumerate(thresholds):
                    flagged = (values[target] >= threshold) & np.isfinite(threshold)
                    tp, fp = (flagged & member[target]).sum(), (flagged & ~member[target]).sum()
                    tpr, fpr_achieved = tp / member[target].sum(), fp / (~member[target]).sum()
                    for prior in priors:
                        below = prior * tpr + (1 - prior) * fpr_achieved
                        ppv = prior * tpr / below if below else np.nan
                        rows.append((attack, mode, fpr, target, prior, threshold, tp, fp, ppv, auc[target]))
    return rows


def bootstrap_draw(scores, member, times, fpr):
    """TPR of one target at its own threshold on the samples of one draw."""
    drawn = np.repeat(np.arange(scores.size), times)
    return operating_points(scores[drawn], member[drawn], [fpr])[0].tpr
