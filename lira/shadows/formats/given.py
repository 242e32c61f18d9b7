"""What an import found, before any of its values is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from lira.core.errors import DataError
from lira.core.validation import check_booleans

KINDS = {"phi": "scores", "logits": "logits", "probabilities": "probabilities"}
"""What may be given of a model, and the folder with it."""


@dataclass(frozen=True)
class Given:
    """Scores and membership that were found; large arrays stay on disk until they are used.

    Attributes:
        kind: One of :data:`KINDS`.
        models: M arrays: ``[N]``, ``[N, A]`` (φ), ``[N]``, ``[N, A, C]``, ``[N, 1, A, C]`` (logits, probabilities) or
            ``[N, C]`` (probabilities). C = 1 is the output for class 1 of two.
        member: True where the sample trained the model.
        labels: True class of each sample as found, if given; not checked yet.
        places: Source of each model's values, for messages.
        utility: What is known of each model's losses and accuracies, by the names of ``shadows.h5``.
        recipe: What is known of the training, as settings of a recipe.
        remarks: What readers have to know about the import.
        ids: What each sample is called as found, if given; not checked yet.
    """

    kind: str
    models: Sequence[Any]
    member: Bool[np.ndarray, "model sample"]
    labels: Any
    places: Sequence[str]
    utility: Mapping[str, Shaped[np.ndarray, " model"]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    ids: Any = None


def first_models(given: Given, models: int | None, source: Any) -> Given:
    """Returns the first models of a file, or all.

    Raises:
        DataError: It has fewer.
    """
    there = len(given.models)
    if models is None or models == there:
        return given
    if models > there:
        raise DataError(f"{source} is of {there} models, but models is {models}: set {there} or less")
    return replace(
        given,
        models=given.models[:models],
        member=given.member[:models],
        places=given.places[:models],
        utility={name: values[:models] for name, values in given.utility.items()},
        remarks=[*given.remarks, f"the first {models} of {there} models were taken"],
    )


def check_outputs(kind: str, shape: tuple[int, ...], place: str) -> None:
    """Raises DataError if a model's array ends in ``[2, 1]``: it may be two views of one output, or two classes."""
    if kind != "phi" and len(shape) > 2 and shape[-2:] == (2, 1):
        raise DataError(
            f"{place} is {list(shape)}, two views of one output or two classes: give both classes of each view, "
            "[..., 2, 2] or [..., 1, 2]"
        )


def membership(member: Any, place: str) -> Bool[np.ndarray, "model sample"]:
    """Returns membership as booleans; raises DataError unless it is of 0 and 1, [models, samples]."""
    member = check_booleans(member, place)
    if member.ndim != 2 or not member.size:
        raise DataError(f"{place} is {list(member.shape)}: membership is [models, samples]")
    return member
