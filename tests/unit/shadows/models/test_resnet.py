import torch
from plain import networks
from small_networks import assert_ordinary, started

from lira.config import Architecture


def test_the_resnet_is_m_ordinary_resnets():
    architecture = Architecture(family="resnet", widths=[4, 6])
    network, weights = started(architecture, [0, 1, 2], (1, 8, 8), 5)
    assert_ordinary(network, weights, torch.randn(3, 7, 1, 8, 8), networks.ResNet(architecture, 1, 5, 0.0))
