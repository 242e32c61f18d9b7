"""Writes numbers as readers see them; an unknown number is ``–``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from lira.report.labels import show

MISSING = "–"


def number(value: float, decimals: int) -> str:
    """Writes a number with fixed decimals."""
    if pd.isna(value):
        return MISSING
    return "∞" if value == float("inf") else f"{value:.{decimals}f}"


def mean_std(mean: float, std: float, decimals: int) -> str:
    """Writes mean ± standard deviation; only the mean of a single value, which has no deviation."""
    if pd.isna(mean) or pd.isna(std):
        return number(mean, decimals)
    return f"{mean:.{decimals}f} ± {std:.{decimals}f}"


def numbers(values: Iterable[float], decimals: int) -> list[str]:
    """Writes the cells of a column, see :func:`number`."""
    return [number(value, decimals) for value in values]


def means(data: pd.DataFrame, name: str, decimals: int) -> list[str]:
    """Writes the cells of a column, from the columns ``<name>_mean`` and ``<name>_std``, see :func:`mean_std`."""
    pairs = zip(data[f"{name}_mean"], data[f"{name}_std"], strict=True)
    return [mean_std(mean, std, decimals) for mean, std in pairs]


def significant(value: float) -> str:
    """Writes a number with at most four significant digits; from 1000 on, without decimals."""
    if pd.isna(value):
        return MISSING
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def ppv(value: float, least: float) -> str:
    """Writes a PPV in percent with its lower bound; only what is certain is 100. A dash if nothing is ever flagged."""
    if pd.isna(value):
        return MISSING
    shown, bound = (100 * part if part == 1 else min(100 * part, 99.9) for part in (value, least))
    return f"{number(shown, 1).removesuffix('.0')} (≥ {number(bound, 1)})"


def span(low: float, high: float, shown: Callable[[float], str] = significant) -> str:
    """Writes an interval by its ends."""
    return MISSING if pd.isna(low) else f"[{shown(low)}, {shown(high)}]"


def with_span(row: Mapping[str, Any], name: str, decimals: int, unit: str = "") -> str:
    """Writes a number of a row with its interval, ``<name>_low`` and ``<name>_high``, if it has one."""
    ends = span(row[f"{name}_low"], row[f"{name}_high"], f"{{:.{decimals}f}}".format)
    return f"{number(row[name], decimals)}{unit} {ends}".removesuffix(f" {MISSING}")


def with_spans(data: pd.DataFrame, name: str, decimals: int, scale: int = 1) -> list[str]:
    """Writes the cells of a column, times ``scale``, see :func:`with_span`."""
    columns = [name, f"{name}_low", f"{name}_high"]
    return [with_span(row, name, decimals) for row in (scale * data[columns]).to_dict("records")]


def setting(value: float | str | None) -> str:
    """Writes a setting of a recipe."""
    if pd.isna(value):
        return MISSING
    return f"{value:g}" if isinstance(value, float) else show(str(value))
