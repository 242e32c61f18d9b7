"""Fully connected networks: the paper's FCN for Purchase-100 (600-1024-512-100, tanh) and smaller ones."""

import math
from itertools import pairwise

from torch import Tensor, nn

from lira.config import Architecture
from lira.shadows.models.layers import Dropout, Linear
from lira.shadows.rng import Streams

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class FCN(nn.Module):
    """m fully connected networks with dropout after each activation and before the classifier (the released code).

    Images are flattened to vectors. The arguments are those of :func:`lira.shadows.models.build`.
    """

    def __init__(self, architecture: Architecture, models: int, shape: tuple[int, ...], classes: int, dropout: float):
        super().__init__()
        sizes = [math.prod(shape), *architecture.hidden]
        self.hidden = nn.ModuleList(Linear(models, a, b) for a, b in pairwise(sizes))
        self.classifier = Linear(models, sizes[-1], classes)
        self.activation = ACTIVATIONS[architecture.activation]()
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Maps samples ``[m, batch, ...]`` to logits ``[m, batch, classes]``."""
        x = x.flatten(2)
        for layer in self.hidden:
            x = self.dropout(self.activation(layer(x)), streams)
        return self.classifier(self.dropout(x, streams))
