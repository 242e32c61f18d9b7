"""Models of timm, with their published weights or with weights from a file."""

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from jaxtyping import Float
from timm.models import load_state_dict
from torch import Tensor, nn

from lira.config import Architecture
from lira.core.errors import ConfigError, DataError, reason
from lira.core.validation import allowed
from lira.shadows.models.single import Single


class Timm(Single):
    """A model of timm; drop rate and drop-path rate are the recipe's dropout (the released code).

    The arguments are those of :func:`lira.shadows.models.build`. With ``pretrained`` the model starts from the
    published weights, or from the file ``architecture.weights``. The classifier starts anew if the number of classes
    differs, and a small stem always does.

    Raises:
        ConfigError: timm has no such model, or the model has no stem to replace.
        DataError: The weights cannot be loaded or downloaded.
    """

    def __init__(
        self, architecture: Architecture, shape: tuple[int, ...], classes: int, dropout: float, pretrained: bool = False
    ):
        name = _name(architecture)
        if not timm.is_model(name):
            near = ", ".join(get_close_matches(name, timm.list_models()))
            raise ConfigError(f"name: timm has no model {name!r}" + (f", but {near}" if near else ""))
        try:
            _published(name)
        except RuntimeError as error:  # is_model looks at the part before the dot alone
            known = timm.list_pretrained(f"{name.partition('.')[0]}.*")
            raise ConfigError(f"name: timm has no weights {name!r}: {allowed(known)}") from error
        super().__init__(lambda: _model(architecture, shape, classes, dropout, pretrained), True, name, classes)


def _model(
    architecture: Architecture, shape: tuple[int, ...], classes: int, dropout: float, pretrained: bool
) -> nn.Module:
    name = _name(architecture)
    options: dict[str, Any] = {"num_classes": classes, "in_chans": shape[0], "drop_rate": dropout}
    if pretrained:
        options |= {"pretrained": True, "pretrained_cfg_overlay": _weights(architecture)}
    if _published(name).fixed_input_size:
        options["img_size"] = shape[1:]
    try:
        try:
            model = timm.create_model(name, drop_path_rate=dropout, **options)
        except TypeError:  # a model without drop-path
            model = timm.create_model(name, **options)
    except Exception as error:
        if not pretrained:
            raise ConfigError(f"timm cannot build {name} for samples of shape {shape}: {error}") from error
        raise DataError(_unavailable(architecture, error)) from error
    if architecture.stem == "small":
        _shrink_stem(model, name)
    return model


def _name(architecture: Architecture) -> str:
    return architecture.name or ""  # a study names every model of timm


def _published(name: str) -> Any:
    """Returns timm's description of a model's published weights."""
    return timm.get_pretrained_cfg(name)


def _shrink_stem(model: nn.Module, name: str) -> None:
    place = "conv_stem" if hasattr(model, "conv_stem") else "conv1"
    old = getattr(model, place, None)
    if not isinstance(old, nn.Conv2d) or not (place == "conv_stem" or hasattr(model, "maxpool")):
        raise ConfigError(
            f"stem: small needs a ResNet of timm with one stem convolution, or a conv_stem, unlike {name}"
        )
    new = nn.Conv2d(old.in_channels, old.out_channels, 3, stride=1, padding=1, bias=False)
    setattr(model, place, new)  # with torch's own initial values, as in the released code
    if place == "conv1":
        model.maxpool = nn.Identity()


def _weights(architecture: Architecture) -> dict[str, dict[str, Tensor]]:
    """Returns timm's option to load the user's file instead of the published weights, if there is a file."""
    return (
        {"state_dict": dict(_read_weights(_name(architecture), architecture.weights))} if architecture.weights else {}
    )


@cache
def _read_weights(name: str, path: str) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise DataError(f"weights: {path} is not a file; {_download(name)}")
    try:
        state = load_state_dict(path, weights_only=True)
        keys = set(state)
    except Exception as error:
        raise DataError(f"weights: {path} is neither a safetensors file nor a state dict of torch.save") from error
    with torch.device("meta"):
        known = timm.create_model(name).state_dict()
    classifier = _published(name).classifier or ()
    head = (classifier,) if isinstance(classifier, str) else classifier
    missing = [key for key in known if key not in keys and key.rpartition(".")[0] not in head]
    if missing:
        raise DataError(f"weights: {path} is not of {name}: it has no {missing[0]}")
    return state


def _unavailable(architecture: Architecture, error: Exception) -> str:
    if architecture.weights:
        return f"weights: {architecture.weights} does not fit {architecture.name}: {error}"
    said = f"the pretrained weights of {architecture.name} cannot be downloaded ({reason(error).splitlines()[0]})"
    return f"{said}; {_download(_name(architecture))}"


def _download(name: str) -> str:
    config = _published(name)
    source = f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors"
    address = source if config.hf_hub_id else config.url or "its publisher"
    return f"on a machine with internet get {address} and set the architecture's weights to the path of the file"


def normalisation(
    architecture: Architecture, channels: int
) -> tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
    """Returns the mean and standard deviation that pretrained weights expect (for nearly all of timm, ImageNet's).

    For images of one channel, both are averaged over the colours.
    """
    config = _published(_name(architecture))
    moments = np.array(config.mean), np.array(config.std)
    mean, std = moments if channels == len(config.mean) else (np.full(channels, values.mean()) for values in moments)
    return mean, std
