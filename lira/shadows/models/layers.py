"""Layers that compute m networks at once: every parameter has a leading model axis.

Vectors are ``[m, batch, features]``; images are ``[batch, m * channels, height, width]``, as grouped convolutions need
them. ``reset`` draws each model's initial values from its own generator, so that no model depends on the others.
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


def laid_out(x: Float[Tensor, "m batch channels h w"]) -> Float[Tensor, "batch mc h w"]:
    """Arranges images for grouped convolutions; those of one model with channels last, the fastest memory layout."""
    images = x.transpose(0, 1).flatten(1, 2)
    return images.contiguous(memory_format=torch.channels_last) if len(x) == 1 else images


def averaged(x: Float[Tensor, "batch mc h w"], models: int) -> Float[Tensor, "m batch channels"]:
    """Averages each channel over its pixels; the gradient of ``mean`` has a layout that slows down what came before."""
    means = x.sum((2, 3)) / (x.shape[2] * x.shape[3])
    return means.unflatten(1, (models, -1)).transpose(0, 1)


BLOCK = 16
"""Channels of the largest block in which oneDNN keeps images."""


def overruns(size: int, stride: int, inputs: int) -> bool:
    """Tells whether oneDNN may write past its memory in a convolution's gradient, if channels are last.

    Measured with torch 2.14 and AVX2, where blocks have 8 channels: the heap is corrupted, and the process often ends.
    Source: https://github.com/uxlfoundation/oneDNN/issues/6035.
    """
    return size == 1 and stride > 1 and inputs < BLOCK


class Linear(nn.Module):
    """m fully connected layers, initialised like ``torch.nn.Linear``; with ``xavier``, uniformly by Xavier, bias 0."""

    def __init__(self, models: int, inputs: int, outputs: int, xavier: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(models, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(models, outputs))
        self.xavier = xavier

    def reset(self, generators: list[torch.Generator]) -> None:
        """Draws initial values."""
        _, inputs, outputs = self.weight.shape
        if self.xavier:
            uniform_(self.weight, (6 / (inputs + outputs)) ** 0.5, generators)
            return
        for parameter in (self.weight, self.bias):
            uniform_(parameter, inputs**-0.5, generators)

    def forward(self, x: Float[Tensor, "m batch inputs"]) -> Float[Tensor, "m batch outputs"]:
        """Computes all layers as one batched matrix product."""
        return torch.baddbmm(self.bias[:, None], x, self.weight)


class Conv2d(nn.Module):
    """m convolutions without bias as one grouped convolution, initialised normally by Kaiming.

    Args:
        models: m.
        inputs: Channels that come in.
        outputs: Channels that go out.
        size: Height and width of the kernel.
        stride: Pixels between two places of the kernel.
        fan: ``out`` keeps the variance of gradients (torchvision's ResNets), ``in`` that of activations.
    """

    def __init__(self, models: int, inputs: int, outputs: int, size: int, stride: int = 1, fan: str = "out"):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(models, outputs, inputs, size, size))
        self.stride = stride
        self.deviation = (2 / ({"in": inputs, "out": outputs}[fan] * size * size)) ** 0.5

    def reset(self, generators: list[torch.Generator]) -> None:
        """Draws initial values."""
        normal_(self.weight, self.deviation, generators)

    def forward(self, x: Float[Tensor, "batch mc h w"]) -> Float[Tensor, "batch mo h2 w2"]:
        """Convolves; the padding keeps the size at stride 1."""
        models, _, inputs, size, _ = self.weight.shape
        stride = self.stride
        if models == 1 and overruns(size, stride, inputs):  # alone, channels are last
            x, stride = x[..., ::stride, ::stride], 1
        return functional.conv2d(x, self.weight.flatten(0, 1), stride=stride, padding=size // 2, groups=models)


class BatchNorm2d(nn.Module):
    """m batch normalisations; in training mode they use batch statistics and update the running ones."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, models: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(models, channels))
        self.bias = nn.Parameter(torch.zeros(models, channels))
        self.register_buffer("running_mean", torch.zeros(models, channels))
        self.register_buffer("running_var", torch.ones(models, channels))

    def forward(self, x: Float[Tensor, "batch mc h w"]) -> Float[Tensor, "batch mc h w"]:
        """Normalises each channel of each model."""
        mean, variance = self.running_mean.view(-1), self.running_var.view(-1)
        return functional.batch_norm(x, mean, variance, self.weight.view(-1), self.bias.view(-1), self.training)


class Dropout(nn.Module):
    """Dropout in training mode, with masks from each model's own stream; without streams it does nothing.

    Args:
        rate: Share of the values that are zeroed; the rest are scaled.
        functional: In a query, follow the network's mode, as a call of ``torch.nn.functional.dropout`` would.
            Otherwise dropout is off there, as the published code's query switches off all dropout modules.
    """

    def __init__(self, rate: float, functional: bool = False):
        super().__init__()
        self.rate, self.functional = rate, functional

    def forward(self, x: Float[Tensor, "m batch ..."], streams: Streams | None) -> Float[Tensor, "m batch ..."]:
        """Zeroes each value with probability ``rate``."""
        if streams is None or not self.rate or not self.training:
            return x
        kept = streams.uniform(x.shape[1:]).ge_(self.rate)
        return x * kept.div_(1 - self.rate)


def set_query_mode(network: nn.Module, batch_statistics: bool, stochastic: bool) -> None:
    """Sets what is random or depends on the batch in a query, as the protocols differ there (docs/protocol.md).

    Args:
        network: Any network of :func:`lira.shadows.models.build`.
        batch_statistics: Let BatchNorm use the statistics of the batch instead of the running ones, unless the network
            keeps it in evaluation mode while it trains.
        stochastic: Keep functional dropout and drop-path on; dropout modules are off in any case.
    """
    trained = {layer for layer in network.train().modules() if layer.training}
    network.train(stochastic)
    for layer in network.modules():
        if isinstance(layer, BatchNorm2d | nn.modules.batchnorm._BatchNorm):
            layer.train(batch_statistics and layer in trained)
        elif isinstance(layer, nn.modules.dropout._DropoutNd) or (isinstance(layer, Dropout) and not layer.functional):
            layer.eval()
