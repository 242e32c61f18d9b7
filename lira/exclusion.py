"""Leave-one-out statistics of all targets at once (math-equivalent to one held-out attack per target).

With target t left out, the IN scores of a sample, cut to their first c in model order, are its first c + 1 IN scores
without one of them: t itself, or the last where t is not among them. So sorting those c + 1 values once, and their
first two moments, give the median and the standard deviation for every target; OUT likewise. Where the left-out value
carries nearly all of the variance, subtracting it would lose digits: there the deviation is computed from the values
that remain.

Blocks of samples are independent, so they are read, computed and written by one thread per core.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.cores import cores

SMALLEST_SPREAD = 1e-30
SAMPLES_PER_TASK = 256  # one read, and one write per attack
SAMPLES_PER_STEP = 32  # of 18 views and 256 models: 1 MB of float64, which stays in the cache
VIEWS_PER_PRODUCT = 64  # so many ratios, each above LOST, multiply without underflow
LOST = 1e-4  # share of the variance below which what remains is computed again
LARGEST = 1e100
TINY = 1e-18  # deviation below which SMALLEST_SPREAD is no longer negligible


def usable(phi: Float[np.ndarray, "model sample view"]) -> Bool[np.ndarray, " model"]:
    """Models whose scores are neither NaN nor infinite nor too large to square."""
    flat = phi.reshape(len(phi), -1)
    largest, smallest = np.float64(flat.max(axis=1, initial=0)), np.float64(flat.min(axis=1, initial=0))
    return (largest < LARGEST) & (smallest > -LARGEST)


def cut_sizes(side: Bool[np.ndarray, "model sample"]) -> Int[np.ndarray, " model"]:
    """For each model as the target, the smallest count of other models on this side over all samples."""
    counts = side.sum(axis=0)
    smallest = counts.min(initial=len(side))
    return smallest - side[:, counts == smallest].any(axis=1)


def score_all(
    phi: Any, member: Bool[np.ndarray, "model sample"], scores: Mapping[str, Any], workers: int | None = None
) -> Bool[np.ndarray, " model"]:
    """Fills the leave-one-out scores of every model.

    Args:
        phi: scaled logits [M, N, A]: an array, or what gives one for ``phi[:, first:last]``, as an HDF5 dataset does.
        member: True where the sample trained the model; no target may leave a side without a value that a score needs.
        scores: where each attack's [M, N] scores go: arrays or HDF5 datasets.
        workers: threads; one per core by default.

    Returns:
        True for the models whose phi is :func:`usable`. If one is not, the scores are undefined.
    """
    sides = _needed_sides(phi, member, set(scores))

    def task(first: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        block = np.ascontiguousarray(phi[:, first : first + SAMPLES_PER_TASK])
        clean = usable(block)
        if not clean.all():
            return clean, {}
        found, moments = _score_block(block, first, sides, scores.keys())
        for attack, values in found.items():
            scores[attack][:, first : first + SAMPLES_PER_TASK] = values
        return clean, moments

    with ThreadPoolExecutor(workers or cores()) as pool:
        done = list(pool.map(task, range(0, member.shape[1], SAMPLES_PER_TASK)))
    clean = np.all([part for part, _ in done], axis=0) if done else np.ones(len(member), dtype=bool)
    if clean.all() and done:
        samples_views = member.shape[1] * phi.shape[2]
        for attack, name in {"online_fixed": "in", "offline_fixed": "out"}.items():
            if attack in scores:
                moments = np.sum([parts[name] for _, parts in done], axis=0)
                _scale(scores[attack], attack, _pooled_spread(moments, sides[name].cuts * samples_views))
    return clean


class _Side(NamedTuple):
    held: Bool[np.ndarray, "model sample"]
    cuts: Int[np.ndarray, " model"]
    origin: float  # a score of this side, from which squares are counted without losing digits

    @classmethod
    def of(cls, phi: Any, held: np.ndarray) -> "_Side":
        first = np.asarray(phi[:, :1])[held[:, 0], 0, 0] if held.size else np.empty(0)
        return cls(held, cut_sizes(held), float(np.median(first)) if first.size else 0.0)


class _Sums(NamedTuple):
    """Sums over views, for each sample and target; axis 0 of one array [4, sample, model]."""

    surprise: Float[np.ndarray, "sample model"]  # -2 log density, less the constant 2 pi
    squares: Float[np.ndarray, "sample model"]  # squared distance to the median
    total: Float[np.ndarray, "sample model"]  # of the values on the side, less the origin
    total_squares: Float[np.ndarray, "sample model"]


def _needed_sides(phi: Any, member: np.ndarray, attacks: set[str]) -> dict[str, _Side]:
    sides = {}
    if attacks & {"online", "online_fixed"}:
        sides["in"] = _Side.of(phi, member)
    if attacks - {"global"}:
        sides["out"] = _Side.of(phi, ~member)
    return sides


def _score_block(block, first, sides, attacks):
    """Scores [model, sample] of each attack, those of fixed spread still to be scaled, and sums for that spread."""
    columns = slice(first, first + block.shape[1])
    sums = {name: _side_sums(block, side.held[:, columns], side.cuts, side.origin) for name, side in sides.items()}
    moments = {name: np.stack([part.total.sum(axis=0), part.total_squares.sum(axis=0)]) for name, part in sums.items()}
    return {attack: _combine(attack, block, sums) for attack in attacks}, moments


def _combine(attack: str, block: np.ndarray, sums: dict[str, _Sums]) -> Float[np.ndarray, "model sample"]:
    if attack == "global":
        return np.einsum("msv->ms", block, dtype=np.float64) / block.shape[2]
    held, out, views = sums.get("in"), sums["out"], block.shape[2]
    if attack == "online":
        return (out.surprise - held.surprise).T / (2 * views)
    if attack == "online_fixed":
        return (out.squares - held.squares).T / (2 * views)
    if attack == "offline":
        return out.surprise.T / (2 * views) + np.log(2 * np.pi) / 2
    return out.squares.T / (2 * views)


def _pooled_spread(moments: np.ndarray, counts: np.ndarray) -> np.ndarray:
    mean, mean_square = moments / counts
    return np.sqrt(np.maximum(mean_square - mean**2, 0)) + SMALLEST_SPREAD


def _scale(scores: Any, attack: str, spread: np.ndarray) -> None:
    constant = np.log(spread) + np.log(2 * np.pi) / 2 if attack == "offline_fixed" else np.zeros_like(spread)
    for first in range(0, scores.shape[1], SAMPLES_PER_TASK):
        task = slice(first, first + SAMPLES_PER_TASK)
        scores[:, task] = scores[:, task] / spread[:, None] ** 2 + constant[:, None]


def _side_sums(block: np.ndarray, held: np.ndarray, cuts: np.ndarray, origin: float) -> _Sums:
    counts = held.sum(axis=0)
    found = {}
    for cut in np.unique(cuts):
        found[cut] = np.empty((4, held.shape[1], held.shape[0]))
        for samples, compute in ((counts > cut, _leave_each_out), (counts <= cut, _leave_none_out)):
            samples = np.flatnonzero(samples)
            order = np.argsort(~held[:, samples], axis=0, kind="stable").T
            values = np.empty((4, *order.shape))
            for start in range(0, len(samples), SAMPLES_PER_STEP):
                step = slice(start, start + SAMPLES_PER_STEP)
                compute(_arrange(block, samples[step], order[step]), cut, origin, values[:, step])
            found[cut][:, samples] = _in_model_order(values, order)
    return _Sums(*next(iter(found.values()))) if len(found) == 1 else _Sums(*_by_target(found, cuts))


def _in_model_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    ordered = np.empty_like(values)
    places = order + order.shape[1] * np.arange(len(order))[:, None]
    for part, into in zip(values, ordered, strict=True):
        into.put(places, part)
    return ordered


def _by_target(found: dict[int, np.ndarray], cuts: np.ndarray) -> np.ndarray:
    return np.stack([found[cut][:, :, target] for target, cut in enumerate(cuts)], axis=-1)


def _arrange(block: np.ndarray, samples: np.ndarray, order: np.ndarray) -> Float[np.ndarray, "sample view model"]:
    """The scores of some samples, each sample's models in its own order."""
    rows = order * block.shape[1] + samples[:, None]
    return np.ascontiguousarray(block.reshape(-1, block.shape[2]).take(rows, axis=0).transpose(0, 2, 1))


