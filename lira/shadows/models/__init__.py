"""Networks that compute m shadow models at once: their parameters have a leading model axis."""

from collections.abc import Callable

import torch
from torch import nn

from lira.config import Architecture
from lira.core.errors import NetworkError
from lira.core.plugins import load_function
from lira.shadows.models.fcn import FCN
from lira.shadows.models.resnet import ResNet
from lira.shadows.models.single import Single, differentiate
from lira.shadows.models.wideresnet import WideResNet
from lira.shadows.rng import Streams

NETWORKS = {"fcn": FCN, "resnet": ResNet, "wideresnet": WideResNet}


@torch.inference_mode(False)  # callers may compute without gradients, which the check needs
def build(
    architecture: Architecture,
    models: int,
    shape: tuple[int, ...],
    classes: int,
    dropout: float,
    pretrained: bool = False,
) -> nn.Module:
    """Builds the network of an architecture; :func:`initialise` sets its parameters.

    Args:
        architecture: Family and size. A family ``package.module:function`` is called with ``shape``, ``classes`` and
            ``dropout``, and returns a module that maps ``[batch, *shape]`` to logits ``[batch, classes]``
            (:class:`lira.shadows.models.single.Single`).
        models: m, the number of networks computed together.
        shape: Shape of one sample; of an image, ``(channels, height, width)``.
        classes: Number of classes.
        dropout: Drop rate.
        pretrained: Start from the architecture's published weights.

    Raises:
        NetworkError: The architecture cannot be built, or does not accept such samples.
        DataError: The pretrained weights cannot be loaded or downloaded.
    """
    family = architecture.family
    if family in NETWORKS:
        network = NETWORKS[family](architecture, models, shape, classes, dropout)
    elif family == "timm":
        from lira.shadows.models.pretrained import Timm  # takes seconds to import, which other families do not need

        network = Timm(architecture, shape, classes, dropout, pretrained)
    else:
        function = load_function(family)
        network = Single(lambda: _module(family, function, shape, classes, dropout), name=family, classes=classes)
    if isinstance(network, Single):
        _check(network, shape)
    return network


def initialise(network: nn.Module, generators: list[torch.Generator]) -> dict[str, torch.Tensor]:
    """Draws initial parameters and buffers ``[m, ...]``, each model's from its own generator."""
    for layer in [network] if isinstance(network, Single) else network.modules():
        if reset := getattr(layer, "reset", None):
            reset(generators)
    return {name: value.detach() for name, value in network.state_dict().items()}


def _module(family: str, function: Callable, shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
    module = function(shape, classes, dropout)
    if not isinstance(module, nn.Module):
        raise NetworkError(f"{family} must return a torch.nn.Module, not {type(module).__name__}")
    return module


def _check(network: Single, shape: tuple[int, ...]) -> None:
    """Checks both modes on two samples of zeros."""
    for training in (False, True):
        network.train(training)
        logits = network(torch.zeros(1, 2, *shape), Streams(0, [0]))
    trained = [value for value in network.parameters() if value.requires_grad]
    reached = trained and logits.requires_grad and differentiate(network, logits.sum(), trained)
    if not reached or all(slope is None for slope in reached):
        raise NetworkError(
            f"{network.name} has no parameter to train: one must require a gradient, and forward must use it without "
            "torch.no_grad() or detach()"
        )
