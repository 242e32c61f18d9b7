"""Which pool samples train which shadow model (balanced design of Carlini et al. 2022)."""

import numpy as np
from jaxtyping import Bool

from lira.errors import ConfigError


def balanced_membership(
    samples: int,
    models: int,
    fraction: float,
    seed: int,
    *,
    generator: str = "default_rng",
    by_rank: bool = False,
) -> Bool[np.ndarray, "model sample"]:
    """Draws the membership matrix of one run.

    Every sample is a member of exactly ``int(fraction * models)`` models; how many members a model has varies.
    For each sample the *sorting permutation* of uniform draws over the models is compared with that count. Ranks would
    be as balanced, but only the permutation reproduces the matrices of the published code. A single model is a plain
    independent draw.

    Args:
        samples: N, the size of the pool.
        models: M, the number of shadow models.
        fraction: expected share of members (``pkeep``).
        seed: seed of the run.
        by_rank: compare the ranks instead of the sorting permutation.
        generator: ``"default_rng"`` (released code) or ``"legacy"`` (``numpy.random.seed``, as in the preprint).

    Returns:
        True where the sample was in the training set of the model.

    Raises:
        ConfigError: fewer than one model, a negative pool, or an unknown generator.
    """
    if models < 1:
        raise ConfigError(f"models is {models}: at least 1 shadow model is needed")
    if samples < 0:
        raise ConfigError(f"samples is {samples}: the pool size cannot be negative")
    draws = _uniform(generator, seed, (models, samples))
    if models == 1:
        return draws <= fraction
    members = min(models, max(0, int(fraction * models)))
    permutation = np.argsort(draws, axis=0)
    return (np.argsort(permutation, axis=0) if by_rank else permutation) < members


def _uniform(generator: str, seed: int, shape: tuple[int, int]) -> np.ndarray:
    if generator == "default_rng":
        return np.random.default_rng(seed).uniform(size=shape)
    if generator == "legacy":
        return np.random.RandomState(seed).uniform(size=shape)
    raise ConfigError(f"generator is {generator!r}: allowed are 'default_rng' and 'legacy'")
