"""What a training job loads before it trains: its data, on the device, and its network."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from torch import nn

from lira.config import Architecture, PretrainingSettings, Recipe, TrainingSettings
from lira.core.plugins import check_code
from lira.datasets import Part, read_part
from lira.shadows.membership import balanced_membership
from lira.shadows.models import build
from lira.shadows.training.cohort import Samples


@dataclass(frozen=True)
class Loaded:
    """Data of a run: the pool, both parts on the device, and the membership matrix.

    Without a test part, the samples that a model is not trained on choose its best epoch.
    """

    part: Part
    pool: Samples
    test: Samples | None
    membership: Bool[np.ndarray, "model sample"]

    @classmethod
    def of(cls, settings: TrainingSettings, data: Path, seed: int, device: str) -> "Loaded":
        """Reads a prepared dataset, and draws the members of all shadow models."""
        part = _read_normalised(settings, data, "pool")
        membership = draw_members(settings, len(part.y), seed)
        test = None
        if settings.recipe.test_set == "test":
            test = Samples(_read_normalised(settings, data, "test"), device)
        return cls(part, Samples(part, device), test, membership)

    @classmethod
    def public(cls, settings: PretrainingSettings, data: Path, device: str) -> "Loaded":
        """Reads the public part of a prepared dataset, all of which one model is trained on, and chosen by."""
        part = _read_normalised(settings, data, "public")
        samples = Samples(part, device)
        return cls(part, samples, samples, np.ones((1, len(part.y)), bool))


def draw_members(settings: TrainingSettings, samples: int, seed: int) -> Bool[np.ndarray, "model sample"]:
    """Draws the members of all shadow models of a run."""
    models, fraction, draws = settings.shadow_models, settings.member_fraction, settings.membership_draws
    return balanced_membership(samples, models, fraction, seed, generator=draws)


def build_network(settings: PretrainingSettings, part: Part, models: int) -> nn.Module:
    """Builds the network of a cohort of models, of the code that the settings name."""
    recipe, shape = settings.recipe, part.x.shape[1:]
    network = build(settings.architecture, models, shape, part.classes, recipe.dropout, recipe.start == "pretrained")
    check_code(settings.code)  # again: a job may wait for a GPU before it imports the code
    return network


def normalised(part: Part, architecture: Architecture, recipe: Recipe) -> Part:
    """Returns the part with the statistics that a recipe asks for: none, its own, or those of published weights."""
    if not recipe.normalise:
        return replace(part, mean=np.zeros_like(part.mean), std=np.ones_like(part.std))
    if recipe.start != "pretrained":
        return part
    from lira.shadows.models.pretrained import normalisation

    mean, std = normalisation(architecture, part.x.shape[1])
    return replace(part, mean=mean, std=std)


def _read_normalised(settings: PretrainingSettings, data: Path, name: str) -> Part:
    return normalised(read_part(data, name), settings.architecture, settings.recipe)
