"""The verdict: published numbers against the study's own, and the paper's claims tested on the study's own results."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lira.config import Margins
from lira.paper import comparison, on_rates, on_sets, overlap
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
TITLES = {entry.name: entry.heading for entry in VERDICT}
OF_RUNS = ("utility", "optimistic", "calibrated", "ablation", "transfer")


def judge_study(
    runs: Sequence[Path | str],
    agreements: Sequence[Path | str],
    margins: Margins,
    output: Path | str,
    notes: Sequence[str] = (),
) -> None:
    """Writes ``verdict``, ``claims`` and a ``published-<name>`` per table of the paper, as .csv, .tex, .md and .html.

    Args:
        runs: Run folders, each of a run's first seed.
        agreements: Agreement folders.
        margins: Largest difference that still agrees, by kind of number, as the study file has them.
        output: Folder to write to.
        notes: What to add below the verdict and the claims.

    Raises:
        StoreError: a result file is missing.
    """
    allowed, output = margins.model_dump(), Path(output)
    results, sets = Results([Path(folder) for folder in runs]), [Sets(Comparison(folder)) for folder in agreements]
    compared, tested = compare(results, sets, allowed), claims(results, sets, allowed)
    origin = "claims", [*runs, *agreements]
    for name, rows in compared.items():
        write(
            table_of(name, rows),
            TITLES[f"published-{name}"],
            output / f"published-{name}.csv",
            *origin,
        )
    write(verdict_table(compared, notes), TITLES["verdict"], output / "verdict.csv", *origin)
    write(claims_table(tested, notes), TITLES["claims"], output / "claims.csv", *origin)


def compare(results: Results, sets: Sequence[Sets], margins: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """The rows of every table of the paper, a row per published number that the study has a counterpart of."""
    rows = {name: getattr(comparison, name)(results, margins) for name in OF_RUNS}
    for name in ("agreement", "support"):
        rows[name] = [row for of in sets for row in getattr(overlap, name)(of, margins)]
    rows["loss_ratio"] = overlap.loss_ratio(results, margins)
    return {name: _frame(made) for name, made in rows.items()}


def claims(results: Results, sets: Sequence[Sets], margins: Mapping[str, float]) -> pd.DataFrame:
    """All claims of the paper: ``claim part verdict stated ours low high numbers``, with 90 % intervals."""
    rows = [*on_rates.reductions(results, margins), *on_rates.precision(results, margins)]
    rows += [row for of in sets for row in on_sets.agreement(of, margins)]
    rows += [*on_rates.loss_ratio(results, margins), *on_rates.single_target(results)]
    return pd.DataFrame(rows + [row for of in sets for row in on_sets.single_run(of)])


def _frame(rows: Iterable[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    known = [name for name in KEYS if name in frame or name == "quantity"]
    return frame.reindex(columns=[*known, *NUMBERS])


def table_of(name: str, rows: pd.DataFrame) -> Table:
    """One table of published numbers against the study's own."""
    text = pd.DataFrame(index=rows.index)
    for key, heading in (("regime", "Regime"), ("attack", "Attack"), ("scenario", "Scenario"), ("runs", "Runs")):
        if key in rows:
            text[heading] = [show(str(value)) for value in rows[key].fillna("")]
    if "published_run" in rows:
        text.insert(0, "Published run", [" ".join(map(show, value.split("/"))) for value in rows["published_run"]])
    if "support" in rows:
        text["tp ≥"] = rows["support"].astype(str)
    text["Quantity"] = rows["quantity"].map(show).astype(str)
    keys = len(text.columns)
    text["Published"] = [significant(value) for value in rows["published"]]
    text["Ours"] = [significant(value) for value in rows["ours"]]
    for heading, column in (("90 % interval", "ours"), ("90 % of the difference", "difference")):
        ends = zip(rows[f"{column}_low"], rows[f"{column}_high"], strict=True)
        text[heading] = [span(low, high) for low, high in ends]
    text["Margin"] = [f"±{significant(value)}" for value in rows["margin"]]
    text["Verdict"] = rows["verdict"].astype(str)
    text["Because"] = [" ; ".join(filter(None, pair)) for pair in zip(rows["reason"], rows["label"], strict=True)]
    notes = [published(name).source + ". Protocol of all published numbers: preprint."]
    if rows.empty:
        notes.append("The study has no counterpart of any of them.")
    return Table(rows, text, keys, notes)


def verdict_table(compared: Mapping[str, pd.DataFrame], notes: Sequence[str] = ()) -> Table:
    """Number of published numbers by verdict, a row per table of the paper."""
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
        "Published numbers with a counterpart in this study. Agrees: the 90 % interval of ours less the published "
        "number, with both standard errors, lies within the margin of the study file; differs: it lies outside; cannot "
        f"tell: neither, or the pool cannot resolve the FPR; {NOT_COMPARABLE}: another dataset, architecture or number "
        "of shadow models."
    )
    return Table(data, text, 2, [note, *notes])


def claims_table(rows: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """The paper's claims on this study's own results."""
    text = rows[["claim", "part", "verdict", "numbers"]].set_axis(["Claim", "Part", "Verdict", "Numbers"], axis=1)
    text.insert(3, "Ours", [significant(value) for value in rows["ours"]])
    ends = zip(rows["low"], rows["high"], strict=True)
    text.insert(4, "90 % interval", [span(low, high) for low, high in ends])
    note = (
        "Direction: holds if the 90 % interval lies on the claim's side, does not hold if on the other. Size: holds if "
        "ours agrees with the stated number, with its error where the paper has one, within the margin of the study "
        "file, does not hold if it differs by more; what is not comparable with the paper's numbers has none."
    )
    return Table(rows, text, 2, [note, *notes])
