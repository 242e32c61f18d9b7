"""What an attack sees of some samples: the targets' scores, and those of the shadow models that hold them or not.

With ``own`` the targets are the shadow models themselves, and each is left out of its own statistics: sums over all
models, minus the target's own part. Where that part is nearly all of the sum, the subtraction would lose digits, and
the sum is made anew without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from lira.attacks.order_statistics import Scratch

SAMPLES_PER_TASK = 256  # one read, and one write per attack
LARGEST = 1e100
LOST = 1e-5  # share of a sum below which what is left of it is computed again
IN, OUT = "IN", "OUT"


def usable(phi: Float[np.ndarray, "model sample view"]) -> Bool[np.ndarray, " model"]:
    """Marks the models whose scores are neither NaN nor infinite nor too large to square."""
    flat = phi.reshape(len(phi), -1)
    largest, smallest = flat.max(axis=1, initial=0), flat.min(axis=1, initial=0)
    return (largest.astype(np.float64) < LARGEST) & (smallest.astype(np.float64) > -LARGEST)


class Reader:
    """Reads phi ``[model, sample, view]`` of some samples from an array or an HDF5 dataset, in any thread.

    Attributes:
        clean: True for the models of which all that was read is :func:`usable`.
        shape: Number of models, samples and views.
    """

    def __init__(self, phi: Any):
        self.phi, self.clean, self._scratch = phi, np.ones(phi.shape[0], dtype=bool), Scratch()
        self.shape: tuple[int, int, int] = phi.shape

    def __call__(self, samples: slice) -> Float[np.ndarray, "model sample view"]:
        """Returns the samples in an array that the thread reuses."""
        shape = (self.phi.shape[0], samples.stop - samples.start, self.phi.shape[2])
        block = self._scratch.array("block", shape, self.phi.dtype)
        if isinstance(self.phi, np.ndarray):
            np.copyto(block, self.phi[:, samples])
        else:
            self.phi.read_direct(block, source_sel=np.s_[:, samples])
        self.clean[~usable(block)] = False
        return block


class Block(NamedTuple):
    """Some samples of all targets and shadow models."""

    targets: Float[np.ndarray, "target sample view"]
    shadows: Float[np.ndarray, "model sample view"]
    held: Bool[np.ndarray, "model sample"]
    own: bool

    @classmethod
    def of(cls, targets: np.ndarray, shadows: np.ndarray, held: np.ndarray, own: bool) -> "Block":
        """Takes scores of any type of float."""
        shadows = shadows.astype(np.float64)
        return cls(shadows if own else targets.astype(np.float64), shadows, held, own)

    def at(self, samples: slice) -> "Block":
        """Returns some of the samples."""
        return Block.of(self.targets[:, samples], self.shadows[:, samples], self.held[:, samples], self.own)

    def side(self, name: str) -> Bool[np.ndarray, "model sample"]:
        """Tells which shadow models hold each sample (IN) or do not (OUT)."""
        return self.held if name == IN else ~self.held

    def counts(self, name: str) -> Int[np.ndarray, "target sample"]:
        """Counts the shadow models of a side, without the target; one row for all targets if they are no shadows."""
        side = self.side(name)
        return side.sum(axis=0) - side if self.own else side.sum(axis=0)[None]

    def mean(self, values: np.ndarray, shares: dict[str, float]) -> Float[np.ndarray, "target sample view"]:
        """Adds each side's mean of ``values [model, sample, view]``, times its share; NaN where lost or missing."""
        whole, left = np.zeros(()), np.zeros(())
        for name, share in shares.items():
            side = self.side(name)
            first = np.take_along_axis(values, side.argmax(axis=0)[None, :, None], axis=0)[0]
            distance = values - first  # of equal values the mean is that value, however many they are
            distance *= side[..., None]
            total = distance.sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                whole = whole + share * (first + total / side.sum(axis=0)[:, None])
                if self.own:
                    np.subtract(total, distance, out=distance)
                    distance /= self.counts(name)[..., None]
                    distance += first
                    left = left + share * distance
        if not self.own:
            return whole[None]
        left[~(left > LOST * whole)] = np.nan
        return left

    def log_mean(
        self, logs: np.ndarray, shares: dict[str, float], at: tuple[np.ndarray, ...]
    ) -> Float[np.ndarray, " chosen"]:
        """Returns the logarithm of :meth:`mean` for some targets, samples and views, from logarithms of the values."""
        target, sample, view = at
        held = self.held[:, sample]
        others = np.arange(len(held))[:, None] != target if self.own else np.ones((len(held), 1), dtype=bool)
        weights = np.zeros(held.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, share in shares.items():
                side = (held if name == IN else ~held) & others
                weights += side * (share / side.sum(axis=0))
            return logsumexp(logs[:, sample, view], b=weights, axis=0)

    def moments(self, name: str) -> "Moments":
        """Computes mean and squares of a side's scores without the target's own."""
        side, x = self.side(name), self.shadows
        count, inside = side.sum(axis=0)[:, None], side[..., None].astype(np.float64)
        first = np.take_along_axis(x, side.argmax(axis=0)[None, :, None], axis=0)[0]
        distance = x - first  # equal values must have no spread at all
        distance *= inside
        offset = distance.sum(axis=0) / np.maximum(count, 1)
        distance -= offset
        distance *= inside
        squares = np.einsum("msv,msv->sv", distance, distance)
        if not self.own:
            return Moments(self.counts(name), (first + offset)[None], squares[None])
        rest = np.maximum(count - 1, 1)
        left = np.square(distance)
        left *= -count / rest
        left += squares
        if (left.min(axis=0) <= LOST * squares).any():
            lost = (left <= LOST * squares) & side[..., None] & (count > 1)
            left[lost] = self._squares_again(side, *np.nonzero(lost))
        distance *= -1 / rest
        distance += first + offset
        return Moments(self.counts(name), distance, left)

    def _squares_again(self, side: np.ndarray, target: np.ndarray, sample: np.ndarray, view: np.ndarray) -> np.ndarray:
        kept = side[:, sample] & (np.arange(len(side))[:, None] != target)
        x = self.shadows[:, sample, view]
        distance = np.where(kept, x - np.take_along_axis(x, kept.argmax(axis=0)[None], axis=0), 0)
        distance = np.where(kept, distance - distance.sum(axis=0) / np.maximum(kept.sum(axis=0), 1), 0)
        return np.square(distance).sum(axis=0)


class Moments(NamedTuple):
    """Of one side's scores, for each target or one row for all: number, mean, and sum of squares about the mean."""

    number: Int[np.ndarray, "target sample"]
    mean: Float[np.ndarray, "target sample view"]
    squares: Float[np.ndarray, "target sample view"]


@dataclass(frozen=True)
class Attack:
    """An attack that is computed block by block.

    Attributes:
        needs: Sides of which each sample must have a score: ``IN``, ``OUT``.
        score: Takes a block, the definition, and what ``settle`` returned; returns a score per target and sample.
        collect: Takes a block; returns sums over its samples, which are added up over all blocks before any is scored.
        settle: Takes these sums.
        finish: Takes whole rows of scores, and the definition; returns the rows to keep.
        partial: Scores samples that lack a side as NaN, instead of refusing them.
    """

    needs: tuple[str, ...]
    score: Callable[..., np.ndarray] | None = None
    collect: Callable[[Block], np.ndarray] | None = None
    settle: Callable[[np.ndarray], Any] | None = None
    finish: Callable[..., np.ndarray] | None = None
    partial: bool = False
