"""Tables 3-6 with a row for every seed of each run."""

from lira.report.catalogue import Entry
from lira.report.tables.optimistic import table

__all__ = ["ENTRY", "table"]

ENTRY = Entry(
    title="Rates at the targets' own thresholds, every seed",
    category="Attacks",
    drawn_from="seeds",
    files=("summary.csv",),
    setting="several_seeds",
    caption=(
        "The rates at every target's own threshold, as in Tables 3–6, of every seed of each run: how far rows of one "
        "run differ is what training with other members and other random numbers changes."
    ),
)
