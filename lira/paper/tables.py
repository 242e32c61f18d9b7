"""Shows the verdict: published numbers beside the study's own, counts of verdicts, and the paper's claims."""

from collections.abc import Sequence

import pandas as pd

from lira.paper.equivalence import NOT_COMPARABLE
from lira.report.labels import show
from lira.report.numbers import significant, span
from lira.report.table import Table


def published_table(rows: pd.DataFrame, source: str) -> Table:
    """Shows one table of published numbers beside the study's own.

    Args:
        rows: A row per number, from :func:`lira.paper.claims.compare_tables`; of those that are not comparable,
            readers see how many there are.
        source: Where the numbers are published.
    """
    folded = rows["verdict"] == NOT_COMPARABLE
    counts, data = rows.loc[folded, "reason"].value_counts(), rows
    rows = rows[~folded].reset_index(drop=True)
    text = pd.DataFrame(index=rows.index)
    if "published_run" in rows:
        text["Published run"] = [" ".join(map(show, value.split("/"))) for value in rows["published_run"]]
    for key in ("regime", "attack", "scenario", "runs"):
        if key in rows:
            text[key.capitalize()] = [show(str(value)) for value in rows[key].fillna("")]
    if "support" in rows:
        text["tp ≥"] = rows["support"].astype(str)
    text["Quantity"] = rows["quantity"].map(show).astype(str)
    keys = len(text.columns)
    text["Published"] = rows["published"].map(significant)
    text["Ours"] = rows["ours"].map(significant)
    text["90 % interval"] = _intervals(rows, "ours_low", "ours_high")
    text["90 % of the difference"] = _intervals(rows, "difference_low", "difference_high")
    text["Margin"] = [f"±{significant(value)}" for value in rows["margin"]]
    text["Verdict"] = rows["verdict"].astype(str)
    text["Because"] = [" ; ".join(filter(None, pair)) for pair in zip(rows["reason"], rows["label"], strict=True)]
    notes = [f"{source}. All published numbers follow the protocol of the preprint."]
    notes += [f"In the .csv alone, as not comparable ({reason}): {count}." for reason, count in counts.items()]
    return Table(data, text, keys, notes + ["The study has a counterpart of none of them."] * data.empty)


def verdict_table(counts: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """Counts the published numbers by verdict, in a row per table of the paper.

    Args:
        counts: ``table place compared`` and a column per verdict.
        notes: Lines to add below.
    """
    text = counts.drop(columns=["table", "place", "compared"]).astype(str).rename(columns=str.capitalize)
    text.insert(0, "Paper", counts["place"])
    text.insert(1, "Table", counts["table"].map(show))
    note = (
        "Only published numbers with a counterpart in this study are counted. Agrees: the 90 % interval of our number "
        "less the published one, with the standard errors of both, lies within the margin of the study file. Differs: "
        "it lies outside. Cannot tell: neither is the case, or the pool cannot resolve the FPR. Not comparable: "
        "another dataset, architecture or number of shadow models."
    )
    return Table(counts, text, 2, [note, *notes])


def claims_table(rows: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """Shows the paper's claims, tested on this study's own results.

    Args:
        rows: ``claim part verdict numbers ours low high``, a row per line.
        notes: Lines to add below.
    """
    text = rows[["claim", "part", "verdict", "numbers"]].set_axis(["Claim", "Part", "Verdict", "Numbers"], axis=1)
    text.insert(3, "Ours", [significant(value) for value in rows["ours"]])
    text.insert(4, "90 % interval", _intervals(rows, "low", "high"))
    note = (
        "A direction holds if the 90 % interval lies on the claim's side, and does not hold if it lies on the other "
        "side. A size holds if our number agrees with the stated one within the margin of the study file, and does not "
        "hold if it differs by more; the error of the stated number counts too where it is known. The size of a number "
        "that is not comparable with the paper's has no verdict."
    )
    return Table(rows, text, 2, [note, *notes])


def _intervals(rows: pd.DataFrame, low: str, high: str) -> list[str]:
    return [span(*ends) for ends in zip(rows[low], rows[high], strict=True)]