def _leave_each_out(x: Float[np.ndarray, "sample view model"], cut: int, origin: float, sums: np.ndarray):
    """:class:`_Sums` where the first ``cut + 1`` models are on the side and one of them is left out."""
    within, beyond = x[..., : cut + 1], x[..., cut + 1 :]
    own, other = sums[..., : cut + 1], sums[..., cut + 1 :]
    middle = _Middle.of(within)
    distance = within - middle.centre
    squares = np.square(middle.distance_to_median(distance))
    variances, logs = _variances_without_each(within, distance)
    squares.sum(axis=1, out=own[1])
    squares /= variances
    np.add(squares.sum(axis=1), logs, out=own[0])
    from_origin = within - np.float64(origin)
    _left_over(from_origin.sum(axis=1), sums[2])
    _left_over(np.square(from_origin, out=from_origin).sum(axis=1), sums[3])
    _constant_side(beyond, middle.median_without(within[..., -1:]), variances[..., -1:], other)


def _leave_none_out(x: Float[np.ndarray, "sample view model"], cut: int, origin: float, sums: np.ndarray):
    """:class:`_Sums` where only the first ``cut`` models are on the side, and the target is none of them."""
    values = x[..., :cut].astype(np.float64)
    spread = (values - values[..., :1]).std(axis=-1, keepdims=True) + SMALLEST_SPREAD
    _constant_side(x, np.median(values, axis=-1, keepdims=True), spread**2, sums)
    values -= origin
    sums[2] = values.sum(axis=(1, 2))[:, None]
    sums[3] = np.square(values).sum(axis=(1, 2))[:, None]


