"""The networks of ordinary layers, as a user would write them; names of parameters are those of the suite's.

Initial values are torch's own, but for kernels (Kaiming, normal) and the classifier of a WideResNet (Xavier, uniform).
"""

from torch import Tensor, nn

from lira.config import Architecture

STEM = 16


class FCN(nn.Sequential):
    """Dropout after each activation and again before the classifier."""

    def __init__(self, architecture: Architecture, features: int, classes: int, dropout: float):
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}[architecture.activation]
        layers: list[nn.Module] = [nn.Flatten()]
        for units in architecture.hidden:
            layers += [nn.Linear(features, units), activation(), nn.Dropout(dropout)]
            features = units
        super().__init__(*layers, nn.Dropout(dropout), nn.Linear(features, classes))


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1."""
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def start(network: nn.Module, fan: str) -> None:
    """Draws the kernels; ``fan`` is fan_in or fan_out."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode=fan, nonlinearity="relu")


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = convolution(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(y)) + self.shortcut(x)).relu()


class ResNet(nn.Module):
    """A stem, stages of blocks, the global average and a classifier."""

    def __init__(self, architecture: Architecture, channels: int, classes: int, dropout: float):
        super().__init__()
        inputs, blocks = architecture.widths[0], []
        self.stem, self.bn = convolution(channels, inputs, 3), nn.BatchNorm2d(inputs)
        for stage, width in enumerate(architecture.widths):
            for block in range(architecture.blocks):
                blocks.append(Block(inputs, width, 2 if stage and not block else 1))
                inputs = width
        self.blocks, self.dropout = nn.Sequential(*blocks), nn.Dropout(dropout)
        self.classifier = nn.Linear(inputs, classes)
        start(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.bn(self.stem(x)).relu())
        return self.classifier(self.dropout(x.mean((2, 3))))


class WideBlock(nn.Module):
    """Normalisation, activation and convolution twice, dropout between, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), convolution(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), convolution(outputs, outputs, 3)
        self.dropout, self.shortcut = nn.Dropout(dropout), None
        if stride > 1 or inputs != outputs:
            self.shortcut = convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = self.bn1(x).relu()
        y = self.conv2(self.dropout(self.bn2(self.conv1(active)).relu()))
        return y + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """A stem, three stages of wide blocks, the global average and a classifier."""

    def __init__(self, architecture: Architecture, channels: int, classes: int, dropout: float):
        super().__init__()
        inputs, blocks = STEM, []
        self.stem = convolution(channels, inputs, 3)
        for stage in range(3):
            outputs = STEM * 2**stage * architecture.width
            for block in range((architecture.depth - 4) // 6):
                blocks.append(WideBlock(inputs, outputs, 2 if stage and not block else 1, dropout))
                inputs = outputs
        self.blocks, self.bn = nn.Sequential(*blocks), nn.BatchNorm2d(inputs)
        self.dropout, self.classifier = nn.Dropout(dropout), nn.Linear(inputs, classes)
        start(self, "fan_in")
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.blocks(self.stem(x))).relu()
        return self.classifier(self.dropout(x.mean((2, 3))))


IMAGES = {"resnet": ResNet, "wideresnet": WideResNet}


def load(module: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Gives a module of :data:`IMAGES` the weights of one of the suite's models."""
    turned = {"classifier.weight": weights["classifier.weight"].T}
    module.load_state_dict(weights | turned, strict=False)  # torch counts batches besides
    return module
