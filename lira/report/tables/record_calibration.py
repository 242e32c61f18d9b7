"""What one threshold for all records hides: the FPRs of single records, and rates at a threshold for each record."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.numbers import number, with_spans
from lira.report.runs import check_same_fprs, choose_fpr, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import RUN_KEYS, Run

ENTRY = Entry(
    title="A threshold for each record",
    category="Calibration",
    drawn_from="benchmarks",
    files=("record_calibration.csv",),
    at_fprs=True,
    caption=(
        "TPR and FPR achieved at the pooled threshold of the shadow models, and where each score is flagged by a "
        "p-value of its own, among the scores of the same record on models without it; and how far the FPRs of "
        "single records spread, beside binomial chance. The .csv has more quantiles and multiples."
    ),
)

KINDS = {"pooled": "pooled", "rank": "own, by rank", "smooth": "own, Student's t"}
MANY = 10
"""Multiple of the nominal FPR from which on a record has many false positives."""


def table(runs: Sequence[Run], fpr: float | None = None) -> Table:
    """Makes a row per run, attack and kind of threshold.

    Args:
        runs: The runs.
        fpr: Nominal FPR; the largest of the results if not given.
    """
    data = check_same_fprs(pd.concat([row for run in in_order(runs) for row in rows_of(run, fpr)], ignore_index=True))
    text = show_keys(data).assign(Attack=data["attack"].map(show), Threshold=data["kind"].map(KINDS))
    keys = len(text.columns)
    for name, heading in (("tpr", "TPR (%)"), ("fpr_achieved", "FPR achieved (%)")):
        text[heading] = with_spans(data, name, 2, 100)
    text["Spread over binomial"] = with_spans(data, "dispersion", 2)
    for name, heading in (("without", "Records without a false positive (%)"), ("many", f"above {MANY} times (%)")):
        cells = zip(data[name], data[f"{name}_chance"], strict=True)
        text[heading] = [f"{number(100 * value, 1)} ({number(100 * chance, 1)})" for value, chance in cells]
    text["Highest FPR of a record (%)"] = [
        f"{number(100 * value, 1)} ({number(100 * chance, 1)})"
        for value, chance in zip(data["highest"], data["highest_chance"], strict=True)
    ]
    rate = percent(data["fpr"].iloc[0])
    note = (
        f"Nominal FPR {rate}. Own: a score is flagged where its p-value among the record's scores on other models "
        f"without it is at most {rate}. Spread: variance of the records' FPRs over that of binomial counts of one "
        "rate; below 1 with own thresholds, as the scores of a record are each other's reference. (Round) brackets: "
        "binomial chance at the mean rate. Scores that say nothing have a TPR equal to the FPR achieved. [Square] "
        "brackets: 95 % intervals, of rates over targets and samples, of the spread over records."
    )
    return Table(data, text, keys, [note, *not_resolved(data)])


def rows_of(run: Run, fpr: float | None) -> Iterator[pd.DataFrame]:
    """Yields a row per attack and kind of threshold, with a column per number."""
    found = run.table("record_calibration.csv")
    found = found[found["fpr"] == choose_fpr(found["fpr"], fpr)]
    for (attack, kind), rows in found.groupby(["attack", "kind"], sort=False):
        row = run.key | {"attack": attack, "fpr": rows["fpr"].iloc[0], "kind": kind}
        places: dict[str, tuple[str, float | None]] = {
            "tpr": ("tpr", None),
            "fpr_achieved": ("fpr", None),
            "dispersion": ("dispersion", None),
        }
        places |= {
            "with": ("above", 0),
            "many": ("above", MANY),
            "highest": ("quantile", 1),
            "finest": ("finest", None),
        }
        for name, (metric, at) in places.items():
            chosen = rows[(rows["metric"] == metric) & (rows["at"].isna() if at is None else rows["at"] == at)]
            for part in ("value", "low", "high", "chance") if len(chosen) else ():
                row[name if part == "value" else f"{name}_{part}"] = chosen[part].iloc[0]
        without = {"without": 1 - row.pop("with"), "without_low": 1 - row.pop("with_high")}
        without |= {"without_high": 1 - row.pop("with_low"), "without_chance": 1 - row.pop("with_chance")}
        yield pd.DataFrame([row | without])


def not_resolved(data: pd.DataFrame) -> list[str]:
    """Returns a note on each run in which ranks cannot resolve the FPR for all records."""
    coarse = data[data["finest"] > data["fpr"]].drop_duplicates([*RUN_KEYS])
    return [
        f"{'/'.join(str(row[name]) for name in RUN_KEYS)}: by rank, no FPR below "
        f"{two_digits(row['finest'])} is resolved for every record, as it has so few scores without it."
        for row in coarse.to_dict("records")
    ]


def two_digits(fraction: float) -> str:
    """Writes a fraction in percent, with two digits."""
    return percent(float(f"{fraction:.2g}"))
