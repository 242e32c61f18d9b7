"""The study's own runs, as they are set beside the paper's benchmarks."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from lira.evaluation.estimates import Estimate
from lira.evaluation.rates import RatesOverTargets
from lira.evaluation.utility import QUANTITIES, utility_over_models
from lira.paper.benchmarks import BENCHMARKS, MODELS, POOLS, is_network
from lira.report.runs import in_order
from lira.storage.run import Run


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
    def utility_means(self) -> dict[str, Estimate]:
        """Mean over models of each loss and accuracy (%), with its standard error; NaN where it is not known."""
        found, root = utility_over_models(self), self.models**0.5
        return {name: Estimate(found[f"{name}_mean"], found[f"{name}_std"] / root) for name in QUANTITIES}

    def is_network(self, name: str) -> bool:
        """Returns whether it is of one of the paper's networks; imported scores go by the architecture's name."""
        found = self.attributes.get("network")
        return is_network(found, name) if found else self.key["architecture"] == name

    def obstacles(self, dataset: str, network: str) -> str:
        """Returns why it cannot be compared with published numbers: another dataset, network or M; empty if it can."""
        return listed(
            "" if self.key["dataset"] == dataset else f"dataset {self.key['dataset']}",
            "" if self.is_network(network) else f"architecture {self.key['architecture']}",
            "" if self.models == MODELS else f"{self.models} shadow models",
        )

    @property
    def other_pool(self) -> str:
        """Says by how much its pool differs from the published one of its dataset; empty if it does not."""
        published = POOLS.get(self.key["dataset"], self.pool)
        return "" if self.pool == published else f"pool {self.pool:,} (published {published:,})"


def listed(*parts: str) -> str:
    """Joins the parts that are not empty."""
    return ", ".join(filter(None, parts))


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

    def find(self, dataset: str, regime: str, network: str) -> Benchmark | None:
        """Returns the run of a benchmark, else one of another network; with own data the first of the regime."""
        alike = [run for run in self.runs if run.key["regime"] == regime]
        if any(run.key["dataset"] in POOLS for run in self.runs):
            alike = [run for run in alike if run.key["dataset"] == dataset]
        return next((run for run in alike if run.is_network(network)), alike[0] if alike else None)

    def benchmarks(self) -> list[Benchmark]:
        """Returns the runs of Table 1; of a dataset and regime without one, all in the paper's three regimes."""
        regimes = {regime for _, regime in BENCHMARKS}
        known = [run for run in self.runs if run.place in BENCHMARKS and run.is_network(BENCHMARKS[run.place])]
        first = {run.place: run for run in reversed(known)}
        return [run for run in self.runs if run.key["regime"] in regimes and first.get(run.place, run) is run]
