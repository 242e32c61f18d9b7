"""The five leave-one-out attacks, one target and one sample's shadow models at a time."""

import numpy as np
from scipy.stats import norm


def attack_target(phi, member, target):
    """Scores [sample] of each attack on one target, with all other models as shadow models.

    Phi is [model, sample, view], member [model, sample].
    """
    phi = np.asarray(phi, np.float64)
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


def leave_one_out(phi, member):
    """Scores [model, sample] of each attack."""
    rows = [attack_target(phi, member, target) for target in range(len(phi))]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
