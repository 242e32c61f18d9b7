"""Attacks all models at once, each with all others as shadow models (math-equivalent to one attack per target).

When target t is left out, the first c IN scores of a sample, in model order, are its first c + 1 IN scores without one
of them: without t, or without the last if t is not among them. The same holds for OUT. So one pass over a sample serves
every target (:mod:`lira.attacks.order_statistics`). Blocks of samples are read, computed and written independently, on
one thread per core.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.attacks.block import SAMPLES_PER_TASK, Reader
from lira.attacks.likelihood import score_pairs
from lira.attacks.order_statistics import SMALLEST_SPREAD, Scratch, surprise, surprise_without_each
from lira.core.threads import cores
from lira.storage.run import cut_sizes

VALUES_PER_STEP = 150_000  # 1.2 MB of float64, which stays in the cache
DEGENERATE = 1e20  # a squared distance in spreads of 1e-30, those of equal values


def score_all(
    reader: Reader,
    member: Bool[np.ndarray, "model sample"],
    scores: Mapping[str, Any],
    cut: bool,
    workers: int | None = None,
) -> None:
    """Computes the leave-one-out scores of every model; they are undefined if one is not usable.

    Args:
        reader: Reads phi ``[model, sample, view]``.
        member: True where the sample trained the model. Without any one model, each sample must still have the IN and
            OUT scores that the attacks need.
        scores: Arrays or HDF5 datasets [M, N] to fill, by attack.
        cut: Whether to use as many scores of each sample as the sample with the fewest has.
        workers: Number of threads; by default, one per core.
    """
    sides = _needed_sides(reader.phi, member, set(scores), cut)
    scratch = Scratch()

    def task(first: int) -> dict[str, np.ndarray]:
        samples = slice(first, min(first + SAMPLES_PER_TASK, member.shape[1]))
        block = reader(samples)
        if not reader.clean.all():
            return {}
        sums, moments = _sum_sides(block, {name: side.at(samples) for name, side in sides.items()}, scratch)
        for attack, into in scores.items():
            found = _combine(attack, block, sums)
            if attack == "online":
                _score_again(found, block, member[:, samples], sums, sides)
            into[:, samples] = found
        return moments

    with ThreadPoolExecutor(workers or cores()) as pool:
        done = list(pool.map(task, range(0, member.shape[1], SAMPLES_PER_TASK)))
    if not reader.clean.all() or not done:
        return
    for attack, name in {"online_fixed": "in", "offline_fixed": "out"}.items():
        if attack in scores:
            moments = sum((parts[name] for parts in done), np.zeros((2, len(member))))
            _scale(scores[attack], attack, sides[name].spread(moments, reader.phi.shape[2]))


class _Side(NamedTuple):
    """The models that hold a sample (IN), or those that do not (OUT)."""

    held: Bool[np.ndarray, "model sample"]
    cuts: Int[np.ndarray, " model"] | None  # each target's number of scores of every sample, unless all are used
    origin: float  # a score of this side, from which squares are counted without losing digits

    @classmethod
    def of(cls, phi: Any, held: np.ndarray, cut: bool) -> "_Side":
        first = np.asarray(phi[:, :1])[held[:, 0], 0, 0] if held.size else np.empty(0)
        return cls(held, cut_sizes(held) if cut else None, float(np.median(first)) if first.size else 0.0)

    def at(self, samples: slice) -> "_Side":
        return self._replace(held=self.held[:, samples])

    def targets(self, cut: int) -> Bool[np.ndarray, " model"]:
        """Tells which targets have so many scores of every sample."""
        return np.ones(len(self.held), dtype=bool) if self.cuts is None else self.cuts == cut

    def spread(self, moments: np.ndarray, views: int) -> Float[np.ndarray, " model"]:
        """Returns the spread of all scores that are used for each target."""
        if self.cuts is None:
            moments = np.stack([_sum_of_others(own) for own in moments])
            return _pooled_spread(moments, (self.held.sum() - self.held.sum(axis=1)) * views)
        return _pooled_spread(moments, self.cuts * self.held.shape[1] * views)


class _Window(NamedTuple):
    """Positions, in the order of models, of a side's first ``cut + 1`` models, or ``cut`` if there are no more.

    If ``whole``, they are all of the side, and targets that are none of them have one score more.
    """

    side: str
    cut: int
    start: int
    stop: int
    whole: bool = False

    @property
    def complete(self) -> bool:
        """Tells whether there is a value to leave out."""
        return self.stop - self.start > self.cut


class _Job(NamedTuple):
    """Samples of a block whose models are ordered in the same way, for one side or both."""

    samples: Int[np.ndarray, " sample"]
    order: Int[np.ndarray, "sample model"]
    windows: list[_Window]


def _needed_sides(phi: Any, member: np.ndarray, attacks: set[str], cut: bool) -> dict[str, _Side]:
    sides = {}
    if attacks & {"online", "online_fixed"}:
        sides["in"] = _Side.of(phi, member, cut)
    if attacks - {"global"}:
        sides["out"] = _Side.of(phi, ~member, cut)
    return sides


def _sum_sides(
    block: np.ndarray, sides: dict[str, _Side], scratch: Scratch
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns the sums [2, model, sample] of :func:`surprise_without_each` and the pooled moments, by side."""
    sums = {name: scratch.array(f"sums {name}", (2, *block.shape[:2])) for name in sides}
    moments = {name: np.zeros((2, len(block))) for name in sides}
    for job in _jobs(sides):
        arranged = {window: scratch.array(f"arranged {window.side}", (2, *job.order.shape)) for window in job.windows}
        totals = {window: np.empty((2, len(job.order), window.stop - window.start)) for window in job.windows}
        samples_per_step = max(1, VALUES_PER_STEP // (len(block) * block.shape[2]))
        for start in range(0, len(job.samples), samples_per_step):
            step = slice(start, start + samples_per_step)
            x = _arrange(block, job.samples[step], job.order[step], scratch)
            for window in job.windows:
                into = arranged[window][:, step], totals[window][:, step]
                _sum_window(x, window, sides[window.side].origin, *into, scratch)
        for window in job.windows:
            targets = sides[window.side].targets(window.cut)
            moments[window.side] += np.where(targets, _moments(totals[window], job.order, window), 0)
            _put(sums[window.side], arranged[window], job, targets, scratch)
    return sums, moments


def _jobs(sides: dict[str, _Side]) -> Iterator[_Job]:
    """Yields one job for all samples and sides if all their models are used (balanced design), else several."""
    counts = {name: side.held.sum(axis=0) for name, side in sides.items()}
    if not sides:
        return
    if sides["out"].cuts is None:
        yield from _whole_jobs(sides, counts["out"])
        return
    cuts = {name: np.unique(side.cuts) for name, side in sides.items() if side.cuts is not None}
    if all(len(cuts[name]) == 1 and (counts[name] == cuts[name] + 1).all() for name in sides):
        held = sides["out"].held
        order, cut = np.argsort(held, axis=0, kind="stable").T, int(cuts["out"][0])
        middle = len(held) - cut - 1
        windows = [_Window("in", int(cut_in), 0, middle) for cut_in in cuts.get("in", ())]
        yield _Job(np.arange(len(order)), order, [*windows, _Window("out", cut, middle, len(held))])
        return
    for name, side in sides.items():
        for cut in cuts[name]:
            for size, chosen in ((cut + 1, counts[name] > cut), (cut, counts[name] <= cut)):
                if chosen.any():
                    order = np.argsort(~side.held[:, chosen], axis=0, kind="stable").T
                    yield _Job(np.flatnonzero(chosen), order, [_Window(name, int(cut), 0, int(size))])


def _whole_jobs(sides: dict[str, _Side], counts: Int[np.ndarray, " sample"]) -> Iterator[_Job]:
    """Yields a job for the samples of each number of models, which use all of them."""
    models = len(sides["out"].held)
    for count in np.unique(counts):
        chosen, middle = counts == count, models - int(count)
        order = np.argsort(sides["out"].held[:, chosen], axis=0, kind="stable").T
        windows = [_Window("out", int(count) - 1, middle, models, whole=True)]
        if "in" in sides:
            windows.append(_Window("in", middle - 1, 0, middle, whole=True))
        yield _Job(np.flatnonzero(chosen), order, windows)


def _arrange(
    block: np.ndarray, samples: np.ndarray, order: np.ndarray, scratch: Scratch
) -> Float[np.ndarray, "sample view model"]:
    """Returns the scores of some samples, with the models of each sample in its own order."""
    models, views = order.shape[1], block.shape[2]
    near = scratch.array("near", (models, len(samples), views), block.dtype)  # gathering from it misses no cache
    block.take(samples, axis=1, out=near, mode="clip")  # "raise" would copy
    gathered = scratch.array("gathered", (*order.shape, views), block.dtype)
    rows = order * len(samples) + np.arange(len(samples))[:, None]
    near.reshape(-1, views).take(rows, axis=0, out=gathered, mode="clip")
    arranged = scratch.array("arranged", (len(samples), views, models), block.dtype)
    np.copyto(arranged, gathered.transpose(0, 2, 1))
    return arranged


def _sum_window(
    x: np.ndarray, window: _Window, origin: float, sums: np.ndarray, totals: np.ndarray, scratch: Scratch
) -> None:
    within = x[..., window.start : window.stop]
    if window.complete:
        beyond = slice(window.stop, None) if window.start == 0 else slice(0, window.start)
        own = sums[..., window.start : window.stop]
        surprise_without_each(within, x[..., beyond], own, sums[..., beyond], scratch, window.whole)
    else:
        surprise(within, x, sums, scratch)
    distance = np.subtract(within, np.float64(origin), out=scratch.array("distance", within.shape))
    distance.sum(axis=1, out=totals[0])
    np.square(distance, out=distance).sum(axis=1, out=totals[1])


def _moments(totals: np.ndarray, order: np.ndarray, window: _Window) -> Float[np.ndarray, "2 model"]:
    """Sums the scores, and their squares, that a side keeps for each target, over samples; each model's own if whole.

    It only adds and never subtracts, so that a model with huge scores causes no rounding error where it is left out.
    """
    models, holders = order.shape[1], order[:, window.start : window.stop]
    if window.whole:
        own = [np.bincount(holders.ravel(), weights=total.ravel(), minlength=models) for total in totals]
        return np.stack(own)
    if not window.complete:
        return np.repeat(totals.sum(axis=(1, 2))[:, None], models, axis=1)
    others, last = holders[:, :-1].ravel(), holders[:, -1]
    by_model = (np.bincount(others, weights=total[:, :-1].ravel(), minlength=models) for total in totals)
    left = np.stack([_sum_of_others(total) for total in by_model])
    among = np.zeros(order.shape)
    np.put_along_axis(among, holders, 1, axis=1)
    for model in np.unique(last):  # a target among the holders keeps the last one, unless it is the last one
        kept = totals[:, last == model, -1] @ among[last == model]
        kept[:, model] = 0
        left += kept
    return left


def _sum_of_others(values: Float[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    before, after = np.zeros_like(values), np.zeros_like(values)
    np.cumsum(values[:-1], out=before[1:])
    after[:-1] = np.cumsum(values[:0:-1])[::-1]
    return before + after


def _put(sums: np.ndarray, arranged: np.ndarray, job: _Job, targets: np.ndarray, scratch: Scratch) -> None:
    """Writes sums in the order of models, for the samples of the job and the targets of its cut."""
    places, everything = job.order * sums.shape[2] + job.samples[:, None], targets.all()
    for into, part in zip(sums, arranged, strict=True):
        ordered = into if everything else scratch.array("ordered sums", into.shape)
        ordered.put(places, part)
        if not everything:
            chosen = np.ix_(targets, job.samples)
            into[chosen] = ordered[chosen]


def _combine(attack: str, block: np.ndarray, sums: dict[str, np.ndarray]) -> Float[np.ndarray, "model sample"]:
    """Computes the scores of a block; :func:`_scale` finishes those with a fixed spread."""
    if attack == "global":
        return np.einsum("msv->ms", block, dtype=np.float64) / block.shape[2]
    half = 1 / (2 * block.shape[2])
    kind = 1 if attack.endswith("_fixed") else 0
    if attack.startswith("online"):
        return (sums["out"][kind] - sums["in"][kind]) * half
    return sums["out"][kind] * half + (0 if kind else np.log(2 * np.pi) / 2)


def _score_again(
    found: Float[np.ndarray, "model sample"],
    block: Float[np.ndarray, "model sample view"],
    member: Bool[np.ndarray, "model sample"],
    sums: dict[str, np.ndarray],
    sides: dict[str, _Side],
) -> None:
    """Replaces scores of which huge distances on both sides cancel, as where all other models agree in one view.

    Summed over views first, they would hide the other views. Cut to one score, a side has no other spread: that is left
    to who compares whole rows.
    """
    every = np.zeros(len(block), int)
    cuts = np.stack([every if side.cuts is None else side.cuts for side in sides.values()])
    hidden = np.logical_and(*(of[0] > DEGENERATE for of in sums.values())) & (cuts != 1).all(axis=0)[:, None]
    if not hidden.any():
        return
    for chosen in np.unique(cuts[:, hidden.any(axis=1)], axis=1).T:
        targets, samples = np.nonzero(hidden & (cuts == chosen[:, None]).all(axis=0)[:, None])
        limits = {name.upper(): int(cut) or None for name, cut in zip(sides, chosen, strict=True)}
        step = max(1, VALUES_PER_STEP // block[:, 0].size)
        for first in range(0, len(targets), step):
            at = samples[first : first + step]
            pairs = targets[first : first + step], at
            found[pairs] = score_pairs(block[:, at], member[:, at], pairs[0], limits)


def _pooled_spread(moments: np.ndarray, counts: np.ndarray) -> np.ndarray:
    mean, mean_square = moments / counts
    return np.sqrt(np.maximum(mean_square - mean**2, 0)) + SMALLEST_SPREAD


def _scale(scores: Any, attack: str, spread: np.ndarray) -> None:
    constant = np.log(spread) + np.log(2 * np.pi) / 2 if attack == "offline_fixed" else np.zeros_like(spread)
    for first in range(0, scores.shape[1], SAMPLES_PER_TASK):
        task = slice(first, first + SAMPLES_PER_TASK)
        scores[:, task] = scores[:, task] / spread[:, None] ** 2 + constant[:, None]
