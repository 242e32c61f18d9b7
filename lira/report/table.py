"""A table before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Table:
    """A table: its numbers, and the same as readers see them.

    Attributes:
        data: The ``.csv``: full precision, mean and standard deviation in columns of their own, rates in percent.
        text: The same as readers see it; all cells are text.
        keys: Number of leading columns of ``text`` that name a row.
        notes: What is said below the table.
    """

    data: pd.DataFrame
    text: pd.DataFrame
    keys: int
    notes: Sequence[str] = ()
