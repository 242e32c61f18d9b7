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
from lira.shadows.models.single import STORED
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


class Holding(nn.Module):
    """Two layers, and what ``add`` does to them; its samples have four features."""

    def __init__(self, add):
        super().__init__()
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        add(self)

    def forward(self, x):
        return self.other(self.one(x))


def holding(monkeypatch, add):
    monkeypatch.setattr("lira.shadows.models.load_function", lambda _: lambda *_: Holding(add))
    return Architecture(family="a:b")


def tied(module):
    module.other.weight.data = module.one.weight.data


def transposed(module):
    module.other.weight = nn.Parameter(module.one.weight.t())


def rows(module):
    module.some = nn.Parameter(module.one.weight.data[1:3])


def expanded(module):
    module.scale = nn.Parameter(torch.ones(1).expand(4))


def meta(module):
    module.more = nn.Linear(4, 4, device="meta")


def lazy(module):
    module.norm = nn.LazyBatchNorm1d(affine=False)


def buffer(make):
    return lambda module: module.register_buffer("held", make(module))


@pytest.mark.parametrize(
    ("add", "said"),
    [
        (tied, "shares a parameter or buffer, other.weight with one.weight"),
        (transposed, "shares a parameter or buffer, other.weight with one.weight"),
        (rows, "shares a parameter or buffer, some with one.weight|one.weight with some"),
        (buffer(lambda module: module.one.weight.data), "shares a parameter or buffer, "),
        (expanded, "shares a parameter or buffer, scale among its own values"),
        (lazy, "leaves the shape of norm.running_mean open"),
        (meta, "has no values in more.weight"),
        (buffer(lambda _: torch.eye(3).to_sparse()), r"has held as a tensor \(torch.float32, torch.sparse_coo\)"),
        (buffer(lambda _: torch.zeros(3, dtype=torch.uint16)), r"has held as a tensor \(torch.uint16, torch.strided\)"),
        (buffer(lambda _: torch.zeros(3, dtype=torch.float8_e4m3fn)), r"has held as a tensor \(torch.float8_e4m3fn, "),
    ],
    ids=["data", "view", "rows", "buffer", "expanded", "lazy", "meta", "sparse", "uint16", "float8"],
)
def test_what_cannot_be_a_models_own_values_is_refused(monkeypatch, add, said):
    with pytest.raises(ConfigError, match=said) as refused:
        build(holding(monkeypatch, add), 1, (4,), 4, 0.0)
    assert "\n" not in str(refused.value)


def parts(module):
    module.first, module.second = (nn.Parameter(values) for values in torch.randn(2, 4))


def chunks(module):
    module.first, module.second, module.third = (nn.Parameter(part) for part in torch.randn(2, 6).chunk(3, 1))


def waves(module):
    table = torch.polar(torch.ones(3), torch.arange(3.0))
    module.register_buffer("cos", table.real)
    module.register_buffer("sin", table.imag)


@pytest.mark.parametrize(
    ("add", "shapes"),
    [
        (buffer(lambda _: torch.ones(1).expand(4)), {"held": (4,)}),
        (buffer(lambda _: torch.ones(3, 1).expand(3, 2)), {"held": (3, 2)}),
        (parts, {"first": (4,), "second": (4,)}),
        (chunks, {"first": (2, 2), "second": (2, 2), "third": (2, 2)}),
        (waves, {"cos": (3,), "sin": (3,)}),
    ],
    ids=["repeated", "rows", "parts", "chunks", "waves"],
)
def test_views_that_share_no_value_of_another_become_tensors_of_their_own(monkeypatch, add, shapes):
    network, weights = started(holding(monkeypatch, add), [0], (4,))
    for name, shape in shapes.items():
        value = weights[f"module.{name}"]
        assert value.shape == (1, *shape)
        before = value.clone()
        value.view(-1)[0] += 1
        assert (value != before).sum() == 1
    network(torch.zeros(1, 2, 4))


def test_saved_values_of_every_type_that_is_allowed_can_be_indexed_and_stored():
    for name in STORED:
        values = torch.zeros(3, 2, dtype=getattr(torch, name))
        values[torch.tensor([1])] = values[torch.tensor([2])]
        assert torch.equal(values.nan_to_num(), values)
        assert name == "bfloat16" or values.numpy().shape == (3, 2)


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
