"""Numbers as readers see them."""

from collections.abc import Callable

import pandas as pd

from lira.report.labels import show

MISSING = "–"


def number(value: float, decimals: int) -> str:
    """A number with fixed decimals; ``–`` where there is none."""
    if pd.isna(value):
        return MISSING
    return "∞" if value == float("inf") else f"{value:.{decimals}f}"


def mean_std(mean: float, std: float, decimals: int) -> str:
    """Mean ± standard deviation; the mean alone where a single value leaves no deviation."""
    if pd.isna(mean) or pd.isna(std):
        return number(mean, decimals)
    return f"{mean:.{decimals}f} ± {std:.{decimals}f}"


def significant(value: float) -> str:
    """A number with four significant digits at most; ``–`` where there is none."""
    if pd.isna(value):
        return MISSING
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def span(low: float, high: float, shown: Callable[[float], str] = significant) -> str:
    """Both ends of an interval; ``–`` where it is not known."""
    return MISSING if pd.isna(low) else f"[{shown(low)}, {shown(high)}]"


def setting(value: float | str | None) -> str:
    """A setting of a recipe; ``–`` where it is not known."""
    if pd.isna(value):
        return MISSING
    return f"{value:g}" if isinstance(value, float) else show(str(value))
