"""Networks: published parameter counts, initial values, pretrained weights, and what they say when they cannot."""

import sys

import pytest
import torch
from small_networks import started
from torch.func import functional_call

from lira.config import Architecture, load_study
from lira.core.errors import ConfigError
from lira.shadows.models import build

RESNET18 = Architecture(family="timm", name="resnet18", stem="small")


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
