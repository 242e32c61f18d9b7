"""Networks, each able to compute m shadow models at once: parameters have a leading model axis."""

from torch import nn

from lira.config import Architecture
from lira.models.fcn import FCN
from lira.models.resnet import ResNet

NETWORKS = {"fcn": FCN, "resnet": ResNet}


def build(architecture: Architecture, models: int, shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
    """The network of an architecture, its parameters not yet set.

    Args:
        architecture: Family and size.
        models: m, the networks computed together.
        shape: Shape of one sample.
        classes: Number of classes.
        dropout: Drop rate.
    """
    return NETWORKS[architecture.family](architecture, models, shape, classes, dropout)
