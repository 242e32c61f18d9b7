"""The attacks as their definition reads: one target, one sample, one view at a time."""

import numpy as np
from scipy.stats import norm


def attack_target(phi, member, target):
    """Scores [sample] of each attack on one target, with all other models as shadow models."""
    shadows = [model for model in range(len(phi)) if model != target]
    samples, views = phi.shape[1:]
    sides = []
    for held in (True, False):
        models = [[model for model in shadows if member[model, j] == held] for j in range(samples)]
        cut = min(len(found) for found in models)
        sides.append([phi[found[:cut], j].astype(np.float64) for j, found in enumerate(models)])
    inside, outside = sides
    spread_in, spread_out = np.std(inside), np.std(outside)
    names = ("online", "online_fixed", "offline", "offline_fixed", "global")
    scores = {name: np.zeros(samples) for name in names}
    for j in range(samples):
        for a in range(views):
            x = float(phi[target, j, a])
            held, out = inside[j][:, a], outside[j][:, a]
            log_in = norm.logpdf(x, np.median(held), np.std(held) + 1e-30)
            log_out = norm.logpdf(x, np.median(out), np.std(out) + 1e-30)
            scores["online"][j] += (log_in - log_out) / views
            scores["offline"][j] -= log_out / views
            scores["online_fixed"][j] += (
                norm.logpdf(x, np.median(held), spread_in + 1e-30) - norm.logpdf(x, np.median(out), spread_in + 1e-30)
            ) / views
            scores["offline_fixed"][j] -= norm.logpdf(x, np.median(out), spread_out + 1e-30) / views
            scores["global"][j] += x / views
    return scores


def leave_one_out(phi, member):
    """Scores [model, sample] of each attack."""
    rows = [attack_target(phi, member, target) for target in range(len(phi))]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
