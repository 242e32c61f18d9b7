"""Draws which pool samples train which shadow model (balanced design of Carlini et al. 2022, whole or in blocks)."""

import numpy as np
from jaxtyping import Bool

from lira.core.validation import check_blocks, check_choice, check_number, check_whole


def balanced_membership(
    samples: int, models: int, fraction: float, seed: int, *, generator: str = "default_rng", by_rank: bool = False
) -> Bool[np.ndarray, "model sample"]:
    """Draws the membership matrix of one run.

    Every sample is a member of exactly ``int(fraction * models)`` models; how many members a model has varies.
    For each sample, the *sorting permutation* of uniform draws over the models is compared with that count. Ranks would
    be as balanced, but only the permutation reproduces the matrices of the published code. For a single model, each
    sample is drawn independently.

    The matrices of ``"default_rng"`` and ``"legacy"`` depend on the number of models as a whole. ``"nested"`` draws the
    same design block by block: for a fraction p/q in lowest terms, every sample is a member of exactly p models in each
    block of q, and a block depends on the seed and its place alone. So the first models stay as they are when more are
    added. With one half, models 2k and 2k + 1 hold complementary halves of the pool.

    Args:
        samples: N, the size of the pool.
        models: M, the number of shadow models.
        fraction: Expected share of members (``pkeep``); above 1 all are members, as in the published code.
        seed: Seed of the run.
        generator: ``"default_rng"`` (released code), ``"legacy"`` (``numpy.random.seed``, as in the preprint) or
            ``"nested"``.
        by_rank: Compare the ranks instead of the sorting permutation, in other than nested draws.

    Returns:
        True where the sample is in the training set of the model.

    Raises:
        ConfigError: A size, the seed, the share or the generator is out of range, or nested draws do not fit
            (:func:`lira.core.validation.check_blocks`).
    """
    check_choice(generator, "generator", ("default_rng", "legacy", "nested"))
    check_whole(models, "models", 1)
    check_whole(samples, "samples", 0)
    check_whole(seed, "seed", 0, 2**32 - 1 if generator == "legacy" else None)
    check_number(fraction, "fraction", "a share of members")
    if generator == "nested":
        return _nested_membership(samples, models, fraction, seed)
    rng = np.random.default_rng(seed) if generator == "default_rng" else np.random.RandomState(seed)
    draws = rng.uniform(size=(models, samples))
    if models == 1:
        return draws <= fraction
    members = min(models, max(0, int(fraction * models)))
    permutation = np.argsort(draws, axis=0)
    return (np.argsort(permutation, axis=0) if by_rank else permutation) < members


def _nested_membership(samples: int, models: int, fraction: float, seed: int) -> Bool[np.ndarray, "model sample"]:
    members, block = check_blocks(models, fraction)
    streams = (np.random.SeedSequence(seed, spawn_key=(number,)) for number in range(models // block))
    draws = (np.random.default_rng(stream).uniform(size=(block, samples)) for stream in streams)
    return np.concatenate([np.argsort(drawn, axis=0) < members for drawn in draws])
