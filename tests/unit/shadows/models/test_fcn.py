import torch
from small_networks import started

from lira.config import Architecture
from lira.shadows.rng import Streams


def test_the_paper_fcn_has_its_size_and_dropout_places():
    network, _ = started(Architecture(family="fcn"), [0], (600,), 100, 0.5)
    assert sum(p.numel() for p in network.parameters()) == 600 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 100 + 100
    x = torch.randn(1, 4, 600)
    assert torch.equal(network(x), network(x))
    assert not torch.equal(network(x, Streams(0, [0])), network(x))
