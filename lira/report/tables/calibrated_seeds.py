"""Tables 7-10 and 12 with a row for every seed of each run."""

from lira.report.catalogue import Entry
from lira.report.tables.calibrated import table

__all__ = ["ENTRY", "table"]

ENTRY = Entry(
    title="Rates at both thresholds, every seed",
    category="Calibration",
    drawn_from="seeds",
    files=("summary.csv",),
    at_fprs=True,
    setting="several_seeds",
    caption=(
        "TPR′, FPR′ and PPV at both kinds of threshold, as in Tables 7–10 and 12, of every seed of each run: how far "
        "rows of one run differ is what training with other members and other random numbers changes."
    ),
)
