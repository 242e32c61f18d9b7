"""A table before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Table:
    """A table: its numbers, and the text that readers see.

    Attributes:
        data: The ``.csv``, with full precision; mean and standard deviation have columns of their own.
        text: The table as readers see it; every cell is a string.
        keys: Number of columns at the start of ``text`` that name a row.
        notes: Lines below the table.
    """

    data: pd.DataFrame
    text: pd.DataFrame
    keys: int
    notes: Sequence[str] = ()
