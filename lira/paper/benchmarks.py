"""The paper's benchmarks, and which of its tables a study has comparable numbers of; read without pandas."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lira.config import StudySettings

MODELS = 256
"""Shadow models, and so targets, of every published run."""

POOLS = {"cifar10": 60_000, "cifar100": 60_000, "gtsrb": 51_839, "purchase100": 197_324}
"""Samples of the pools behind the published numbers: training and test split together (docs/protocol.md)."""

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet18": {"family": "timm", "name": "resnet18", "stem": "small"},
    "resnet18_imagenet": {"family": "timm", "name": "resnet18", "stem": "original"},
    "wrn28_2": {"family": "wideresnet", "depth": 28, "width": 2},
    "fcn": {"family": "fcn", "hidden": [1024, 512]},
    "efficientnetv2_s": {"family": "timm", "name": "efficientnetv2_rw_s"},
}
"""The paper's networks, by what a study file must say of them (paper, Table 1)."""

BENCHMARKS = {
    ("cifar10", "baseline"): "resnet18",
    ("cifar10", "aof"): "resnet18",
    ("cifar10", "tl"): "efficientnetv2_s",
    ("cifar100", "baseline"): "wrn28_2",
    ("cifar100", "aof"): "wrn28_2",
    ("cifar100", "tl"): "efficientnetv2_s",
    ("gtsrb", "baseline"): "resnet18",
    ("gtsrb", "tl"): "efficientnetv2_s",
    ("purchase100", "baseline"): "fcn",
    ("purchase100", "aof"): "fcn",
}
"""Network of each benchmark of Table 1, by dataset and regime."""

FIT_RUNS = 10
"""Fewest runs of the paper's data whose fit of Figure 7 is comparable with the published one."""


def is_network(settings: Mapping[str, Any], name: str) -> bool:
    """Returns whether an architecture of a study file is one of :data:`NETWORKS`."""
    return all(settings.get(key) == value for key, value in NETWORKS[name].items())


def comparable_tables(study: StudySettings, compared: Sequence[str]) -> list[str]:
    """Returns the paper's tables that have numbers comparable with the study's, by name, in the paper's order.

    These are of the paper's data, architectures and number of shadow models; imported scores go by their names.

    Args:
        study: The study.
        compared: The runs that comparisons start from, as ``dataset/architecture/regime``.
    """
    alike = {key: network for key in study.shown_runs if (network := _network_of(study, key))}
    found = []
    if any(BENCHMARKS.get(_place(key)) == network for key, network in alike.items()):
        found += ["utility", "optimistic", "calibrated"]
    found += ["ablation"] * _any(study.ablation, alike, "wrn28_2")
    found += ["transfer"] * any(key in alike for key in study.transfer)
    found += ["agreement", "support"] * _any(compared, alike, "resnet18")
    return found + ["loss_ratio"] * (len(alike) >= FIT_RUNS)


def _any(keys: Collection[str], alike: Mapping[str, str], network: str) -> bool:
    return any(key.startswith("cifar10/") and alike.get(key) == network for key in keys)


def _place(key: str) -> tuple[str, str]:
    dataset, _, regime = key.split("/")
    return dataset, regime


def _network_of(study: StudySettings, key: str) -> str:
    """Returns which of the paper's networks a run of the paper's data and number of models is of; empty if none."""
    dataset, architecture, _ = key.split("/")
    if dataset not in POOLS:
        return ""
    if study.runs[key].scores is not None:
        return architecture if architecture in NETWORKS else ""
    settings = study.architectures[architecture].model_dump()
    named = (name for name in NETWORKS if study.shadow_models == MODELS and is_network(settings, name))
    return next(named, "")
