"""The networks of ordinary layers: an FCN as a module, residual networks as functions of their weights."""

from torch import Tensor, nn
from torch.nn import functional

from lira.config import Architecture


class FCN(nn.Sequential):
    """Dropout after each activation and again before the classifier."""

    def __init__(self, architecture: Architecture, features: int, classes: int, dropout: float):
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}[architecture.activation]
        layers: list[nn.Module] = [nn.Flatten()]
        for units in architecture.hidden:
            layers += [nn.Linear(features, units), activation(), nn.Dropout(dropout)]
            features = units
        super().__init__(*layers, nn.Dropout(dropout), nn.Linear(features, classes))


def resnet(weights: dict[str, Tensor], x: Tensor, training: bool) -> Tensor:
    """Logits of a residual network of two blocks; ``training`` takes statistics from the batch."""

    def convolve(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return _convolve(weights, name, x, stride)

    def normalise(name: str, x: Tensor) -> Tensor:
        return _normalise(weights, name, x, training)

    x = normalise("bn", convolve("stem", x)).relu()
    for block, stride in (("blocks.0", 1), ("blocks.1", 2)):
        y = normalise(f"{block}.bn1", convolve(f"{block}.conv1", x, stride)).relu()
        y = normalise(f"{block}.bn2", convolve(f"{block}.conv2", y))
        if f"{block}.shortcut.0.weight" in weights:
            x = normalise(f"{block}.shortcut.1", convolve(f"{block}.shortcut.0", x, stride))
        x = (x + y).relu()
    return _classify(weights, x)


def wideresnet(weights: dict[str, Tensor], x: Tensor, training: bool) -> Tensor:
    """Logits of a wide residual network of depth 16; ``training`` takes statistics from the batch."""

    def convolve(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return _convolve(weights, name, x, stride)

    def activate(name: str, x: Tensor) -> Tensor:
        return _normalise(weights, name, x, training).relu()

    x = convolve("stem", x)
    for number in range(6):
        stride, block = 2 if number in (2, 4) else 1, f"blocks.{number}"
        active = activate(f"{block}.bn1", x)
        y = convolve(f"{block}.conv2", activate(f"{block}.bn2", convolve(f"{block}.conv1", active, stride)))
        x = y + (convolve(f"{block}.shortcut", active, stride) if number % 2 == 0 else x)
    return _classify(weights, activate("bn", x))


def _convolve(weights, name, x, stride):
    kernel = weights[f"{name}.weight"]
    return functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)


def _normalise(weights, name, x, training):
    moments = weights[f"{name}.running_mean"].clone(), weights[f"{name}.running_var"].clone()
    return functional.batch_norm(x, *moments, weights[f"{name}.weight"], weights[f"{name}.bias"], training=training)


def _classify(weights, x):
    return x.mean((2, 3)) @ weights["classifier.weight"] + weights["classifier.bias"]
