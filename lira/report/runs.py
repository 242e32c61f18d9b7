"""Chooses which results tables and figures show, in which order and under which names."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pandas as pd

from lira.core.errors import ConfigError
from lira.core.validation import check_choice
from lira.report.labels import percent, regime_order, show
from lira.storage.comparison import Comparison
from lira.storage.run import RUN_KEYS, Run

AnyRun = TypeVar("AnyRun", bound=Run)
SERIES = ("dataset", "architecture", "regime")


def in_order(runs: Sequence[AnyRun]) -> list[AnyRun]:
    """Sorts runs by regime, as the paper does; datasets and architectures keep the order in which they are given.

    Raises:
        StoreError: A folder holds no run.
    """
    order = {name: [run.key[name] for run in runs] for name in ("dataset", "architecture")}

    def position(run: AnyRun) -> tuple:
        return *(order[name].index(run.key[name]) for name in order), regime_order(run.key["regime"])

    return sorted(runs, key=position)


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Returns the shortest names that tell the runs apart: the parts in which they differ."""
    differing = [name for name in RUN_KEYS if len({run.key[name] for run in runs}) > 1] or ["regime"]
    return [
        " ".join(f"seed {run.key[name]}" if name == "seed" else show(run.key[name]) for name in differing)
        for run in runs
    ]


def title_of(of: Run | Comparison, attack: str | None = None) -> str:
    """Names a run, or a comparison's reference runs, by dataset, architecture and regime; and an attack if given."""
    return " ".join(show(of.key[name]) for name in SERIES) + (f", {show(attack)}" if attack else "")


def title_of_ranks(of: Comparison, attack: str | None = None) -> str:
    """Names reference runs, and the samples that were ranked if these are not the whole pool."""
    cut = f", samples below {of.ranked:,}" if of.ranked < of.pool else ""
    return title_of(of, attack) + cut


def show_keys(data: pd.DataFrame) -> pd.DataFrame:
    """Returns the first columns of a table, which name each row's run; the seed only if a run has several."""
    text = pd.DataFrame({name.capitalize(): data[name].map(show) for name in SERIES})
    if data.groupby(list(SERIES))["seed"].nunique().max() > 1:
        text["Seed"] = data["seed"].astype(str)
    return text


def choose_fpr(available: Sequence[float], fpr: float | None) -> float:
    """Returns the given FPR; the largest of the results if none is given.

    Raises:
        ConfigError: The results do not have it.
    """
    rates = sorted({rate for rate in available if rate == rate})
    if fpr is None:
        return rates[-1]
    check_choice(fpr, "fpr", rates)
    return fpr


def check_available(name: str, chosen: Any, available: Iterable) -> None:
    """Checks that the results have what was chosen.

    Raises:
        ConfigError: They do not.
    """
    check_choice(chosen, name, dict.fromkeys(value for value in available if value == value))


def check_same_fprs(data: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of several runs, all of which were evaluated at the same FPRs.

    Raises:
        ConfigError: They were evaluated at different FPRs.
    """
    by_run = data.groupby([name for name in RUN_KEYS if name in data], sort=False)["fpr"]
    grids = {tuple(sorted(rates.dropna().unique())) for _, rates in by_run}
    if len(grids) > 1:
        listed = "; ".join(", ".join(f"{rate:g}" for rate in grid) for grid in sorted(grids))
        raise ConfigError(f"fpr: runs of different FPRs ({listed}) cannot stand side by side: show each alone")
    return data


def shared_fpr(runs: Sequence[Run], fpr: float | None, attack: str) -> float:
    """Returns the given FPR, or the largest of the results, of runs that all have it and the attack.

    Raises:
        ConfigError: One lacks the FPR or the attack, or the runs have different largest FPRs.
    """
    for run in runs:
        check_available("attack", attack, run.summary["attack"])
    chosen = [run.key | {"fpr": choose_fpr(run.summary["fpr"], fpr)} for run in runs]
    return float(check_same_fprs(pd.DataFrame(chosen))["fpr"].iloc[0])


def choose_fprs(available: Sequence[float], fpr: float | None) -> list[float]:
    """Returns the given FPR; all of the results if none is given."""
    return sorted(set(available)) if fpr is None else [choose_fpr(available, fpr)]


def at(fpr: float) -> str:
    """Writes the end of a column heading, e.g. ``at 0.1 % FPR``."""
    return f"at {percent(fpr)} FPR"
