"""Scores one given model that is no shadow model, by all shadow models."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from lira.attacks.block import LARGEST, Reader
from lira.attacks.definition import Definition
from lira.attacks.lira import score_held_out
from lira.attacks.own import OwnAttacks
from lira.core.errors import DataError
from lira.core.validation import ArrayLike, check_array


def score_target(
    reader: Reader,
    member: Bool[np.ndarray, "model sample"],
    target: Annotated[ArrayLike, "sample view"],
    attacks: Sequence[str],
    definition: Definition,
    own: Mapping[str, str] | None = None,
) -> dict[str, Float[np.ndarray, " sample"]]:
    """Attacks a given model with all shadow models; its own membership plays no part.

    Args:
        reader: Reads phi ``[model, sample, view]`` of the shadow models.
        member: True where the sample trained the shadow model.
        target: Scaled logits of the given model; without an axis of views, of one view.
        attacks: Names of the suite's attacks, each with the scores that it needs.
        definition: Which reading of the attacks.
        own: Further attacks by name, as ``package.module:function``, which are told that the model holds no sample.

    Returns:
        Scores by attack, float64.

    Raises:
        DataError: The target's scores are of another shape than a shadow model's, not finite, or too large.
    """
    joined = _WithTarget(reader, target)
    held = np.concatenate([member, np.zeros((1, member.shape[1]), dtype=bool)])
    scores = {name: np.empty((1, member.shape[1])) for name in attacks}
    score_held_out(joined, held, np.array([len(member)]), scores, definition)
    found = {name: values[0] for name, values in scores.items()}
    if own:
        phi = joined(slice(0, member.shape[1]))
        found |= {name: values[-1] for name, values in OwnAttacks(own).scores(phi, held)}
    return found


def precision_of(reader: Reader) -> type[np.floating]:
    """Returns what the target's φ are rounded to: float32 if the shadow models' are, so that equal ones stay equal.

    Half precision would lose what tells them apart.
    """
    return np.float32 if reader.phi.dtype.str.endswith("f4") else np.float64


class _WithTarget:
    """Reads the scores of all shadow models, and then those of the target."""

    def __init__(self, reader: Reader, target: ArrayLike):
        values = check_array(target, "target_phi")
        self.target = (values[:, np.newaxis] if values.ndim == 1 else values).astype(np.float64)
        self.dtype = precision_of(reader)
        self.reader, self.shape = reader, (reader.shape[0] + 1, *reader.shape[1:])
        if self.target.shape != self.shape[1:]:
            raise DataError(
                f"target_phi {values.shape} must be [samples, views] as of a shadow model, {self.shape[1:]}: query the "
                "target on the same pool with as many views"
            )
        if (wrong := ~np.isfinite(self.target).all(axis=1)).any():
            raise DataError(f"target_phi of sample {wrong.argmax()} is not finite: query the target there again")
        largest = min(LARGEST, float(np.finfo(self.dtype).max))
        if (wrong := (np.abs(self.target) > largest).any(axis=1)).any():
            value = max(self.target[wrong.argmax()], key=abs)
            kind = f", the largest {np.dtype(self.dtype)}, as the shadow models' φ are" if largest < LARGEST else ""
            raise DataError(
                f"target_phi of sample {wrong.argmax()} is {value:.4g}: allowed are sizes up to {largest:.4g}{kind}"
            )
        self.target = self.target.astype(self.dtype)

    def __call__(self, samples: slice) -> Float[np.ndarray, "model sample view"]:
        shadows = self.reader(samples)
        return np.concatenate([shadows.astype(self.dtype, copy=False), self.target[np.newaxis, samples]])