def _constant_side(x: np.ndarray, median: np.ndarray, variance: np.ndarray, sums: np.ndarray) -> None:
    distance = np.square(x - median)
    distance.sum(axis=1, out=sums[1])
    distance /= variance
    np.add(distance.sum(axis=1), np.log(variance).sum(axis=1), out=sums[0])


def _left_over(values: Float[np.ndarray, "sample within"], total: Float[np.ndarray, "sample model"]) -> None:
    """Sum of the others for each value, added up from both ends because subtracting a large one would lose digits."""
    within = values.shape[1]
    total[:, 0] = 0
    np.cumsum(values[:, :-1], axis=1, out=total[:, 1:within])
    total[:, within:] = total[:, within - 1 : within]
    total[:, : within - 1] += np.cumsum(values[:, :0:-1], axis=1)[:, ::-1]


class _Middle(NamedTuple):
    """The middle order statistics of each row, float64 [sample, view, 1]; ``centre`` is the row's median."""

    below: np.ndarray
    centre: np.ndarray
    above: np.ndarray
    even: bool

    @classmethod
    def of(cls, x: Float[np.ndarray, "sample view value"]) -> "_Middle":
        half, even = x.shape[-1] // 2, x.shape[-1] % 2 == 0
        ordered = np.sort(x, axis=-1)[..., half - 1 : half + 2].astype(np.float64)
        if even:
            return cls(ordered[..., :1], (ordered[..., :1] + ordered[..., 1:2]) / 2, ordered[..., 1:2], True)
        return cls(ordered[..., :1], ordered[..., 1:2], ordered[..., 2:], False)

    def distance_to_median(self, from_centre: np.ndarray) -> np.ndarray:
        """Distance of each value to the median of the others, from its distance to the median of all."""
        distance = np.abs(from_centre)
        if self.even:
            distance += (self.above - self.below) / 2
        else:
            shift = np.where(from_centre < 0, self.above - self.centre, self.centre - self.below) / 2
            around = np.abs((self.below + self.above) / 2 - self.centre)
            distance += np.where(from_centre == 0, around, shift)
        return distance

    def median_without(self, value: np.ndarray) -> np.ndarray:
        """Median of the row without one of its values."""
        if self.even:
            return np.where(value <= self.below, self.above, self.below)
        low, high = (self.below + self.centre) / 2, (self.centre + self.above) / 2
        return np.where(value < self.centre, high, np.where(value > self.centre, low, (self.below + self.above) / 2))


def _variances_without_each(x: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of each row without each of its values, and the sum over views of its logarithm.

    ``distance`` is from the row's median, an origin as good as its mean; it is overwritten.
    """
    cut = x.shape[-1] - 1
    variances = np.square(distance)
    total, squares = distance.sum(axis=-1, keepdims=True), variances.sum(axis=-1, keepdims=True)
    np.subtract(squares, variances, out=variances)
    variances *= 1 / cut
    np.subtract(total, distance, out=distance)
    distance *= 1 / cut
    variances -= np.square(distance, out=distance)
    whole = (squares - total**2 / (cut + 1)) / cut
    limit = np.maximum(LOST * whole, TINY**2)
    rows = variances.min(axis=-1) <= limit[..., 0]
    if rows.any():
        variances[rows] = _recomputed(x[rows], variances[rows], limit[rows])
        return variances, np.log(variances).sum(axis=1)
    logs = np.log(whole).sum(axis=1)
    ratios = np.divide(variances, whole, out=distance)
    for views in range(0, x.shape[1], VIEWS_PER_PRODUCT):
        logs = logs + np.log(ratios[:, views : views + VIEWS_PER_PRODUCT].prod(axis=1))
    return variances, logs


def _recomputed(x: Float[np.ndarray, "row value"], variances: np.ndarray, limit: np.ndarray) -> np.ndarray:
    row, left_out = np.nonzero(variances <= limit)
    kept = np.arange(x.shape[1] - 1)
    kept = kept + (kept >= left_out[:, None])
    values = x[row[:, None], kept].astype(np.float64)
    spread = (values - values[:, :1]).std(axis=1) + SMALLEST_SPREAD  # equal values must have no spread at all
    variances[row, left_out] = spread**2
    return variances
