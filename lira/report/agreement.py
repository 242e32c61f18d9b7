"""What tables and figures read from an agreement folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lira.core.errors import ConfigError
from lira.report.labels import show
from lira.report.runs import negatives, targets
from lira.storage.run import Run, compared_runs, read_csv

GAPS = {"median": "Median gap", "mean": "Mean gap"}


def check_gap(gap: str) -> str:
    """The gap, if there is one of that name.

    Raises:
        ConfigError: there is none.
    """
    if gap not in GAPS:
        raise ConfigError(f"gap: {gap!r} is not allowed, allowed: {', '.join(GAPS)}")
    return gap


MEASURES = {"jaccard": "Jaccard (%)", "intersection": "Intersection (samples)", "union": "Union (samples)"}


class Agreement:
    """Agreement of the runs of one dataset, architecture and regime, over seeds and variants.

    Args:
        folder: ``results/<study>/agreement/<dataset>/<architecture>/<regime>``.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder).resolve()

    @classmethod
    def only(cls, folders: Sequence[Path | str]) -> "Agreement":
        """The one that is shown.

        Raises:
            ConfigError: several are given.
        """
        if len(folders) > 1:
            listed = ", ".join(str(folder) for folder in folders)
            raise ConfigError(f"{len(folders)} folders are given ({listed}), but this shows one comparison: give one")
        return cls(folders[0])

    @property
    def title(self) -> str:
        """Dataset, architecture and regime of the reference runs."""
        return " ".join(show(name) for name in self.folder.parts[-3:])

    def table(self, name: str) -> pd.DataFrame:
        """One of the folder's ``.csv``.

        Raises:
            StoreError: it is missing or damaged.
        """
        return read_csv(self.folder / name, Path(name).stem, keep_default_na=False, na_values=["", "nan"])

    def runs(self, kind: str = "reference") -> dict[str, Run]:
        """Runs by label: the ``reference`` seeds or the ``variants``."""
        return compared_runs(self.folder, kind)

    def null_gaps(self, gap: str) -> list[np.ndarray]:
        """Vulnerabilities of the samples in each reference run where membership is permuted; without undefined ones."""
        return [run.table("null_gaps.csv")[gap].dropna().to_numpy() for run in self.runs().values()]

    def negatives(self) -> float:
        """Mean number of non-members of a target of the first reference run."""
        return negatives(targets(next(iter(self.runs().values())), "target"))

    def pool(self) -> int:
        """Number of samples of the first reference run."""
        with next(iter(self.runs().values())).shadows() as file:
            return file["member"].shape[1]
