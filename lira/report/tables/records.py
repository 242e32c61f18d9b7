"""Records: how often each run's models give them away, and what a flag is worth at each prior."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lira.report.labels import percent, show
from lira.report.numbers import MISSING, mean_std, number
from lira.report.records import counts, fprs_of, logits_of, most_exposed, worth
from lira.report.runs import choose_fpr, read_runs, run_labels
from lira.report.table import Table

COUNT = 3
"""Records where none is named."""

CHOSEN = (
    "The records were picked as the most exposed of the whole pool, and the bounds do not allow for that choice: each "
    "holds for a record named beforehand, and for the most extreme of many with less than 95 % confidence."
)
"""What is said of records that were not named."""


def table(folders: Sequence[Path], sample: int | None = None, fpr: float | None = None, count: int = COUNT) -> Table:
    """A row per record and run: φ in and out, detections, false alarms, PPV and the least it can be.

    Args:
        folders: Run folders of one pool.
        sample: Index in the pool; the most exposed records if not given.
        fpr: Target FPR; the largest of the results if not given.
        count: Records to show where none is named.
    """
    data = cards(folders, sample, fpr, count)
    text = data[["record", "run"]].astype(str).set_axis(["Record", "Run"], axis=1)
    for side in ("in", "out"):
        pairs = data[[f"phi_{side}_mean", f"phi_{side}_std"]].itertuples(index=False)
        text[f"φ {side}"] = [mean_std(mean, std, 2) for mean, std in pairs]
    text["Detected"] = of(data["tp"], data["fn"])
    text["False alarms"] = of(data["fp"], data["tn"])
    for prior in priors(data):
        pairs = data[[f"ppv_{prior:g}", f"least_{prior:g}"]].itertuples(index=False)
        text[f"PPV (%) at π = {percent(prior)}"] = [show_ppv(ppv, least) for ppv, least in pairs]
    first = data.iloc[0]
    note = (
        f"{show(first['dataset'])}, {show('online')} at the shadow models' thresholds for {percent(first['fpr'])} FPR. "
        "Detected: of the models that hold the record; false alarms: of those that do not. "
        "PPV: of this record's own rates; ≥: the least it can be with 95 % confidence."
    )
    return Table(data, text, 2, [note] if sample is not None else [note, CHOSEN])


def cards(folders: Sequence[Path], sample: int | None, fpr: float | None, count: int) -> pd.DataFrame:
    """The numbers: a row per record and run, records by exposure, runs as :func:`read_runs` has them."""
    runs = read_runs(folders)
    rate = choose_fpr(fprs_of(runs), fpr)
    found, at = counts(runs, rate), runs[0].priors
    rows = []
    for record in most_exposed(found, count) if sample is None else [sample]:
        for run, label, of_run in zip(runs, run_labels(runs), found, strict=True):
            phi, member = logits_of(run, record)
            own = None if run.labels is None else int(run.labels[record])
            row = run.key | {"record": record, "class": own, "run": label, "fpr": rate}
            for side, values in (("in", phi[member]), ("out", phi[~member])):
                row |= {f"phi_{side}_mean": values.mean(), f"phi_{side}_std": values.std(ddof=1)}
            rows.append(row | worth(of_run.iloc[[record]], at).iloc[0].to_dict())
    return pd.DataFrame(rows).astype({name: int for name in ("tp", "fp", "tn", "fn")})


def priors(data: pd.DataFrame) -> list[float]:
    """Priors of a table of cards."""
    return [float(name.removeprefix("ppv_")) for name in data if name.startswith("ppv_")]


def of(part: pd.Series, rest: pd.Series) -> list[str]:
    """Counts as ``3 of 32``."""
    return [f"{some} of {some + others}" for some, others in zip(part, rest, strict=True)]


def show_ppv(ppv: float, least: float) -> str:
    """A PPV in percent with the least it can be; a dash where the record is never flagged."""
    return MISSING if pd.isna(ppv) else f"{number(100 * ppv, 0)} (≥ {number(100 * least, 1)})"
