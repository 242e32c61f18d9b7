"""Worlds of scaled logits: some in which the TPR at any FPR has a closed form, and some to compare attacks on."""

import numpy as np
from scipy.stats import norm

from lira.shadows.membership import balanced_membership


def gaussian_world(models, samples, separation, seed=0, *, views=1, spread=0.0):
    """Scaled logits N(mu, 1) of non-members and N(mu + separation, 1) of members, and membership.

    They are independent over models, samples and views; mu ~ N(0, spread**2), one per sample.
    """
    generator = np.random.default_rng(seed)
    member = generator.permuted(np.arange(models)[:, None] < np.full((1, samples), models // 2), axis=0)
    mean = spread * generator.normal(size=samples)[:, None] + separation * member[:, :, None]
    return mean + generator.normal(size=(models, samples, views)), member


def gaussian_tpr(fpr, separation, *, views=1, spread=0.0):
    """TPR in :func:`gaussian_world`: of the likelihood ratio by default, of the score itself for its ``spread``.

    The sum over views is normal with unit separation d = separation / sqrt(spread**2 + 1 / views), so
    TPR = Phi(d + Phi^-1(FPR)). The likelihood ratio knows mu and has no spread.
    """
    return norm.cdf(separation / np.sqrt(spread**2 + 1 / views) + norm.ppf(fpr))


def scored_world(models, samples, views, *, seed=0, ragged=False, dtype=np.float64, steps=None):
    """Phi and member; each sample is in and out of at least two models."""
    rng = np.random.default_rng(seed)
    member = balanced_membership(samples, models, 0.5, seed)
    if ragged:
        member = rng.random((models, samples)) < rng.uniform(0.2, 0.8, samples)
        for row, held in enumerate((True, True, False, False)):
            member[row] = held
    phi = rng.normal(2, 3, samples)[None, :, None] + rng.normal(size=(models, samples, views))
    phi = phi + member[:, :, None] * np.abs(rng.standard_t(2, samples))[None, :, None]
    phi = phi if steps is None else np.round(phi * steps) / steps
    return phi.astype(dtype), member
