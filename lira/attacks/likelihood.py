"""The five attacks of the paper for some targets, from medians and spreads of the others' scores (Carlini et al. 2022).

For sample j and view a, IN and OUT are the scores of the shadow models that were trained with j and without j, in model
order; the published code cuts them to the smallest such count over all samples. Their centre is the median, and their
spread the population standard deviation over models. A score is the mean over views of

==============  ===================================================================================
online          log N(phi; IN) - log N(phi; OUT)
online_fixed    the same with one spread for both, that of all IN scores of all samples and views
offline         -log N(phi; OUT), two-sided
offline_fixed   the same with one spread, that of all OUT scores
global          phi
==============  ===================================================================================
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.attacks.block import IN, OUT, SAMPLES_PER_TASK
from lira.attacks.definition import Definition
from lira.attacks.order_statistics import SMALLEST_SPREAD
from lira.core.threads import cores


class Split(NamedTuple):
    """Models that are attacked, and the others, which are their shadow models."""

    targets: Int[np.ndarray, " target"]
    shadows: Int[np.ndarray, " model"]
    cuts: Mapping[str, int | None]  # how many scores of each side to use; 0: none is enough; all if not given

    @classmethod
    def of(cls, targets: np.ndarray, member: np.ndarray, sides: Iterable[str], cut: bool) -> "Split":
        """Splits the models; a side of which a sample has no score has none that is enough."""
        shadows = np.setdiff1d(np.arange(len(member)), targets)
        counts = {side: (member if side == IN else ~member)[shadows].sum(axis=0) for side in sides}
        smallest = {side: int(count.min(initial=len(shadows))) for side, count in counts.items()}
        return cls(targets, shadows, {side: least if cut or not least else None for side, least in smallest.items()})


def score_splits(
    read: Callable[[slice], np.ndarray],
    member: Bool[np.ndarray, "model sample"],
    splits: Sequence[Split],
    attacks: Sequence[str],
    definition: Definition,
    scores: Mapping[str, Any],
    workers: int | None = None,
) -> None:
    """Scores the targets of each split, block by block, twice if an attack pools spreads.

    Args:
        read: Returns phi ``[model, sample, view]`` of some samples.
        member: True where the sample trained the model.
        splits: Targets and shadow models.
        attacks: Names from this module.
        definition: Which reading of the attacks.
        scores: Arrays or HDF5 datasets to fill, by attack, with a row per target of all splits, in their order.
        workers: Number of threads; by default, one per core.
    """
    samples = member.shape[1]
    tasks = [slice(first, min(first + SAMPLES_PER_TASK, samples)) for first in range(0, samples, SAMPLES_PER_TASK)]
    pooling = any(name.endswith("_fixed") for name in attacks)
    first = read(slice(0, 1)) if pooling and samples else np.zeros((len(member), 0, 1))
    origins = [{side: _origin(first, member, split, side) for side in split.cuts} for split in splits]

    def fits(values: np.ndarray, task: slice, split: Split, origin: Mapping[str, float]) -> dict[str, _Fit]:
        x, held = values[split.shadows], member[split.shadows, task]
        return {side: _fit(x, held == (side == IN), cut, origin[side]) for side, cut in split.cuts.items()}

    def collect(task: slice) -> list[dict[str, np.ndarray]]:
        values = read(task)
        with np.errstate(invalid="ignore", over="ignore"):
            found = [fits(values, task, *of) for of in zip(splits, origins, strict=True)]
        return [{side: fit.moments for side, fit in of.items()} for of in found]

    def score(task: slice) -> None:
        values = read(task)
        rows: dict[str, list[np.ndarray]] = {name: [] for name in attacks}
        for split, origin, spreads in zip(splits, origins, pooled, strict=True):
            with np.errstate(invalid="ignore", over="ignore"):
                x, found = values[split.targets].astype(np.float64), fits(values, task, split, origin)
                for name, of_targets in rows.items():
                    of_targets.append(_score(name, x, found, spreads, definition).mean(axis=2))
        for name, of_targets in rows.items():
            scores[name][:, task] = np.concatenate(of_targets)

    with ThreadPoolExecutor(workers or cores()) as pool:
        parts = list(pool.map(collect, tasks)) if pooling else []
        pooled = [
            {side: _pooled_spread(sum((part[i][side] for part in parts), np.zeros(3))) for side in split.cuts}
            for i, split in enumerate(splits)
        ]
        list(pool.map(score, tasks))


def _pooled_spread(moments: np.ndarray) -> np.float64:
    with np.errstate(invalid="ignore"):
        mean, mean_square = moments[1:] / max(moments[0], 1)
        return np.sqrt(np.maximum(mean_square - mean**2, 0)) if moments[0] else np.float64(np.nan)


class _Fit(NamedTuple):
    """Normal distributions of one side's scores, and 1, score - origin and its square summed over all of them."""

    centre: Float[np.ndarray, "sample view"]
    spread: Float[np.ndarray, "sample view"]
    moments: Float[np.ndarray, "3"]


