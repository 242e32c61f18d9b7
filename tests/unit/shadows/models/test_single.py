"""timm's models and a user's own: as they compute alone, with values of their own stream."""

import pytest
import timm
import torch
from small_networks import started
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from lira.config import Architecture
from lira.core.errors import ConfigError
from lira.shadows.models import build
from lira.shadows.rng import Streams

RESNET18 = Architecture(family="timm", name="resnet18", stem="small")
TINY = Architecture(family="timm", name="test_efficientnet")


def test_a_wrapped_module_computes_as_it_does_alone():
    network, weights = started(RESNET18, [3], (3, 32, 32), 10)
    alone = timm.create_model("resnet18", num_classes=10)
    alone.conv1, alone.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    own = {name.removeprefix("module."): value[0] for name, value in weights.items()}
    x = torch.randn(2, 3, 32, 32)
    for mode in (True, False):
        alone.load_state_dict(own)
        alone.train(mode), network.train(mode)
        given = {name: value.clone() for name, value in weights.items()}
        torch.testing.assert_close(functional_call(network, given, (x[None],))[0], alone(x))
    assert given["module.bn1.running_mean"].shape == (1, 64)


def test_running_statistics_of_a_wrapped_module_go_to_the_given_buffers():
    network, weights = started(TINY, [0], (3, 32, 32))
    given = {name: value.clone() for name, value in weights.items()}
    network.train()
    functional_call(network, given, (torch.randn(1, 8, 3, 32, 32), Streams(0, [0])))
    changed = {name for name, value in given.items() if not torch.equal(value, weights[name])}
    assert changed == {name for name in weights if name.endswith(("running_mean", "running_var", "batches_tracked"))}
    torch.testing.assert_close(dict(network.state_dict()), weights)


def test_initial_values_and_dropout_of_a_wrapped_module_come_from_the_models_own_stream():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    _, one = started(TINY, [0], (3, 32, 32), dropout=0.5)
    network, again = started(TINY, [0], (3, 32, 32), dropout=0.5)
    _, other = started(TINY, [1], (3, 32, 32), dropout=0.5)
    torch.testing.assert_close(one, again, rtol=0, atol=0)
    assert not torch.equal(one["module.conv_stem.weight"], other["module.conv_stem.weight"])
    x = torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network.train()
    streams = Streams(0, [0])
    first, second, repeated = (network(x, s) for s in (streams, streams, Streams(0, [0])))
    assert torch.equal(first, repeated) and not torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


class Counter(nn.Module):
    """Assigns its buffer anew instead of writing into it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        return self.layer(x)


def test_a_buffer_that_the_users_module_assigns_is_kept(monkeypatch):
    monkeypatch.setattr("lira.shadows.models.load_function", lambda _: lambda *_: Counter())
    network, weights = started(Architecture(family="a:b"), [0], (4,))
    given = {name: value.clone() for name, value in weights.items()}
    for _ in range(3):
        functional_call(network, given, (torch.zeros(1, 2, 4),))
    assert given["module.calls"].item() == 3 and weights["module.calls"].item() == 0


def test_shared_parameters_are_refused(monkeypatch):
    layer = nn.Linear(4, 4)
    monkeypatch.setattr("lira.shadows.models.load_function", lambda _: lambda *_: nn.Sequential(layer, layer))
    with pytest.raises(ConfigError, match="shares a parameter"):
        build(Architecture(family="a:b"), 1, (4,), 4, 0.0)


class OwnConvolutions(nn.Module):
    """Convolutions called in more than one way, of as many channels as the last stages of a ResNet have."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(256, 3, 1, 1) / 2)
        self.second = nn.Parameter(torch.randn(256, 256, 3, 3) / 48)

    def forward(self, x):
        x = functional.conv2d(input=x, weight=self.first).contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight=self.second, padding=1).mean((2, 3))


def test_the_users_module_calls_convolutions_as_it_likes(monkeypatch):
    monkeypatch.setattr("lira.shadows.models.load_function", lambda _: lambda *_: OwnConvolutions())
    network, weights = started(Architecture(family="a:b"), [0], (3, 8, 8), classes=256)
    alone = OwnConvolutions()
    alone.load_state_dict({name.removeprefix("module."): value[0] for name, value in weights.items()})
    x = torch.randn(1, 32, 3, 8, 8)
    torch.testing.assert_close(functional_call(network, weights, (x,))[0], alone(x[0]), rtol=0, atol=0)


def test_images_of_timm_models_have_their_channels_side_by_side():
    network, weights = started(RESNET18, [0], (3, 32, 32), 10)
    seen = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, given, out: seen.append((given[0], out)))
    functional_call(network, weights, (torch.randn(1, 32, 3, 32, 32),))
    assert len(seen) == 20
    assert all(value.is_contiguous(memory_format=torch.channels_last) for pair in seen for value in pair)
    assert weights["module.conv1.weight"][0].is_contiguous(memory_format=torch.channels_last)
