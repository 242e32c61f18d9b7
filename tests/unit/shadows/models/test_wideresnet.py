import pytest
import torch
from plain import networks
from small_networks import assert_ordinary, started
from torch.func import functional_call

from lira.config import Architecture
from lira.shadows.rng import Streams


def test_the_wideresnet_is_m_ordinary_ones_that_start_as_in_the_released_code():
    architecture = Architecture(family="wideresnet", depth=16, width=2)
    network, weights = started(architecture, [0, 1, 2], (3, 16, 16))
    assert_ordinary(network, weights, torch.randn(3, 6, 3, 16, 16), networks.WideResNet(architecture, 3, 4, 0.0))
    fans_in = {"stem": 3 * 9, "blocks.2.conv1": 32 * 9, "blocks.2.shortcut": 32, "blocks.5.conv2": 128 * 9}
    for name, fan in fans_in.items():
        kernel, deviation = weights[f"{name}.weight"], (2 / fan) ** 0.5
        assert kernel.std().item() == pytest.approx(deviation, rel=0.05)
        assert kernel.abs().max() > 2.5 * deviation  # normal, not uniform
    matrix, bound = weights["classifier.weight"], (6 / (128 + 4)) ** 0.5
    assert 0.98 * bound < matrix.abs().max() <= bound
    assert not weights["classifier.bias"].any()


def test_the_wideresnet_drops_between_the_convolutions_and_before_the_classifier():
    network, weights = started(Architecture(family="wideresnet", depth=10, width=1), [0], (3, 8, 8), dropout=0.5)
    x, seen = torch.randn(1, 2, 3, 8, 8), []
    for name, layer in network.named_modules():
        if type(layer).__name__ == "Dropout":
            layer.register_forward_hook(lambda _, given, out, name=name: seen.append((name, given[0].shape, out)))
    functional_call(network, weights, (x, Streams(0, [0])))
    assert [name for name, *_ in seen] == ["blocks.0.dropout", "blocks.1.dropout", "blocks.2.dropout", "dropout"]
    assert seen[1][1] == (1, 2, 32, 4, 4)
    for _, _, out in seen[:3]:
        assert (out == 0).float().mean() > 0.4