def _origin(first: np.ndarray, member: np.ndarray, split: Split, side: str) -> float:
    """Returns a score from which squares are counted without losing digits."""
    models = split.shadows[member[split.shadows, :1].any(axis=1) == (side == IN)]
    return float(first[models[0], 0, 0]) if first.size and len(models) else 0.0


def _fit(phi: np.ndarray, side: np.ndarray, cut: int | None, origin: float) -> _Fit:
    counts = side.sum(axis=0) if cut is None else np.full(side.shape[1], cut)
    models = np.argsort(~side, axis=0, kind="stable")
    centre, spread, moments = np.full(phi.shape[1:], np.nan), np.full(phi.shape[1:], np.nan), np.zeros(3)
    for count in np.unique(counts[counts > 0]):
        samples = np.flatnonzero(counts == count)
        values = phi[models[:count, samples], samples].astype(np.float64)
        centre[samples] = np.median(values, axis=0)
        spread[samples] = (values - centre[samples]).std(axis=0)  # equal values must have no spread at all
        moments += values.size, (values - origin).sum(), np.square(values - origin).sum()
    return _Fit(centre, spread, moments)


def score_pairs(
    values: Float[np.ndarray, "model pair view"],
    member: Bool[np.ndarray, "model pair"],
    targets: Int[np.ndarray, " pair"],
    cuts: Mapping[str, int | None],
) -> Float[np.ndarray, " pair"]:
    """Scores pairs of a sample and a target by ``online``, with all other models as shadow models, view by view."""
    others, pairs = np.arange(len(values))[:, None] != targets, np.arange(len(targets))
    held, out = (_fit(values, (member == (side == IN)) & others, cuts[side], 0.0) for side in (IN, OUT))
    x = values[targets, pairs].astype(np.float64)
    return _log_ratio(x, held, out).mean(axis=1)


def _score(
    attack: str, x: np.ndarray, fits: Mapping[str, _Fit], pooled: Mapping[str, float], definition: Definition
) -> np.ndarray:
    if attack == "global":
        return x
    out = fits[OUT]
    if attack.startswith("online"):
        held = fits[IN]
        if attack == "online":
            return _log_ratio(x, held, out)
        spread_out = pooled[IN if definition.fixed_spread == "in" else OUT]
        return _log_density(x, held.centre, pooled[IN]) - _log_density(x, out.centre, spread_out)
    spread = out.spread if attack == "offline" else pooled[OUT]
    if definition.offline == "one-sided":
        return (x - out.centre) / (spread + SMALLEST_SPREAD)
    return -_log_density(x, out.centre, spread)


def _log_ratio(x: np.ndarray, held: _Fit, out: _Fit) -> np.ndarray:
    return _log_density(x, held.centre, held.spread) - _log_density(x, out.centre, out.spread)


def _log_density(x: np.ndarray, centre: np.ndarray, spread: np.ndarray | float) -> np.ndarray:
    spread = spread + SMALLEST_SPREAD
    return -(((x - centre) / spread) ** 2) / 2 - np.log(spread) - np.log(2 * np.pi) / 2
