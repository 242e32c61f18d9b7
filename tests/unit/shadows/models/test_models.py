"""Networks: published parameter counts, initial values, pretrained weights, and what they say when they cannot."""

import sys

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from lira.config import Architecture, load_study
from lira.core.errors import ConfigError, DataError
from lira.shadows.models import build, initialise
from lira.shadows.models.pretrained import normalisation
from lira.shadows.rng import INITIAL, Streams, generator

RESNET18 = Architecture(family="timm", name="resnet18", stem="small")
TINY = Architecture(family="timm", name="test_efficientnet")


@pytest.mark.parametrize(
    ("architecture", "shape", "classes", "published"),
    [
        (RESNET18, (3, 32, 32), 10, 11_173_962),
        (Architecture(family="timm", name="resnet18"), (3, 64, 64), 1000, 11_689_512),
        (Architecture(family="timm", name="efficientnetv2_rw_s"), (3, 64, 64), 1000, 23_941_296),
        (Architecture(family="wideresnet"), (3, 32, 32), 10, 1_467_610),
        (Architecture(family="wideresnet", width=10), (3, 32, 32), 10, 36_479_194),
        (Architecture(family="wideresnet", depth=40, width=4), (3, 32, 32), 100, 8_972_340),
        (Architecture(family="fcn"), (600,), 100, 600 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 100 + 100),
    ],
    ids=["resnet18-small", "resnet18", "efficientnetv2_rw_s", "wrn28-2", "wrn28-10", "wrn40-4", "fcn"],
)
def test_parameter_counts_are_the_published_ones(architecture, shape, classes, published):
    with torch.device("meta") if architecture.family != "timm" else torch.device("cpu"):
        network = build(architecture, 1, shape, classes, 0.0)
    assert sum(parameter.numel() for parameter in network.parameters()) == published


def started(architecture, models, shape, classes=4, dropout=0.0, **options):
    network = build(architecture, len(models), shape, classes, dropout, **options)
    return network, initialise(network, [generator(0, model, INITIAL) for model in models])


def test_the_wideresnet_is_m_ordinary_ones_whose_initial_values_are_kaiming_and_xavier():
    network, weights = started(Architecture(family="wideresnet", depth=16, width=2), [0, 1, 2], (3, 16, 16))
    x = torch.randn(3, 6, 3, 16, 16)
    for training in (True, False):
        network.train(training)
        logits = functional_call(network, {k: v.clone() for k, v in weights.items()}, (x,))
        for model in range(3):
            plain = _plain_wideresnet({name: value[model] for name, value in weights.items()}, x[model], training)
            torch.testing.assert_close(logits[model], plain, atol=1e-5, rtol=1e-5)
    kernel, matrix = weights["blocks.5.conv2.weight"], weights["classifier.weight"]
    assert kernel.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert matrix.std().item() == pytest.approx((2 / (128 + 4)) ** 0.5, rel=0.05)
    assert not weights["classifier.bias"].any()


def _plain_wideresnet(w, x, training):
    def norm(name, x):
        moments = w[f"{name}.running_mean"].clone(), w[f"{name}.running_var"].clone()
        scaled = nn.functional.batch_norm(x, *moments, w[f"{name}.weight"], w[f"{name}.bias"], training=training)
        return scaled.relu()

    x = nn.functional.conv2d(x, w["stem.weight"], padding=1)
    for block in range(6):
        stride, name = 2 if block in (2, 4) else 1, f"blocks.{block}"
        active = norm(f"{name}.bn1", x)
        y = nn.functional.conv2d(active, w[f"{name}.conv1.weight"], stride=stride, padding=1)
        y = nn.functional.conv2d(norm(f"{name}.bn2", y), w[f"{name}.conv2.weight"], padding=1)
        if block % 2 == 0:
            x = nn.functional.conv2d(active, w[f"{name}.shortcut.weight"], stride=stride)
        x = x + y
    return norm("bn", x).mean((2, 3)) @ w["classifier.weight"] + w["classifier.bias"]


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


