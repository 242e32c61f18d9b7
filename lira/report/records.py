"""What the table of single records and their cards have in common."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.leakage import resolved_fpr
from lira.evaluation.records import cards, fprs_of
from lira.report.runs import choose_fpr, run_labels
from lira.storage.run import Run

COUNT = 3
"""Number of records to show if none is named."""


def cards_of(runs: Sequence[Run], sample: int | None, fpr: float | None, count: int) -> pd.DataFrame:
    """Returns :func:`lira.evaluation.records.cards` at the given FPR, else the smallest that pools resolve."""
    chosen = resolved_fpr(runs) if fpr is None else choose_fpr(fprs_of(runs), fpr)
    return cards(runs, run_labels(runs), chosen, sample, count)


def priors_of(rows: pd.DataFrame) -> list[float]:
    """Returns the priors that the rows have a PPV for."""
    return [float(name.removeprefix("ppv_")) for name in rows if name.startswith("ppv_")]


def of_all(part: pd.Series, rest: pd.Series) -> list[str]:
    """Writes counts as ``3 of 32``."""
    return [f"{some} of {some + others}" for some, others in zip(part, rest, strict=True)]
