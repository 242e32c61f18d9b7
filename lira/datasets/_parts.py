"""Draws a part of a dataset that has as many samples of each class as can be, and counts equal samples."""

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
from jaxtyping import Int, Shaped, UInt64

from lira.core.errors import ConfigError


def balanced(labels: Int[np.ndarray, " sample"], count: int, seed: int) -> Int[np.ndarray, " chosen"]:
    """Draws so many samples, of each class equally many: all of a class that has fewer, and one more of the first.

    A smaller part is a part of a larger one with the same seed.

    Returns:
        Their places in ``labels``, ascending.

    Raises:
        ConfigError: There are fewer samples, or a class would have one.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if not 2 * len(classes) <= count <= len(labels):
        raise ConfigError(
            f"samples: cannot draw {count} of {len(labels)} samples: allowed are {2 * len(classes)} to {len(labels)}, "
            f"as each of {len(classes)} classes needs two"
        )
    rng = np.random.default_rng(seed)
    turn = np.empty(len(labels), np.int64)  # in which a sample is taken: the first of each class, then the second
    for label, size in zip(classes, sizes, strict=True):
        turn[labels == label] = rng.permutation(size)
    return np.sort(np.lexsort((labels, turn))[:count])


def digests(x: Shaped[np.ndarray, "sample ..."]) -> UInt64[np.ndarray, " sample"]:
    """Returns a number for each sample, which equal samples share: others do in one of 10^7 datasets of a million."""
    x = x + 0.0 if x.dtype.kind == "f" else x  # makes -0.0 the same as 0.0
    return np.frombuffer(b"".join(blake2b(one.tobytes(), digest_size=8).digest() for one in x), np.uint64)


def duplicates(parts: Mapping[str, UInt64[np.ndarray, " sample"]]) -> dict[str, int]:
    """Counts the samples of the pool that are equal to another in it, and those of other parts equal to one in it.

    Args:
        parts: :func:`digests` of each part.
    """
    pool = parts["pool"]
    _, times = np.unique(pool, return_counts=True)
    others = {name: int(np.isin(part, pool).sum()) for name, part in parts.items() if name != "pool"}
    return {"pool": int(times[times > 1].sum()), **others}
