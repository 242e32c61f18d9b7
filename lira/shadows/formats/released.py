"""What the released code writes about its models: ``metrics.csv`` of each, and ``train_config.yaml`` of all."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lira.config import ImportedRecipe, check_section, read_yaml
from lira.core.errors import ConfigError, DataError

METRICS = {
    "Train_loss": "train_loss",
    "Train_acc (%)": "train_accuracy",
    "Test_loss": "test_loss",
    "Test_acc (%)": "test_accuracy",
    "Best_epoch": "best_epoch",
}
"""Columns of ``metrics.csv``, and their names in ``shadows.h5``."""

AUGMENTATIONS = {"random_flip": "flip", "random_crop": "crop", "random_rotation": "rotate", "color_jitter": "jitter"}
AUGMENTATIONS |= {name: name for name in ("cutout", "cutmix", "mixup")}
TRAINING = ("epochs", "batch_size", "learning_rate", "weight_decay", "momentum", "betas", "eps")
OPTIMIZERS, SCHEDULES = ("sgd", "adamw", "adam"), ("cosine", "onecycle")


def read_metrics(path: Path) -> dict[str, float]:
    """Reads the last line of a model's ``metrics.csv``; accuracies become fractions, and what is no number NaN.

    Raises:
        DataError: It is no such table, or a loss or an accuracy is out of range.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: the released code writes {', '.join(METRICS)}") from error
    last = {str(name).strip(): value for name, value in rows[-1].items()} if rows else {}
    if not set(METRICS) & set(last):
        had = f"has the columns {', '.join(last)[:200]}" if last else "is empty"
        raise DataError(f"{path} {had}: losses need {', '.join(METRICS)}, or no file of this name")
    found = {name: _number(last.get(column)) for column, name in METRICS.items()}
    for column, name in METRICS.items():
        most = 100 if name.endswith("accuracy") else np.inf
        if found[name] < 0 or found[name] > most:
            raise DataError(f"{path}: {column} is {last[column]}: allowed are numbers from 0 to {most:g}")
        found[name] /= 100 if most == 100 else 1
    return found


def _number(text: Any) -> float:
    try:
        return float(str(text).strip().rstrip("%"))
    except ValueError:
        return np.nan


def utility_of(models: Sequence[Path]) -> tuple[dict[str, Float[np.ndarray, " model"]], list[str]]:
    """Returns what ``metrics.csv`` says of each model, with NaN where there is none, and what to say about it."""
    rows = {model: read_metrics(model / "metrics.csv") for model in models if (model / "metrics.csv").is_file()}
    if not rows:
        return {}, []
    remarks = ["losses and accuracies are those of metrics.csv, whose losses the released code takes over batches"]
    if lacking := [model.name for model in models if model not in rows]:
        remarks.append(f"losses and accuracies lack {len(lacking)} of {len(models)} models, such as {lacking[0]}")
    values = {name: [rows.get(model, {}).get(name, np.nan) for model in models] for name in METRICS.values()}
    return {name: np.array(column, np.float64) for name, column in values.items()}, remarks


def read_recipe(path: Path) -> dict[str, Any]:
    """Reads ``train_config.yaml`` as settings of a recipe, without those that a recipe here has no word for.

    Raises:
        ConfigError: It is no YAML, or a setting has a value that no recipe may have.
    """
    try:
        given = read_yaml(path)
    except ConfigError as error:
        line = re.search(r"line \d+", str(error))
        said = f"{path}: this is no YAML with a section per line{f', see {line[0]}' if line else ''}"
        raise ConfigError(f"{said}: correct it as the released code writes it, or leave it out") from error
    training, model, data = (_section(given, name) for name in ("training", "model", "dataset"))
    found = {name: training[name] for name in TRAINING if name in training}
    optimizer = str(training.get("optimizer")).lower()
    if optimizer in OPTIMIZERS:
        found["optimizer"] = optimizer
    for name in ("betas", "eps") if optimizer == "sgd" else ("momentum",):
        found.pop(name, None)
    if training.get("lr_scheduler") in SCHEDULES:
        found["schedule"] = training["lr_scheduler"]
    if training.get("lr_scheduler") == "cosine" and "warmup_epochs" in training:  # others take no notice of it
        found["warmup_epochs"] = training["warmup_epochs"]
    if training.get("early_stopping") and "patience" in training:
        found["patience"] = training["patience"]
    if "drop_rate" in model:
        found["dropout"] = model["drop_rate"]
    if "pretrained" in model:
        found["start"] = "pretrained" if model["pretrained"] else "scratch"
    if "input_size" in data:
        found["image_size"] = data["input_size"]
    augment = given.get("train_data_augmentation")
    names = [str(name) for name in augment if name != "normalize"] if isinstance(augment, list) else [""]
    if set(names) <= set(AUGMENTATIONS):
        found["augment"] = [AUGMENTATIONS[name] for name in names]
    return check_section(str(path), ImportedRecipe, found).model_dump()


def _section(given: dict[str, Any], name: str) -> dict[str, Any]:
    found = given.get(name)
    return found if isinstance(found, dict) else {}
