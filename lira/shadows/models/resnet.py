"""Residual networks for small images: the stem is a 3x3 convolution without max-pooling (the released code)."""

from torch import Tensor, nn
from torch.nn import functional

from lira.config import Architecture
from lira.shadows.models.layers import BatchNorm2d, Conv2d, Dropout, Linear, averaged, laid_out
from lira.shadows.rng import Streams


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is projected where size or width changes."""

    def __init__(self, models: int, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = Conv2d(models, inputs, outputs, 3, stride), BatchNorm2d(models, outputs)
        self.conv2, self.bn2 = Conv2d(models, outputs, outputs, 3), BatchNorm2d(models, outputs)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(Conv2d(models, inputs, outputs, 1, stride), BatchNorm2d(models, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps images to images that are ``stride`` times smaller."""
        y = functional.relu_(self.bn1(self.conv1(x)))
        return functional.relu_(self.bn2(self.conv2(y)).add_(self.shortcut(x)))


class ResNet(nn.Module):
    """m networks of a stem, stages of residual blocks, global average, dropout and classifier.

    The arguments are those of :func:`lira.shadows.models.build`.
    """

    def __init__(self, architecture: Architecture, models: int, shape: tuple[int, ...], classes: int, dropout: float):
        super().__init__()
        widths, self.layer_values = architecture.widths, architecture.widths[0] * shape[1] * shape[2]
        self.stem, self.bn = Conv2d(models, shape[0], widths[0], 3), BatchNorm2d(models, widths[0])
        blocks, inputs = [], widths[0]
        for stage, width in enumerate(widths):
            for block in range(architecture.blocks):
                blocks.append(BasicBlock(models, inputs, width, stride=2 if stage and not block else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = Linear(models, inputs, classes)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, streams: Streams | None = None) -> Tensor:
        """Maps images ``[m, batch, channels, height, width]`` to logits ``[m, batch, classes]``."""
        models, x = len(x), laid_out(x)
        x = self.blocks(functional.relu_(self.bn(self.stem(x))))
        return self.classifier(self.dropout(averaged(x, models), streams))
