"""Records: how often each run's models give them away, and what a flag is worth at each prior."""

from collections.abc import Sequence

from lira.report.labels import percent, show
from lira.report.numbers import mean_std
from lira.report.records import COUNT, cards_of, of_all, priors_of, show_ppv
from lira.report.runs import in_order
from lira.report.table import Table
from lira.storage.run import Run

CHOSEN = (
    "The records were picked as the most exposed of the whole pool, and the bounds do not allow for that choice: each "
    "holds for a record named beforehand, and for the most extreme of many with less than 95 % confidence."
)
"""What is said of records that were not named."""


def table(runs: Sequence[Run], sample: int | None = None, fpr: float | None = None, count: int = COUNT) -> Table:
    """A row per record and run: φ in and out, detections, false alarms, PPV and the least it can be.

    Args:
        runs: The runs of one pool.
        sample: Index in the pool; the most exposed records if not given.
        fpr: Target FPR; the largest of the results if not given.
        count: Records to show where none is named.
    """
    data = cards_of(in_order(runs), sample, fpr, count)
    text = data[["record", "run"]].astype(str).set_axis(["Record", "Run"], axis=1)
    for side in ("in", "out"):
        pairs = data[[f"phi_{side}_mean", f"phi_{side}_std"]].itertuples(index=False)
        text[f"φ {side}"] = [mean_std(mean, std, 2) for mean, std in pairs]
    text["Detected"] = of_all(data["tp"], data["fn"])
    text["False alarms"] = of_all(data["fp"], data["tn"])
    for prior in priors_of(data):
        pairs = data[[f"ppv_{prior:g}", f"least_{prior:g}"]].itertuples(index=False)
        text[f"PPV (%) at π = {percent(prior)}"] = [show_ppv(ppv, least) for ppv, least in pairs]
    first = data.iloc[0]
    note = (
        f"{show(first['dataset'])}, {show('online')} at the shadow models' thresholds for {percent(first['fpr'])} FPR. "
        "Detected: of the models that hold the record; false alarms: of those that do not. "
        "PPV: of this record's own rates; ≥: the least it can be with 95 % confidence."
    )
    return Table(data, text, 2, [note] if sample is not None else [note, CHOSEN])
