"""The study's own runs, as they are set beside the paper's benchmarks."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from lira.evaluation.estimates import Estimate
from lira.evaluation.rates import RatesOverTargets
from lira.evaluation.utility import utility_over_models
from lira.paper.published import MODELS, POOLS
from lira.report.runs import in_order
from lira.storage.run import Run

NETWORKS = {
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


class Benchmark:
    """One run of the study, with what is compared of it.

    Args:
        run: The run.
    """

    def __init__(self, run: Run):
        self.run, self.key = run, run.key
        self.models, self.pool = run.models, run.pool

    @cached_property
    def utility(self) -> dict[str, float]:
        """Means and standard deviations over models."""
        return utility_over_models(self.run)

    def is_network(self, name: str) -> bool:
        """Whether it is of one of the paper's networks; imported scores are known by their architecture's name."""
        found, expected = self.run.attributes.get("network"), NETWORKS[name]
        if not found:
            return self.key["architecture"] == name
        return all(found.get(key) == value for key, value in expected.items())

    def obstacles(self, dataset: str, network: str) -> str:
        """What makes it not comparable with published numbers: another dataset, architecture or M; empty if nothing."""
        found = [] if self.key["dataset"] == dataset else [f"dataset {self.key['dataset']}"]
        found += [] if self.is_network(network) else [f"architecture {self.key['architecture']}"]
        return ", ".join(found + ([] if self.models == MODELS else [f"{self.models} shadow models"]))

    @cached_property
    def rates(self) -> RatesOverTargets:
        """Its rates over targets, in percent."""
        return RatesOverTargets(self.run)

    def rate(self, attack: str, mode: str, fpr: float | None, metric: str, prior: float | None = None) -> dict | None:
        """A metric over targets, as a row of ``summary.csv`` in percent; ``None`` if it is not there."""
        return self.rates.find(attack, mode, fpr, metric, prior)

    def of_models(self, name: str) -> Estimate:
        """Mean of a utility column over models, and its standard error."""
        return Estimate(self.utility[f"{name}_mean"], self.utility[f"{name}_std"] / self.models**0.5)


def estimate(rate: dict) -> Estimate:
    """Mean and standard error of :meth:`Benchmark.rate`."""
    return Estimate(rate["mean"], rate["standard_error"])


class Results:
    """The runs of a study, each of its first seed.

    Args:
        folders: Run folders.
    """

    def __init__(self, folders: Sequence[Path]):
        self.runs = [Benchmark(run) for run in in_order([Run(folder) for folder in folders])]
        self.own_data = not any(run.key["dataset"] in POOLS for run in self.runs)

    def find(self, dataset: str, regime: str, network: str) -> Benchmark | None:
        """The run of a benchmark, else one of another network; with own data the regime's first, to stand beside it."""
        alike = [run for run in self.runs if run.key["regime"] == regime]
        alike = alike if self.own_data else [run for run in alike if run.key["dataset"] == dataset]
        return next((run for run in alike if run.is_network(network)), alike[0] if alike else None)

    def benchmarks(self) -> list[Benchmark]:
        """Runs of Table 1; of a dataset and regime without one, all there are in the paper's three regimes."""
        chosen = []
        for run in self.runs:
            place = run.key["dataset"], run.key["regime"]
            network = BENCHMARKS.get(place)
            found = self.find(*place, network) if network else None
            stands_in = found is None or not found.is_network(network)
            if run.key["regime"] in ("baseline", "aof", "tl") and (stands_in or found is run):
                chosen.append(run)
        return chosen
