"""The suite's leave-one-out attacks, one target and one sample's shadow models at a time."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, logsumexp, polygamma
from scipy.stats import norm, t

LIRA = ("online", "online_fixed", "offline", "offline_fixed", "global")


def attack_target(phi, member, target, cut=False):
    """Scores [sample] of each of the paper's attacks on one target, with all other models as shadow models.

    Phi is [model, sample, view], member [model, sample].
    """
    phi = np.asarray(phi, np.float64)
    inside, outside = sides(phi, member, target)
    if cut:
        inside, outside = ([x[: min(map(len, side))] for x in side] for side in (inside, outside))
    x = phi[target]
    center_in, center_out = (np.array([np.median(scores, axis=0) for scores in side]) for side in (inside, outside))
    spread_in, spread_out = (np.array([scores.std(axis=0) for scores in side]) + 1e-30 for side in (inside, outside))
    fixed_in, fixed_out = (np.concatenate(side).std() + 1e-30 for side in (inside, outside))
    log_out = norm.logpdf(x, center_out, spread_out)
    online_fixed = norm.logpdf(x, center_in, fixed_in) - norm.logpdf(x, center_out, fixed_in)
    return {
        "online": (norm.logpdf(x, center_in, spread_in) - log_out).mean(axis=1),
        "online_fixed": online_fixed.mean(axis=1),
        "offline": -log_out.mean(axis=1),
        "offline_fixed": -norm.logpdf(x, center_out, fixed_out).mean(axis=1),
        "global": x.mean(axis=1),
    }


def sides(phi, member, target):
    """Scores [model, view] of each sample's IN and OUT shadow models."""
    shadows = np.delete(np.arange(len(phi)), target)
    held = member[shadows]
    inside = [phi[shadows[held[:, j]], j] for j in range(phi.shape[1])]
    return inside, [phi[shadows[~held[:, j]], j] for j in range(phi.shape[1])]


def reference(phi, member, target):
    """Share of OUT below the target, ties one half."""
    _, outside = sides(phi, member, target)
    pairs = zip(phi[target], outside, strict=True)
    return np.array([((scores < x).mean(axis=0) + (scores <= x).mean(axis=0)).mean() / 2 for x, scores in pairs])


def log_p(phi):
    """Logarithm of the true class's probability."""
    return -np.logaddexp(0, -phi)


def log_ratios(phi, member, target, share_in, share_out):
    """Log of the target's p minus that of the weighted mean p over IN, OUT and 1, mean over views."""
    found = []
    for x, inside, outside in zip(phi[target], *sides(phi, member, target), strict=True):
        logs = [np.log(share_out) + logsumexp(log_p(outside), axis=0) - np.log(len(outside))]
        if share_in:
            logs.append(np.log(share_in) + logsumexp(log_p(inside), axis=0) - np.log(len(inside)))
        rest = 1 - share_in - share_out
        logs.append(np.full(len(x), np.log(rest) if rest > 1e-12 else -np.inf))
        found.append((log_p(x) - logsumexp(logs, axis=0)).mean())
    return np.array(found)


def base(phi, member, target):
    """BASE with IN and OUT models."""
    return log_ratios(phi, member, target, 0.5, 0.5)


def base_offline(phi, member, target):
    """BASE with OUT models."""
    return log_ratios(phi, member, target, 0, 1)


def rmia(phi, member, target, gamma=2.0):
    """RMIA with IN and OUT models, every pair of samples compared."""
    return dominated(base(phi, member, target), gamma)


def rmia_offline(phi, member, target, gamma=2.0, a=0.3):
    """RMIA with OUT models."""
    return dominated(log_ratios(phi, member, target, 0, (1 + a) / 2), gamma)


def dominated(logs, gamma):
    """Share of the other samples z with r(x) / r(z) >= gamma."""
    others = [np.delete(logs, j) for j in range(len(logs))]
    return np.array([(other <= log - np.log(gamma)).mean() for log, other in zip(logs, others, strict=True)])


def variance(values):
    """Sample variance, exactly 0 of equal values."""
    return (values - values[0]).var(ddof=1)


def prior(scores):
    """Degrees of freedom and variance behind the variances of all samples' scores, as in limma."""
    kept = [values for values in scores if len(values) > 1 and variance(values) > 0]
    freedom = np.array([len(values) - 1 for values in kept], dtype=float)
    e = np.log([variance(values) for values in kept]) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = e.var(ddof=1) - polygamma(1, freedom / 2).mean() if len(kept) > 1 else 0
    if not kept:
        return np.inf, 1e-60
    if not beyond > 0:
        return np.inf, np.exp(e.mean())
    half = np.exp(brentq(lambda y: np.log(polygamma(1, np.exp(y))) - np.log(beyond), -50, 50, xtol=1e-15, rtol=1e-15))
    return 2 * half, np.exp(e.mean() + digamma(half) - np.log(half))


def predictive(values, d0, v0):
    """Distribution of a new score of a sample with these scores."""
    n, d = len(values), len(values) - 1
    squares = d * variance(values) if d else 0
    moderated = v0 if np.isinf(d0) else (d0 * v0 + squares) / (d0 + d)
    scale = np.sqrt(moderated * (1 + 1 / n))
    centre = values[0] + (values - values[0]).mean()  # of equal values, that value
    return norm(centre, scale) if np.isinf(d0) else t(d0 + d, centre, scale)


def moderated(phi, member, target, score=lambda x, held, out: held.logpdf(x) - out.logpdf(x), needed=(0, 1)):
    """LiRA with variances that borrow from all samples; NaN where a side that is needed has no score."""
    found = np.empty(phi.shape[1:])
    for view in range(phi.shape[2]):
        both = [[scores[:, view] for scores in side] for side in sides(phi, member, target)]
        priors = [prior(side) if i in needed else None for i, side in enumerate(both)]
        for j in range(phi.shape[1]):
            if any(not len(both[i][j]) for i in needed):
                found[j, view] = np.nan
                continue
            of = [predictive(both[i][j], *priors[i]) if i in needed else None for i in (0, 1)]
            found[j, view] = score(phi[target, j, view], *of)
    return found.mean(axis=1)


def offline_moderated(phi, member, target):
    """Logarithm of how unlikely so high a score is under OUT."""
    return moderated(phi, member, target, lambda x, _, out: -out.logsf(x), needed=(1,))


OTHERS = {
    "rmia": rmia,
    "rmia_offline": rmia_offline,
    "base": base,
    "base_offline": base_offline,
    "moderated": moderated,
    "offline_moderated": offline_moderated,
    "reference": reference,
}


def leave_one_out(phi, member, cut=False):
    """Scores [model, sample] of each of the paper's attacks."""
    rows = [attack_target(phi, member, target, cut) for target in range(len(phi))]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def all_targets(name, phi, member, **options):
    """Scores [model, sample] of another attack."""
    phi = np.asarray(phi, np.float64)
    return np.stack([OTHERS[name](phi, member, target, **options) for target in range(len(phi))])
