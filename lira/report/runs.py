"""Which results tables and figures show, in which order and under which names."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pandas as pd

from lira.core.errors import ConfigError
from lira.core.validation import check_choice
from lira.report.labels import GAPS, percent, regime_order, show
from lira.storage.comparison import Comparison
from lira.storage.run import RUN_KEYS, Run

AnyRun = TypeVar("AnyRun", bound=Run)
SERIES = ("dataset", "architecture", "regime")


def in_order(runs: Sequence[AnyRun]) -> list[AnyRun]:
    """The runs, by dataset and architecture in the order given, and in each by regime as the paper has them.

    Raises:
        StoreError: a folder holds no run.
    """
    order = {name: [run.key[name] for run in runs] for name in ("dataset", "architecture")}

    def position(run: AnyRun) -> tuple:
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
