"""Layers whose every parameter has a leading model axis: m networks computed as one.

Vectors are ``[m, batch, features]``, images ``[batch, m * channels, height, width]`` (what a grouped convolution
takes). ``reset`` draws each model's initial values from that model's own generator, so a model does not depend on
the others it is trained with.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from lira.shadows.rng import Streams


def uniform_(parameter: Tensor, bound: float, generators: list[torch.Generator]) -> None:
    """Fills ``parameter [m, ...]`` from U(-bound, bound), model by model."""
    with torch.no_grad():
        for model, generator in zip(parameter, generators, strict=True):
            model.uniform_(-bound, bound, generator=generator)


def normal_(parameter: Tensor, deviation: float, generators: list[torch.Generator]) -> None:
    """Fills ``parameter [m, ...]`` from N(0, deviation²), model by model."""
    with torch.no_grad():
        for model, generator in zip(parameter, generators, strict=True):
            model.normal_(0, deviation, generator=generator)


class Linear(nn.Module):
    """m fully connected layers, initialised as ``torch.nn.Linear``, or after Xavier with zero bias."""

    def __init__(self, models: int, inputs: int, outputs: int, xavier: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(models, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(models, outputs))
        self.xavier = xavier

    def reset(self, generators: list[torch.Generator]) -> None:
        """Draws initial values."""
        _, inputs, outputs = self.weight.shape
        if self.xavier:
            normal_(self.weight, (2 / (inputs + outputs)) ** 0.5, generators)
            return
        bound = inputs**-0.5
        uniform_(self.weight, bound, generators)
        uniform_(self.bias, bound, generators)

    def forward(self, x: Float[Tensor, "m batch inputs"]) -> Float[Tensor, "m batch outputs"]:
        """One batched matrix product."""
        return torch.baddbmm(self.bias[:, None], x, self.weight)


class Conv2d(nn.Module):
    """m convolutions without bias as one grouped convolution, Kaiming-initialised (fan out)."""

    def __init__(self, models: int, inputs: int, outputs: int, size: int, stride: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(models, outputs, inputs, size, size))
        self.stride = stride

    def reset(self, generators: list[torch.Generator]) -> None:
        """Draws initial values."""
        _, outputs, _, size, _ = self.weight.shape
        uniform_(self.weight, (6 / (outputs * size * size)) ** 0.5, generators)

    def forward(self, x: Float[Tensor, "batch mc h w"]) -> Float[Tensor, "batch mo h2 w2"]:
        """Padded to keep the size at stride 1."""
        models, _, _, size, _ = self.weight.shape
        return functional.conv2d(x, self.weight.flatten(0, 1), stride=self.stride, padding=size // 2, groups=models)


class BatchNorm2d(nn.Module):
    """m batch normalisations. In training mode batch statistics, and the running ones are updated."""

    def __init__(self, models: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(models, channels))
        self.bias = nn.Parameter(torch.zeros(models, channels))
        self.register_buffer("running_mean", torch.zeros(models, channels))
        self.register_buffer("running_var", torch.ones(models, channels))

    def forward(self, x: Float[Tensor, "batch mc h w"]) -> Float[Tensor, "batch mc h w"]:
        """Normalises each channel of each model."""
        return functional.batch_norm(
            x,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            training=self.training,
        )


class Dropout(nn.Module):
    """Dropout in training mode, its masks from each model's own stream; without streams it does nothing.

    Args:
        rate: Share of the values that are zeroed; the rest are scaled.
        functional: It follows the network's mode in a query, as a call of ``torch.nn.functional.dropout`` would; if
            not, it is off there, as the published code's query switches off all dropout modules.
    """

    def __init__(self, rate: float, functional: bool = False):
        super().__init__()
        self.rate, self.functional = rate, functional

    def forward(self, x: Float[Tensor, "m batch ..."], streams: Streams | None) -> Float[Tensor, "m batch ..."]:
        """Zeroes with probability ``rate``."""
        if streams is None or not self.rate or not self.training:
            return x
        kept = streams.uniform(x.shape[1:]).ge_(self.rate)
        return x * kept.div_(1 - self.rate)


def set_query_mode(network: nn.Module, batch_statistics: bool, stochastic: bool) -> None:
    """Sets what is random or batch-dependent in a query, where the protocols differ (docs/protocol.md).

    Args:
        network: Any network of :func:`lira.shadows.models.build`.
        batch_statistics: BatchNorm uses those of the batch, not the running ones.
        stochastic: Functional dropout and drop-path are on. Dropout modules are off in any case.
    """
    network.train(stochastic)
    for layer in network.modules():
        if isinstance(layer, BatchNorm2d | nn.modules.batchnorm._BatchNorm):
            layer.train(batch_statistics)
        elif isinstance(layer, nn.modules.dropout._DropoutNd) or (isinstance(layer, Dropout) and not layer.functional):
            layer.eval()
