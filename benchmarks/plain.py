"""What a user would write with NumPy, SciPy and scikit-learn: one target, one choice of runs at a time."""

from itertools import combinations

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score, roc_curve


def attack_target(phi, member, target):
    """The five leave-one-out attacks on one target: phi float64 [M, N, A], member [M, N]."""
    shadows = np.delete(np.arange(len(phi)), target)
    held = member[shadows]
    inside = [phi[shadows[held[:, j]], j] for j in range(phi.shape[1])]
    outside = [phi[shadows[~held[:, j]], j] for j in range(phi.shape[1])]
    cut_in, cut_out = min(map(len, inside)), min(map(len, outside))
    inside, outside = np.array([x[:cut_in] for x in inside]), np.array([x[:cut_out] for x in outside])
    x = phi[target]
    center_in, center_out = np.median(inside, axis=1), np.median(outside, axis=1)
    spread_in, spread_out = inside.std(axis=1) + 1e-30, outside.std(axis=1) + 1e-30
    fixed_in, fixed_out = inside.std() + 1e-30, outside.std() + 1e-30
    log_out = norm.logpdf(x, center_out, spread_out)
    online_fixed = norm.logpdf(x, center_in, fixed_in) - norm.logpdf(x, center_out, fixed_in)
    return {
        "online": (norm.logpdf(x, center_in, spread_in) - log_out).mean(axis=1),
        "online_fixed": online_fixed.mean(axis=1),
        "offline": -log_out.mean(axis=1),
        "offline_fixed": -norm.logpdf(x, center_out, fixed_out).mean(axis=1),
        "global": x.mean(axis=1),
    }


def calibrate(scores, member, fprs, priors):
    """Rows (attack, mode, fpr, target, prior, threshold, tp, fp, ppv, auc) in both threshold modes."""
    rows = []
    for attack, values in scores.items():
        own = {fpr: [] for fpr in fprs}
        auc = []
        for target, held in zip(values, member, strict=True):
            rates, _, thresholds = roc_curve(held, target, drop_intermediate=False)
            for fpr in fprs:
                own[fpr].append(thresholds[np.flatnonzero(rates <= fpr)[-1]])
            auc.append(roc_auc_score(held, target))
        for fpr in fprs:
            modes = {"target": own[fpr]}
            if attack != "global":
                finite = [np.delete(own[fpr], target) for target in range(len(member))]
                finite = [others[np.isfinite(others)] for others in finite]
                modes["shadow"] = [np.median(others) if others.size else np.inf for others in finite]
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


def set_agreement(sets, k):
    """Mean Jaccard, intersection and union over all choices of k sets of sample indices."""
    found = []
    for chosen in combinations(sets, k):
        union = set().union(*chosen)
        if union:
            intersection = set.intersection(*chosen)
            found.append((len(intersection) / len(union), len(intersection), len(union)))
    return np.mean(found, axis=0) if found else np.full(3, np.nan)


def top_agreement(values, percent):
    """Intersection, union, Jaccard and Spearman on the intersection of two runs' top samples."""
    count = max(1, int(np.ceil(values.shape[1] * (percent / 100))))
    top = [set(np.argsort(-row, kind="stable")[:count]) for row in values]
    common = np.array(sorted(top[0] & top[1]), dtype=int)
    union = len(top[0] | top[1])
    spearman = (
        np.corrcoef(rankdata(values[0, common]), rankdata(values[1, common]))[0, 1] if common.size > 1 else np.nan
    )
    return common.size, union, common.size / union, spearman


def bootstrap_draw(values, held, times, fpr):
    """TPR of one target at its own threshold on the samples of one draw."""
    drawn = np.repeat(np.arange(values.size), times)
    rates, hits, _ = roc_curve(held[drawn], values[drawn], drop_intermediate=False)
    return hits[np.flatnonzero(rates <= fpr)[-1]]
