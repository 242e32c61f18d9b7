"""What a piece of work is: a digest of the settings, data and code that it follows from, and of nothing else.

A *spec* is a JSON file with everything that a step is asked for: settings without their defaults, the recipe version,
digests of the user's own code. Its name ends in the digest of its content, ``<place>.<digest>.json``, so that other
settings are another file: Snakemake misses it, makes it, and then makes anew whatever was made for the older one.

Shadow models are known by :func:`models_identity`.
"""

import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lira.config import Architecture, PretrainingSettings, Recipe, TrainingSettings
from lira.core.errors import StoreError
from lira.storage import hdf5

DIGITS = 20
SPEC = re.compile(rf"(.+)\.([0-9a-f]{{{DIGITS}}})\.json")


def digest_of(content: Any) -> str:
    """Returns a digest of a JSON value, as hexadecimal digits; the order of keys does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:DIGITS]


def file_digest(path: Path | str) -> str:
    """Returns the sha256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def specs_of(folder: Path, place: str) -> list[Path]:
    """Returns the specs of a place below a folder, the oldest first; there are several where a study was looked at."""
    named = ((path, SPEC.fullmatch(path.name)) for path in folder.glob(f"{glob.escape(place)}.*.json"))
    alike = [path for path, match in named if match and match[1] == Path(place).name]
    return sorted(alike, key=os.path.getmtime)


def read_spec(path: Path) -> dict[str, Any]:
    """Reads a spec.

    Raises:
        StoreError: It is missing, or its content is not what its name says.
    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist: run the rule that makes it")
    named = SPEC.fullmatch(path.name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict) or not named or digest_of(content) != named[2]:
        raise StoreError(f"{path} is damaged or was changed by hand: rm {path}, and run the same command again")
    return content


def data_identity(data: Path) -> list[Any]:
    """Returns what shadow models depend on in a prepared dataset: its samples and how they are normalised."""
    with hdf5.read(data, "data") as file:
        found = hdf5.attributes(file)
    return [found[name] for name in ("sha256", "scale", "classes", "mean", "std")]


def models_identity(settings: PretrainingSettings, seed: int, data: Path, start: Path | None = None) -> str:
    """Returns the identity of a run's shadow models, or of a pretrained one; with an index, all a model depends on.

    Defaults do not count, which the recipe version guards, nor what is stored of a model, nor where a file lies.

    Args:
        settings: Settings of the training.
        seed: The run's seed.
        data: Prepared dataset.
        start: Model that is fine-tuned, if there is one.
    """
    asked = settings.model_dump(exclude_defaults=True, exclude={"store_logits", "store_weights"})
    if isinstance(settings, TrainingSettings):
        if settings.membership_draws == "nested":
            del asked["shadow_models"]
    elif not settings.recipe.normalise:
        asked["normalised"] = False  # which recipe version 9 passed over at first
    if (weights := settings.architecture.weights) and Path(weights).is_file():
        asked["architecture"]["weights"] = file_digest(weights)
    return digest_of([asked, seed, data_identity(data), start and file_digest(start)])


def differing_settings(asked: TrainingSettings, found: Mapping[str, Any]) -> list[str]:
    """Names what differs between the settings of a training and the attributes of its results, defaults filled in."""
    if "network" not in found:
        return ["origin"]  # imported, where models are to be trained
    stated = {name: value for name, value in found["recipe"].items() if value is not None}
    made = {"recipe": Recipe(**stated), "architecture": Architecture(**found["network"])}
    names = ("code", "recipe_version", "shadow_models", "member_fraction", "membership_draws")
    made |= {name: found[name] for name in names}
    return [name for name, value in made.items() if getattr(asked, name) != value]
