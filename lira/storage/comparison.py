"""The results of one comparison of runs: which runs, and how far their flagged samples and their rankings agree."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lira.core.errors import StoreError
from lira.core.validation import check_path
from lira.storage.csv_files import read_csv
from lira.storage.run import RUN_KEYS, Run

LISTED = "runs.json"
"""File beside the tables with label and folder, relative to the study, of every run that is compared."""


class Comparison:
    """Reference runs, which differ by seed only, and variants of their recipe, all of one pool.

    Args:
        folder: ``results/<study>/agreement/<dataset>/<architecture>/<regime>``, named after the reference runs.
    """

    def __init__(self, folder: Path | str):
        self.folder = check_path(folder, "folder").resolve()

    @property
    def is_stored(self) -> bool:
        """Whether the folder says which runs are compared."""
        return (self.folder / LISTED).is_file()

    @property
    def key(self) -> dict[str, Any]:
        """Dataset, architecture and regime of the reference runs."""
        return dict(zip(RUN_KEYS, self.folder.parts[-3:], strict=False))

    @cached_property
    def reference(self) -> dict[str, Run]:
        """Runs that differ by seed only, by label.

        Raises:
            StoreError: ``runs.json`` is missing or damaged, or the runs are not where it says.
        """
        return self._listed("reference")

    @cached_property
    def variants(self) -> dict[str, Run]:
        """Runs of other recipes by label; errors as for :attr:`reference`."""
        return self._listed("variants")

    @property
    def runs(self) -> list[Run]:
        """All runs, those of the reference first."""
        return [*self.reference.values(), *self.variants.values()]

    @property
    def pool(self) -> int:
        """Number of samples."""
        return self._first.pool

    @cached_property
    def ranked(self) -> int:
        """Number of samples that were ranked, the first of the pool: the size of the top 100 %."""
        return int(read_csv(self.folder / "topq_all.csv", "topq_all")["k"].max())

    @property
    def negatives(self) -> float:
        """Mean number of non-members of a target of the first reference run."""
        return self._first.negatives

    @property
    def _first(self) -> Run:
        return next(iter(self.reference.values()))

    def table(self, name: str, attack: str | None = None) -> pd.DataFrame:
        """Reads the rows of one of the folder's ``.csv`` files by one attack, by default the runs' own.

        Raises:
            StoreError: it is missing or damaged.
            ConfigError: as :meth:`lira.storage.run.Run.by_attack`.
        """
        rows = read_csv(self.folder / name, Path(name).stem)
        return self._first.by_attack(rows, attack)

    def null_gaps(self, gap: str, attack: str | None = None) -> list[np.ndarray]:
        """Reads the vulnerabilities with permuted membership of the ranked samples, without undefined ones."""
        runs = self.reference.values()
        tables = [run.by_attack(run.table("null_gaps.csv"), attack) for run in runs]
        return [table.loc[table["sample"] < self.ranked, gap].dropna().to_numpy() for table in tables]

    def _listed(self, kind: str) -> dict[str, Run]:
        path = self.folder / LISTED
        if not path.is_file():
            raise StoreError(f"{path} does not exist: run the rule that makes it")
        try:
            listed = {str(run["label"]): run["folder"] for run in json.loads(path.read_text(encoding="utf-8"))[kind]}
            places = {label: Path(place) for label, place in listed.items()}
            if kind == "reference" and not places:
                raise ValueError("no reference run")
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(f"{path} is damaged ({error}): rm {path}, and run the same command again") from error
        study = self.folder.parents[3] if len(self.folder.parents) > 3 else Path(self.folder.root)
        for place in places.values():
            if not (study / place).is_dir():
                raise StoreError(
                    f"{self.folder} compares the run {place}, which {study} does not hold: give the folder "
                    "results/<study>/agreement/<dataset>/<architecture>/<regime>, with the runs beside agreement/"
                )
        return {label: Run(study / place) for label, place in places.items()}
