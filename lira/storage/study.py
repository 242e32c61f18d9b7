"""The results of one study: its runs, its comparisons and their data."""

import re
from pathlib import Path
from typing import NamedTuple

from lira.config import AttacksSpec, RatesSpec, check_section
from lira.config.dataset import VIEW
from lira.core.errors import ConfigError
from lira.core.validation import check_choice, check_path
from lira.storage.comparison import LISTED, Comparison
from lira.storage.identity import read_spec, specs_of
from lira.storage.run import Run


class Asked(NamedTuple):
    """What a study asks of the attacks on a run: its own attacks with digests of their code, FPRs and priors."""

    own: dict[str, str]
    code: dict[str, str]
    fprs: list[float]
    priors: list[float]


def asked_of_run(folder: Path, attacks: Path | None = None, rates: Path | None = None) -> Asked:
    """Returns what is asked of the attacks on a run.

    Args:
        folder: The run's.
        attacks: Spec of the attacks; by default what its study wrote down, or nothing.
        rates: Spec of FPRs and priors; by default what its study wrote down, or those of the run's tables.

    Raises:
        StoreError: There are no FPRs and priors.
    """
    specs = Path(folder.absolute(), "..", "..", "..", "..", "..", "specs").resolve()
    attacks, rates = (
        given or next(iter(specs_of(specs, place)), None) for given, place in ((attacks, "attacks"), (rates, "rates"))
    )
    asked = check_section("spec", AttacksSpec, read_spec(attacks)) if attacks else None
    at = check_section("spec", RatesSpec, read_spec(rates)) if rates else Run(folder)
    return Asked(asked.own if asked else {}, asked.code if asked else {}, list(at.fprs), list(at.priors))


class Study:
    """The runs, comparisons and data that the folder of a study holds so far.

    Args:
        folder: ``results/<study>``.
    """

    def __init__(self, folder: Path | str):
        self.folder = check_path(folder, "folder")

    @property
    def datasets(self) -> list[str]:
        """Names of the datasets of its runs."""
        return sorted(folder.name for folder in self.folder.glob("runs/*"))

    def calibrated_runs(self, dataset: str) -> list[Run]:
        """Returns the runs of a dataset, of every seed, whose thresholds are calibrated."""
        return [Run(path.parent) for path in sorted(self.folder.glob(f"runs/{dataset}/*/*/*/samples.csv"))]

    def comparisons(self, dataset: str) -> list[Comparison]:
        """Returns the comparisons of runs of a dataset."""
        return [Comparison(path.parent) for path in sorted(self.folder.glob(f"agreement/{dataset}/*/*/{LISTED}"))]

    def runs_to_follow(self, dataset: str | None = None) -> list[Run]:
        """Returns the runs in which a record of a dataset can be followed.

        Those of the dataset's first comparison; without one, the calibrated runs of the dataset's lowest seed.

        Args:
            dataset: Needed if the study has several.

        Raises:
            ConfigError: no such study or dataset, or several of these.
        """
        datasets = self.datasets
        if not datasets:
            raise ConfigError(f"{self.folder} has no runs: give a folder results/<study> with finished ones")
        only = datasets[0] if dataset is None and len(datasets) == 1 else dataset
        check_choice(only, f"dataset of {self.folder}", datasets)
        chosen = str(only)
        if comparisons := self.comparisons(chosen):
            return comparisons[0].runs
        finished = self.calibrated_runs(chosen)
        if not finished:
            raise ConfigError(f"{self.folder} has no calibrated run of {chosen} yet: finish it with snakemake")
        seed = min(run.key["seed"] for run in finished)
        return [run for run in finished if run.key["seed"] == seed]

    def data_of(self, run: Run) -> Path | None:
        """Returns the data file with a run's samples, the smallest of several; ``None`` if there is none."""
        dataset, seed = run.key["dataset"], run.key["seed"]
        views, splits = re.compile(rf"{re.escape(dataset)}-{VIEW}"), {}
        for path in self.folder.glob("data/*.h5"):
            if view := views.fullmatch(path.stem):
                splits[path] = int(view[1])
        own = [path for path, split in splits.items() if split == seed] or list(splits)
        return min(own, key=lambda path: (path.stat().st_size, path), default=None)
