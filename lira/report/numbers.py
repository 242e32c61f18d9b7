"""Numbers as readers see them."""

import pandas as pd

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
