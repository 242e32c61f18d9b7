"""Whether attacks flag the same records over seeds: each attack with itself, and with every other attack."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from lira.evaluation.bootstrap import NORMAL
from lira.evaluation.detections import support_qualified
from lira.evaluation.estimates import least_error
from lira.evaluation.records import attacks_of
from lira.storage.comparison import Comparison

DRAWS = 200


class Stability(NamedTuple):
    """Agreement of two attacks, or of one with itself, as Jaccard fractions.

    Attributes:
        across: Mean over pairs of different seeds: what the first flags with one, and the second with the other.
        low: Lower end of its 95 % interval; NaN with fewer than three runs, which have no spread between them.
        high: Upper end.
        chance: Mean of the Jaccard of independent sets of these sizes: expected intersection over expected union.
        within: Mean over seeds of the Jaccard of both with the same seed; NaN of one attack.
    """

    across: float
    low: float
    high: float
    chance: float
    within: float


def measure_stability(
    first: Bool[np.ndarray, "run sample"], second: Bool[np.ndarray, "run sample"] | None = None
) -> Stability:
    """Compares what two attacks flag over seeds, or one attack alone.

    The interval adds the variance from leaving out one run at a time to that over draws of the samples, at least that
    of one sample: sets of a few records that are all apart, or all the same, show none.

    Args:
        first: True where a run flags the sample.
        second: The same of another attack on the same runs.
    """
    sets = first if second is None else np.concatenate([first, second])
    runs, samples, offset = len(first), first.shape[1], 0 if second is None else len(first)
    rng, flat = np.random.default_rng(0), sets.astype(np.float64)
    pairs = [(i, j + offset) for i in range(runs) for j in range(runs) if i != j and (second is not None or i < j)]

    def overlap(weights: np.ndarray, chosen: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        shared = (flat * weights) @ flat.T
        sizes, (i, j) = np.diag(shared), np.transpose(chosen)
        union = sizes[i] + sizes[j] - shared[i, j]
        return _quotient(shared[i, j], union), union

    ones = np.ones(samples)
    (found, union), low, high = overlap(ones, pairs), np.nan, np.nan
    if runs > 2:
        drawn = [_mean(overlap(rng.multinomial(samples, ones / samples), pairs)[0]) for _ in range(DRAWS)]
        left_out = [
            _mean([value for value, pair in zip(found, pairs, strict=True) if run not in (pair[0], pair[1] - offset)])
            for run in range(runs)
        ]
        over_samples = np.var([value for value in drawn if value == value] or [np.nan])
        least = least_error(_mean(union[union > 0])) ** 2
        error = np.sqrt(np.maximum(over_samples, least) + (runs - 1) * np.var(left_out))
        low, high = np.clip(_mean(found) + np.array([-NORMAL, NORMAL]) * error, 0, 1)
    shares = sets.mean(axis=1)
    i, j = np.transpose(pairs)
    both = shares[i] * shares[j]
    chance = _mean(_quotient(both, shares[i] + shares[j] - both))
    same = np.nan
    if second is not None:
        same = _mean(overlap(ones, [(run, run + offset) for run in range(runs)])[0])
    return Stability(float(_mean(found)), float(low), float(high), float(chance), float(same))


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """Averages what is not NaN; NaN if nothing is."""
    known = np.asarray(values)[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _quotient(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(np.shape(over), np.nan), where=under > 0)


def stability_of(comparison: Comparison, fpr: float, support: int) -> Iterator[dict[str, Any]]:
    """Yields a row per pair of the attacks that records are counted by: names and :class:`Stability`.

    Args:
        comparison: Runs that differ by seed only.
        fpr: Target FPR of the shadow thresholds.
        support: Fewest detections of a flagged record, whatever its false alarms.
    """
    runs = list(comparison.reference.values())
    attacks = attacks_of(runs)
    sets = {
        name: np.stack([support_qualified(run.counts(fpr, name), support, zero_fp=False) for run in runs])
        for name in attacks
    }
    for one, other in combinations_with_replacement(attacks, 2):
        found = measure_stability(sets[one], None if one == other else sets[other])
        yield {"attack": one, "other": other, "runs": len(runs)} | found._asdict()
