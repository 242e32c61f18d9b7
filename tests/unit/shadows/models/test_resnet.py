import torch
from plain import networks
from small_networks import started
from torch.func import functional_call

from lira.config import Architecture


def test_the_resnet_is_m_ordinary_resnets():
    """Against plain torch layers with the same weights, in both modes of batch normalisation."""
    network, weights = started(Architecture(family="resnet", widths=[4, 6]), [0, 1, 2], (1, 8, 8), 5)
    x = torch.randn(3, 7, 1, 8, 8)
    for training in (True, False):
        network.train(training)
        logits = functional_call(network, {k: v.clone() for k, v in weights.items()}, (x,))
        for model in range(3):
            plain = networks.resnet({name: value[model] for name, value in weights.items()}, x[model], training)
            torch.testing.assert_close(logits[model], plain, atol=1e-5, rtol=1e-5)