def test_the_users_function_makes_a_network(tmp_path, monkeypatch):
    (tmp_path / "mine_for_test.py").write_text(
        "from torch import nn\n"
        "def net(shape, classes, dropout):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))\n"
        "def fixed(shape, classes, dropout):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(192, classes))\n"
        "def short(shape, classes, dropout):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes - 1))\n"
        "def nothing(shape, classes, dropout):\n"
        "    return None\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    network, weights = started(Architecture(family="mine_for_test:net"), [0], (3, 8, 8))
    assert {name: tuple(value.shape) for name, value in weights.items()} == {
        "module.1.weight": (1, 4, 192),
        "module.1.bias": (1, 4),
    }
    assert functional_call(network, weights, (torch.randn(1, 5, 3, 8, 8),)).shape == (1, 5, 4)
    for name, said in [
        ("mine_for_test:short", r"gives logits of shape \(2, 3\) for 2 samples, they must be \(2, 4\)"),
        ("mine_for_test:nothing", "must return a torch.nn.Module, not NoneType"),
        ("mine_for_test:missing", "no function missing"),
        ("missing_for_test:net", "cannot be imported"),
    ]:
        with pytest.raises(ConfigError, match=said):
            build(Architecture(family=name), 1, (3, 8, 8), 4, 0.0)
    with pytest.raises(ConfigError, match="torch.nn:Linear failed: "):
        build(Architecture(family="torch.nn:Linear"), 1, (8,), 4, 0.0)
    with pytest.raises(ConfigError, match=r"cannot take samples of shape \(3, 9, 9\)"):
        build(Architecture(family="mine_for_test:fixed"), 1, (3, 9, 9), 4, 0.0)


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


def test_unknown_models_and_stems_are_refused():
    with pytest.raises(ConfigError, match="timm has no model 'resnet19', but .*resnet18"):
        build(Architecture(family="timm", name="resnet19"), 1, (3, 32, 32), 10, 0.0)
    with pytest.raises(ConfigError, match="stem: small needs a ResNet of timm"):
        build(Architecture(family="timm", name="test_efficientnet", stem="small"), 1, (3, 32, 32), 10, 0.0)


def test_dropout_of_a_timm_model_is_that_of_its_head_and_of_its_paths():
    network, _ = started(Architecture(family="timm", name="resnet18"), [0], (3, 32, 32), dropout=0.25)
    assert network.module.drop_rate == 0.25
    paths = [layer.drop_prob for layer in network.modules() if type(layer).__name__ == "DropPath"]
    assert max(paths) == pytest.approx(0.25)
    build(Architecture(family="timm", name="test_vit"), 1, (3, 160, 160), 10, 0.1)


@pytest.mark.parametrize("family", ["timm", "a.b:c"])
def test_only_our_own_networks_train_in_cohorts(family):
    study = {
        "study": "s",
        "datasets": {"digits": {"test": 300}},
        "architectures": {"net": {"family": family} | ({"name": "resnet18"} if family == "timm" else {})},
        "regimes": {"baseline": {"cohort": 2}},
        "runs": {"digits/net/baseline": {}},
    }
    said = rf"runs\.digits/net/baseline\.cohort is 2: allowed is 1, as models of {family} train alone"
    with pytest.raises(ConfigError, match=said):
        load_study(study)


@pytest.fixture(params=["pt", "safetensors"])
def weights_file(request, tmp_path):
    """Weights of another random start, with timm's 1000 classes."""
    from safetensors.torch import save_file

    torch.manual_seed(7)
    state = timm.create_model("test_efficientnet").state_dict()
    path = tmp_path / f"weights.{request.param}"
    save_file(state, path) if request.param == "safetensors" else torch.save(state, path)
    return path, state


def test_pretrained_weights_of_a_file_with_a_new_classifier(weights_file):
    path, state = weights_file
    architecture = TINY.model_copy(update={"weights": str(path)})
    _, first = started(architecture, [0], (3, 32, 32), pretrained=True)
    _, second = started(architecture, [1], (3, 32, 32), pretrained=True)
    for name, value in state.items():
        same = torch.equal(first[f"module.{name}"][0], value) if not name.startswith("classifier") else None
        assert same is not False, name
    assert first["module.classifier.weight"].shape[:2] == (1, 4)
    assert not torch.equal(first["module.classifier.weight"], second["module.classifier.weight"])
    _, grey = started(architecture, [0], (1, 32, 32), pretrained=True)
    torch.testing.assert_close(grey["module.conv_stem.weight"][0], state["conv_stem.weight"].sum(1, keepdim=True))
    _, scratch = started(architecture, [0], (3, 32, 32))
    assert not torch.equal(scratch["module.conv_stem.weight"][0], state["conv_stem.weight"])


def test_unusable_weights_are_refused(tmp_path):
    def start(path, name="test_efficientnet"):
        build(Architecture(family="timm", name=name, weights=str(path)), 1, (3, 32, 32), 4, 0.0, pretrained=True)

    with pytest.raises(DataError, match="missing.pt is not a file; on a machine with internet get https://huggingface"):
        start(tmp_path / "missing.pt")
    (tmp_path / "broken.pt").write_bytes(b"broken")
    with pytest.raises(DataError, match="broken.pt is neither a safetensors file nor"):
        start(tmp_path / "broken.pt")
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "other.pt")
    with pytest.raises(DataError, match="other.pt is not of test_efficientnet: it has no conv_stem.weight"):
        start(tmp_path / "other.pt")


def test_without_internet_the_error_says_what_to_get_and_which_key_to_set(monkeypatch):
    def offline(*arguments, **options):
        raise OSError("We couldn't connect")

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", offline)
    with pytest.raises(DataError) as error:
        build(Architecture(family="timm", name="efficientnetv2_rw_s"), 1, (3, 32, 32), 4, 0.0, pretrained=True)
    assert str(error.value) == (
        "the pretrained weights of efficientnetv2_rw_s cannot be downloaded (We couldn't connect); on a machine with "
        "internet get https://huggingface.co/timm/efficientnetv2_rw_s.ra2_in1k/resolve/main/model.safetensors "
        "and set the architecture's weights to the path of the file"
    )


def test_pretrained_weights_expect_the_normalisation_of_imagenet():
    mean, std = normalisation(Architecture(family="timm", name="efficientnetv2_rw_s"), 3)
    np.testing.assert_array_equal([mean, std], [(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)])
    grey = normalisation(Architecture(family="timm", name="resnet18"), 1)
    np.testing.assert_allclose(grey, [[0.449], [0.226]])


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
