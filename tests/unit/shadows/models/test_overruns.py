"""The convolutions whose gradients overrun oneDNN's memory are never asked for.

Source: https://github.com/uxlfoundation/oneDNN/issues/6035.
"""

import pytest
import torch
from small_networks import started
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from lira.config import Architecture
from lira.shadows.models import initialise
from lira.shadows.models.layers import Conv2d
from lira.shadows.models.single import Single, differentiate
from lira.shadows.models.turns import compute
from lira.shadows.rng import INITIAL, Streams, generator

NARROW = 16  # channels; fewer do not fill a block of AVX-512


class Gradients(TorchDispatchMode):
    """Takes down the kernel's size, stride, channels and layout of each convolution that is differentiated."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        if function is torch.ops.aten.convolution_backward.default:
            _, x, weight, _, stride = arguments[:5]
            last = x.is_contiguous(memory_format=torch.channels_last)
            self.seen.append((max(weight.shape[2:]), max(stride), weight.shape[1], last))
        return function(*arguments, **(settings or {}))

    def overrunning(self):
        return [found for found in self.seen if found[0] == 1 and found[1] > 1 and found[2] < NARROW and found[3]]


def differentiated(network, weights, shape):
    trained = [weights[name].requires_grad_() for name, _ in network.named_parameters()]
    models = len(trained[0])
    with Gradients() as gradients:
        logits = compute(network.train(), weights, torch.randn(models, 6, *shape), Streams(0, range(models)))
        differentiate(network, logits.square().sum(), trained)
    return gradients


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("pixels", [8, 32])
@pytest.mark.parametrize("widths", [[4, 8, 16, 32], [3, 5]])
def test_in_no_resnet(widths, pixels, models):
    shape = (3, pixels, pixels)
    network, weights = started(Architecture(family="resnet", widths=widths), range(models), shape)
    assert not differentiated(network, weights, shape).overrunning()


def narrow(channels):
    layers = nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, 8, 1, stride=2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 16, 4))


@pytest.mark.parametrize(("channels", "last"), [(4, False), (15, False), (16, True)])
def test_not_in_a_module_that_would_have_channels_last(channels, last):
    """The layout is then torch's usual one, and otherwise the faster one."""
    network = Single(lambda: narrow(channels), channels_last=True)
    gradients = differentiated(network, initialise(network, [generator(0, 0, INITIAL)]), (3, 8, 8))
    assert not gradients.overrunning()
    assert [found[-1] for found in gradients.seen] == [last, last]


def test_the_check_sees_them():
    x = torch.randn(2, 4, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    with Gradients() as gradients, FakeTensorMode(allow_non_fake_inputs=True):  # computes nothing
        functional.conv2d(x, torch.randn(8, 4, 1, 1), stride=2).sum().backward()
    assert gradients.overrunning() == [(1, 2, 4, True)]


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("inputs", [3, 4, 7, 8, 15, 16])
@pytest.mark.parametrize("pixels", [1, 7, 8])
def test_the_gradients_are_right(inputs, pixels, models):
    """Those of one model with channels last, as its networks have them."""
    layer = Conv2d(models, inputs, 8, 1, stride=2)
    layer.reset([torch.Generator().manual_seed(model) for model in range(models)])
    x = torch.randn(10, models * inputs, pixels, pixels)
    x = (x.to(memory_format=torch.channels_last) if models == 1 else x).requires_grad_()
    y = layer(x)
    above = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, layer.weight), above)
    double, weight = (value.detach().double().requires_grad_() for value in (x, layer.weight))
    exact = functional.conv2d(double, weight.flatten(0, 1), stride=2, groups=models)
    torch.testing.assert_close(y.double(), exact, rtol=1e-5, atol=1e-5)
    for one, other in zip(found, torch.autograd.grad(exact, (double, weight), above.double()), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)
