"""Which results tables and figures show, in which order and under which names."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import pandas as pd

from lira.core.errors import ConfigError
from lira.core.validation import check_choice
from lira.report.catalogue import Kind, find_maker
from lira.report.labels import GAPS, percent, regime_order, show
from lira.storage.comparison import Comparison
from lira.storage.run import RUN_KEYS, Run

SERIES = ("dataset", "architecture", "regime")


def make(kind: Kind, name: str, folders: Sequence[Path | str], options: Mapping[str, Any]) -> Any:
    """Makes a table or figure of the runs, or of the comparison, in the folders.

    Which of these it is of is said by the first argument of its function: ``runs`` or ``comparison``.

    Args:
        kind: ``"tables"`` or ``"figures"``.
        name: Its name, that of a module.
        folders: Run folders, or one agreement folder.
        options: What else the function is given; ``None`` means its default.

    Raises:
        ConfigError: as :func:`lira.report.catalogue.find_maker`, no folders, or several of comparisons.
    """
    given = {option: value for option, value in options.items() if value is not None}
    function = find_maker(kind, name, given)
    if not folders:
        raise ConfigError(f"{kind}.{name}: needs at least one result folder")
    if next(iter(signature(function).parameters)) != "comparison":
        return function([Run(folder) for folder in folders], **given)
    if len(folders) > 1:
        listed = ", ".join(str(folder) for folder in folders)
        raise ConfigError(f"{len(folders)} folders are given ({listed}), but this shows one comparison: give one")
    return function(Comparison(folders[0]), **given)


def in_order(runs: Sequence[Run]) -> list[Run]:
    """The runs, by dataset and architecture in the order given, and in each by regime as the paper has them.

    Raises:
        StoreError: a folder holds no run.
    """
    order = {name: [run.key[name] for run in runs] for name in ("dataset", "architecture")}

    def position(run: Run) -> tuple:
        return *(order[name].index(run.key[name]) for name in order), regime_order(run.key["regime"])

    return sorted(runs, key=position)


def run_labels(runs: Sequence[Run]) -> list[str]:
    """The shortest names that tell the runs apart: the parts in which they differ."""
    differing = [name for name in RUN_KEYS if len({run.key[name] for run in runs}) > 1] or ["regime"]
    return [
        " ".join(f"seed {run.key[name]}" if name == "seed" else show(run.key[name]) for name in differing)
        for run in runs
    ]


def title_of(of: Run | Comparison) -> str:
    """Dataset, architecture and regime of a run, or of the runs that are compared."""
    return " ".join(show(of.key[name]) for name in SERIES)


def show_keys(data: pd.DataFrame) -> pd.DataFrame:
    """Leading text columns that name each row's run; the seed only where a run has several."""
    text = pd.DataFrame({name.capitalize(): data[name].map(show) for name in SERIES})
    if data.groupby(list(SERIES))["seed"].nunique().max() > 1:
        text["Seed"] = data["seed"].astype(str)
    return text


def choose_fpr(available: Sequence[float], fpr: float | None) -> float:
    """The FPR asked for, or the largest there is.

    Raises:
        ConfigError: the results do not have it.
    """
    rates = sorted({rate for rate in available if rate == rate})
    if fpr is None:
        return rates[-1]
    check_choice(fpr, "fpr", rates)
    return fpr


def check_gap(gap: str) -> str:
    """The gap, if there is one of that name.

    Raises:
        ConfigError: there is none.
    """
    check_choice(gap, "gap", GAPS)
    return gap


def check_available(name: str, chosen: Any, available: Iterable) -> None:
    """Checks that the results have what is asked for.

    Raises:
        ConfigError: they do not.
    """
    check_choice(chosen, name, dict.fromkeys(value for value in available if value == value))


def check_same_fprs(data: pd.DataFrame) -> pd.DataFrame:
    """The rows of several runs, whose cells at one place stand at one FPR.

    Raises:
        ConfigError: the runs were evaluated at different FPRs.
    """
    by_run = data.groupby([name for name in RUN_KEYS if name in data], sort=False)["fpr"]
    grids = {tuple(sorted(rates.dropna().unique())) for _, rates in by_run}
    if len(grids) > 1:
        listed = "; ".join(", ".join(f"{rate:g}" for rate in grid) for grid in sorted(grids))
        raise ConfigError(f"fpr: runs of different FPRs ({listed}) cannot stand side by side: show each alone")
    return data


def shared_fpr(runs: Sequence[Run], fpr: float | None, attack: str) -> float:
    """The FPR asked for, or the largest there is, of runs that all have it and the attack.

    Raises:
        ConfigError: one lacks them, or the runs were evaluated at different FPRs.
    """
    for run in runs:
        check_available("attack", attack, run.summary["attack"])
    chosen = [run.key | {"fpr": choose_fpr(run.summary["fpr"], fpr)} for run in runs]
    return float(check_same_fprs(pd.DataFrame(chosen))["fpr"].iloc[0])


def choose_fprs(available: Sequence[float], fpr: float | None) -> list[float]:
    """The FPR asked for, or all there are."""
    return sorted(set(available)) if fpr is None else [choose_fpr(available, fpr)]


def at(fpr: float) -> str:
    """How a column at this FPR is headed."""
    return f"at {percent(fpr)} FPR"
