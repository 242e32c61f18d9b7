"""The study's own runs, as they are set beside the paper's benchmarks."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lira.evaluation.estimates import Estimate
from lira.evaluation.rates import RatesOverTargets
from lira.evaluation.utility import utility_over_models
from lira.paper.published import MODELS, POOLS
from lira.report.runs import in_order
from lira.storage.run import Run

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
"""Network of each benchmark of Table 1."""


class Benchmark(Run):
    """One run of the study, with what is compared of it."""

    @property
    def place(self) -> tuple[str, str]:
        """Dataset and regime."""
        return self.key["dataset"], self.key["regime"]

    @property
    def names(self) -> dict[str, str]:
        """Dataset, architecture and regime."""
        return {name: self.key[name] for name in ("dataset", "architecture", "regime")}

    @cached_property
    def rates(self) -> RatesOverTargets:
        """Rates over targets, in percent."""
        return RatesOverTargets(self)

    @cached_property
    def over_models(self) -> dict[str, float]:
        """Means and standard deviations of the utility over models."""
        return utility_over_models(self)

    def of_models(self, name: str) -> Estimate:
        """Returns the mean of a utility column over models, with its standard error."""
        return Estimate(self.over_models[f"{name}_mean"], self.over_models[f"{name}_std"] / self.models**0.5)

    def is_network(self, name: str) -> bool:
        """Returns whether it is of one of the paper's networks; imported scores go by the architecture's name."""
        found, expected = self.attributes.get("network"), NETWORKS[name]
        if not found:
            return self.key["architecture"] == name
        return all(found.get(key) == value for key, value in expected.items())

    def obstacles(self, dataset: str, network: str) -> str:
        """Returns why it cannot be compared with published numbers: another dataset, network or M; empty if it can."""
        found = [] if self.key["dataset"] == dataset else [f"dataset {self.key['dataset']}"]
        found += [] if self.is_network(network) else [f"architecture {self.key['architecture']}"]
        return ", ".join(found + ([] if self.models == MODELS else [f"{self.models} shadow models"]))


def estimate(rate: Mapping) -> Estimate:
    """Returns mean and standard error of a row of :attr:`Benchmark.rates`."""
    return Estimate(rate["mean"], rate["standard_error"])


class Results:
    """The runs of a study, each of its first seed.

    Args:
        folders: Run folders.
    """

    def __init__(self, folders: Sequence[Path | str]):
        self.runs = in_order([Benchmark(folder) for folder in folders])
        self.own_data = not any(run.key["dataset"] in POOLS for run in self.runs)

    def find(self, dataset: str, regime: str, network: str) -> Benchmark | None:
        """Returns the run of a benchmark, else one of another network; with own data the first of the regime."""
        alike = [run for run in self.runs if run.key["regime"] == regime]
        alike = alike if self.own_data else [run for run in alike if run.key["dataset"] == dataset]
        return next((run for run in alike if run.is_network(network)), alike[0] if alike else None)

    def benchmarks(self) -> list[Benchmark]:
        """Returns the runs of Table 1; of a dataset and regime without one, all in the paper's three regimes."""
        chosen = []
        for run in self.runs:
            network = BENCHMARKS.get(run.place)
            found = self.find(*run.place, network) if network else None
            stands_in = not (network and found and found.is_network(network))
            if run.key["regime"] in ("baseline", "aof", "tl") and (stands_in or found is run):
                chosen.append(run)
        return chosen
