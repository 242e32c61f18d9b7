"""WideResNet-d-k for small images (Zagoruyko & Komodakis 2016): pre-activation blocks with dropout inside."""

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from lira.config import Architecture
from lira.shadows.models.layers import BatchNorm2d, Conv2d, Dropout, Linear, averaged, laid_out
from lira.shadows.rng import Streams

STEM = 16
_convolution = partial(Conv2d, fan="in")  # as the released code starts it


class WideBlock(nn.Module):
    """Normalisation, activation and convolution twice, dropout between the convolutions.

    Where size or width changes, the shortcut is a projection of the activated input.
    """

    def __init__(self, models: int, inputs: int, outputs: int, stride: int, dropout: float):
        super().__init__()
        self.bn1, self.conv1 = BatchNorm2d(models, inputs), _convolution(models, inputs, outputs, 3, stride)
        self.bn2, self.conv2 = BatchNorm2d(models, outputs), _convolution(models, outputs, outputs, 3)
        self.shortcut = _convolution(models, inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None
        self.dropout = Dropout(dropout, functional=True)

    def forward(self, x: Tensor, streams: Streams | None) -> Tensor:
        """Maps images to images that are ``stride`` times smaller."""
        active = functional.relu_(self.bn1(x))
        y = functional.relu_(self.bn2(self.conv1(active)))
        if self.dropout.rate:
            by_model = y.unflatten(1, (len(self.conv2.weight), -1)).transpose(0, 1)
            y = self.dropout(by_model, streams).transpose(0, 1).flatten(1, 2)
        return self.conv2(y) + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """m networks of a stem, three stages, global average, dropout and classifier (the released code).

    The arguments are those of :func:`lira.shadows.models.build`.
    """

    def __init__(self, architecture: Architecture, models: int, shape: tuple[int, ...], classes: int, dropout: float):
        super().__init__()
        self.stem = _convolution(models, shape[0], STEM, 3)
        self.layer_values = STEM * architecture.width * shape[1] * shape[2]
        blocks, inputs = [], STEM
        for stage in range(3):
            outputs = STEM * 2**stage * architecture.width
            for block in range((architecture.depth - 4) // 6):
                blocks.append(WideBlock(models, inputs, outputs, 2 if stage and not block else 1, dropout))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.bn = BatchNorm2d(models, inputs)
        self.dropout = Dropout(dropout)
        self.classifier = Linear(models, inputs, classes, xavier=True)

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Maps images ``[m, batch, channels, height, width]`` to logits ``[m, batch, classes]``."""
        models, x = len(x), self.stem(laid_out(x))
        for block in self.blocks:
            x = block(x, streams)
        x = averaged(functional.relu_(self.bn(x)), models)
        return self.classifier(self.dropout(x, streams))
