"""Attacks some models with fewer shadow models than there are, drawn from those that are not attacked.

Where models 2k and 2k + 1 hold complementary halves of the samples, as in nested draws, whole pairs are drawn, so that
each sample is in half of them. Elsewhere no choice of models is balanced for all samples, so models are drawn anew for
each sample: as many that hold it as a run of so many models has, as far as there are as many. Scores of one such shadow
model are then, from sample to sample, those of different models.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from lira.attacks.block import Reader
from lira.attacks.definition import Definition
from lira.attacks.lira import lacking, score_held_out
from lira.attacks.own import OwnAttacks
from lira.core.validation import targets_apart

SAMPLES_PER_DRAW = 4096


def in_pairs(member: Bool[np.ndarray, "model sample"]) -> bool:
    """Tells whether models 2k and 2k + 1 hold complementary halves of the samples."""
    return len(member) % 2 == 0 and bool((member[::2] != member[1::2]).all())


class Pool:
    """Models that are attacked, and the others, from which shadow models are drawn.

    Args:
        member: True where the sample trained the model.
        seed: Of the choice of targets and of all draws.

    Attributes:
        targets: About a quarter of the models (:func:`lira.core.validation.targets_apart`).
        others: All other models.
        in_pairs: Whether models 2k and 2k + 1 hold complementary halves, so that pairs are chosen and drawn.
    """

    def __init__(self, member: Bool[np.ndarray, "model sample"], seed: int = 0):
        models, self.member, self.seed = len(member), member, seed
        self.in_pairs = in_pairs(member)
        pairs = np.random.default_rng(seed).permutation(models // 2)[: targets_apart(models) // 2]
        self.targets: Int[np.ndarray, " target"] = np.sort(np.concatenate([2 * pairs, 2 * pairs + 1]))
        self.others: Int[np.ndarray, " model"] = np.setdiff1d(np.arange(models), self.targets)

    def lacking(self, attacks: Sequence[str]) -> dict[str, str]:
        """Says of each attack that cannot be computed which sample lacks scores that it needs."""
        found = {name: lacking(self.member, self.others, name) for name in attacks}
        return {name: why for name, why in found.items() if why}

    def draw(self, budget: int, repeat: int = 0) -> Int[np.ndarray, "shadow sample"]:
        """Draws the models that are each sample's shadow models; larger budgets draw the same ones and more.

        Args:
            budget: Number of shadow models.
            repeat: Number of the draw, which alone decides it.
        """
        rng = np.random.default_rng([self.seed, repeat])
        if self.in_pairs:
            pairs = rng.permutation(len(self.others) // 2)[: budget // 2]
            return np.broadcast_to(self.others.reshape(-1, 2)[pairs].reshape(-1, 1), (budget, self.member.shape[1]))
        drawn, place = np.empty((budget, self.member.shape[1]), dtype=np.int32), np.arange(budget)[:, None]
        for first in range(0, self.member.shape[1], SAMPLES_PER_DRAW):
            held = self.member[self.others, first : first + SAMPLES_PER_DRAW]
            order, inside = (rng.random(held.shape, dtype=np.float32) + ~held).argsort(axis=0), held.sum(axis=0)
            taken = self._taken(budget, inside)
            rows = np.where(place < taken, place, inside + place - taken)
            drawn[:, first : first + SAMPLES_PER_DRAW] = self.others[np.take_along_axis(order, rows, axis=0)]
        return drawn

    def draws(self, budget: int, repeats: int) -> Iterator[Int[np.ndarray, "shadow sample"]]:
        """Draws again and again, once if there is one choice; of few pairs, none that was drawn before."""
        seen = set[frozenset[int]]()
        for repeat in range(repeats if budget < len(self.others) else 1):
            drawn = self.draw(budget, repeat)
            models = frozenset(drawn[:, 0].tolist())
            if not (self.in_pairs and models in seen):
                yield drawn
            seen.add(models)

    def unbalanced(self, budget: int) -> int:
        """Counts the samples that too few models hold, or lack, for their share of a budget."""
        inside = self.member[self.others].sum(axis=0)
        return int((self._taken(budget, inside) != self._share(budget)).sum())

    def _share(self, budget: int) -> int:
        return int(np.clip(round(budget * float(self.member.mean())), 1, budget - 1))

    def _taken(self, budget: int, inside: Int[np.ndarray, " sample"]) -> Int[np.ndarray, " sample"]:
        return np.clip(self._share(budget), budget - (len(self.others) - inside), inside)

    def score(
        self,
        reader: Reader,
        drawn: Int[np.ndarray, "shadow sample"],
        attacks: Sequence[str],
        definition: Definition,
        own: Mapping[str, str] | None = None,
    ) -> dict[str, Float[np.ndarray, "target sample"]]:
        """Scores all targets with the shadow models that were drawn.

        Args:
            reader: Reads phi ``[model, sample, view]``.
            drawn: From :meth:`draw`.
            attacks: Names of the suite's attacks.
            definition: Which reading of the attacks.
            own: Further attacks by name, as ``package.module:function``, which are called for each target.
        """
        chosen, rows = _Drawn(reader, self.targets, drawn), np.arange(len(self.targets))
        held = np.concatenate([self.member[self.targets], np.take_along_axis(self.member, drawn, axis=0)])
        scores = {name: np.empty((len(rows), held.shape[1])) for name in attacks}
        score_held_out(chosen, held, rows, scores, definition)
        if own:
            scores |= OwnAttacks(own).scores(chosen(slice(0, held.shape[1])), held, rows)
        return scores


class _Drawn:
    """Reads the scores of the targets, and then those of each sample's shadow models."""

    def __init__(self, reader: Reader, targets: np.ndarray, drawn: np.ndarray):
        self.reader, self.targets, self.drawn = reader, targets, drawn
        self.shape = len(targets) + len(drawn), *reader.shape[1:]

    def __call__(self, samples: slice) -> Float[np.ndarray, "model sample view"]:
        values = self.reader(samples)
        shadows = values[self.drawn[:, samples], np.arange(values.shape[1])]
        return np.concatenate([values[self.targets], shadows])
