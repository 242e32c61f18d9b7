"""Writes the verdict: published numbers against the study's own, and the paper's claims tested on the study."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lira.config import Margins
from lira.paper import on_rates, on_sets, overlap
from lira.paper.comparison import TABLES, compare_runs
from lira.paper.entries import VERDICT
from lira.paper.equivalence import NOT_COMPARABLE, VERDICTS
from lira.paper.overlap import Sets
from lira.paper.published import published
from lira.paper.results import Results
from lira.report.labels import show
from lira.report.numbers import significant, span
from lira.report.table import Table
from lira.report.tabulate import write
from lira.storage.comparison import Comparison

KEYS = ["published_run", "dataset", "architecture", "regime", "attack", "scenario", "support", "runs", "quantity"]
NUMBERS = ["published", "published_error", "ours", "ours_low", "ours_high", "difference", "difference_low"]
NUMBERS += ["difference_high", "margin", "verdict", "reason", "label"]


def judge_study(
    runs: Sequence[Path | str],
    agreements: Sequence[Path | str],
    margins: Margins,
    output: Path | str,
    notes: Sequence[str] = (),
) -> None:
    """Writes ``verdict``, ``claims`` and a ``published-<name>`` per table of the paper, as .csv, .tex, .md and .html.

    Args:
        runs: Run folders, one per run: that of its first seed.
        agreements: Folders of comparisons.
        margins: Largest difference that still agrees, by kind of number, as in the study file.
        output: Folder to write to.
        notes: Lines to add below the verdict and the claims.

    Raises:
        StoreError: a result file is missing.
    """
    allowed = margins.model_dump()
    results, sets = Results([Path(folder) for folder in runs]), [Sets(Comparison(folder)) for folder in agreements]
    compared = compare(results, sets, allowed)
    tables = {f"published-{name}": table_of(name, rows) for name, rows in compared.items()}
    tables["verdict"] = verdict_table(compared, notes)
    tables["claims"] = claims_table(claims(results, sets, allowed), notes)
    headings = {entry.name: entry.heading for entry in VERDICT}
    for name, table in tables.items():
        write(table, headings[name], Path(output) / f"{name}.csv", "claims", [*runs, *agreements])


def compare(results: Results, sets: Sequence[Sets], margins: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Returns the rows of every table of the paper: one per published number that the study has a counterpart of."""
    rows = {name: list(compare_runs(name, results, margins)) for name in TABLES}
    rows["agreement"] = [row for one in sets for row in overlap.agreement(one, margins)]
    rows["support"] = [row for one in sets for row in overlap.support(one, margins)]
    rows["loss_ratio"] = list(overlap.loss_ratio(results, margins))
    frames = {name: pd.DataFrame(made) for name, made in rows.items()}
    return {
        name: frame.reindex(columns=[*(key for key in KEYS if key in frame or key == "quantity"), *NUMBERS])
        for name, frame in frames.items()
    }


def claims(results: Results, sets: Sequence[Sets], margins: Mapping[str, float]) -> pd.DataFrame:
    """Tests all claims of the paper: ``claim part verdict stated ours low high numbers``, with 90 % intervals."""
    rows = [*on_rates.reductions(results, margins), *on_rates.precision(results, margins)]
    rows += [row for one in sets for row in on_sets.agreement(one, margins)]
    rows += [*on_rates.loss_ratio(results, margins), on_rates.single_target(results)]
    return pd.DataFrame(rows + [on_sets.single_run(one) for one in sets])


def _intervals(rows: pd.DataFrame, low: str, high: str) -> list[str]:
    return [span(*ends) for ends in zip(rows[low], rows[high], strict=True)]


def table_of(name: str, rows: pd.DataFrame) -> Table:
    """Makes one table of published numbers against the study's own."""
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
    notes = [f"{published(name).source}. All published numbers follow the protocol of the preprint."]
    if rows.empty:
        notes.append("The study has no counterpart of any of them.")
    return Table(rows, text, keys, notes)


def verdict_table(compared: Mapping[str, pd.DataFrame], notes: Sequence[str] = ()) -> Table:
    """Counts the published numbers by verdict, with a row per table of the paper."""
    data = pd.DataFrame(
        [
            {"table": name, "place": published(name).place, "compared": len(rows)}
            | {verdict: int((rows["verdict"] == verdict).sum()) for verdict in VERDICTS}
            for name, rows in compared.items()
        ]
    )
    text = data[["place", "table", *VERDICTS]].astype(str)
    text["table"] = text["table"].map(show)
    text.columns = ["Paper", "Table", *(verdict.capitalize() for verdict in VERDICTS)]
    note = (
        "Counted are the published numbers with a counterpart in this study. Agrees: the 90 % interval of our number "
        "less the published one, with both standard errors, lies within the margin of the study file. Differs: it lies "
        "outside. Cannot tell: neither, or the pool cannot resolve the FPR. "
        f"{NOT_COMPARABLE.capitalize()}: another dataset, architecture or number of shadow models."
    )
    return Table(data, text, 2, [note, *notes])


def claims_table(rows: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """Shows the paper's claims as they were tested on this study's own results."""
    text = rows[["claim", "part", "verdict", "numbers"]].set_axis(["Claim", "Part", "Verdict", "Numbers"], axis=1)
    text.insert(3, "Ours", [significant(value) for value in rows["ours"]])
    text.insert(4, "90 % interval", _intervals(rows, "low", "high"))
    note = (
        "A direction holds if the 90 % interval lies on the claim's side, and does not hold if it lies on the other. A "
        "size holds if our number agrees with the stated one within the margin of the study file, and does not hold if "
        "it differs by more; the stated number has an error where the paper gives one. Numbers that are not comparable "
        "with the paper's have no verdict on their size."
    )
    return Table(rows, text, 2, [note, *notes])
