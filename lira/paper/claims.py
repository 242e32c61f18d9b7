"""Writes the verdict: published numbers against the study's own, and the paper's claims tested on the study."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lira.config import Margins
from lira.paper import on_fit, on_protection, on_rates, on_sets
from lira.paper.benchmarks import MODELS
from lira.paper.comparison import TABLES, compare_runs
from lira.paper.equivalence import VERDICTS
from lira.paper.on_sets import Sets
from lira.paper.published import published
from lira.paper.results import Results
from lira.paper.tables import claims_table, published_table, verdict_table
from lira.report.tabulate import write_table
from lira.report.verdict_entries import VERDICT

KEYS = ["published_run", "dataset", "architecture", "regime", "attack", "scenario", "support", "runs", "quantity"]
NUMBERS = ["published", "published_error", "ours", "ours_low", "ours_high", "difference", "difference_low"]
NUMBERS += ["difference_high", "margin", "verdict", "reason", "label"]

ELSEWHERE = (
    "No published number is comparable with this study: the paper's are of its own datasets and networks with "
    f"{MODELS} shadow models. The study studies/paper.yaml sets each beside its own."
)


def judge_study(
    runs: Sequence[Path | str],
    agreements: Sequence[Path | str],
    margins: Margins,
    output: Path | str,
    tables: Collection[str] = (),
    notes: Sequence[str] = (),
) -> None:
    """Writes ``claims`` and, beside tables of the paper, ``verdict`` and a ``published-<name>`` of each.

    Each is written as .csv, .tex, .md and .html.

    Args:
        runs: Run folders, one per run: that of its first seed.
        agreements: Folders of comparisons.
        margins: Largest difference that still agrees, by kind of number, as in the study file.
        output: Folder to write to.
        tables: Which of the paper's tables stand beside the study's numbers, of
            :func:`lira.paper.benchmarks.comparable_tables`.
        notes: Lines to add below the verdict and the claims.

    Raises:
        StoreError: a result file is missing.
    """
    allowed = margins.model_dump()
    results, sets = Results(runs), [Sets(folder) for folder in agreements]
    made = {"claims": claims_table(judge_claims(results, sets, allowed), notes if tables else [*notes, ELSEWHERE])}
    if tables:
        found = compare_tables(results, sets, allowed)
        compared = {name: rows for name, rows in found.items() if name in tables}
        made |= {f"published-{name}": published_table(rows, published(name).source) for name, rows in compared.items()}
        made["verdict"] = verdict_table(count_verdicts(compared), notes)
    headings = {entry.name: entry.heading for entry in VERDICT}
    for name, table in made.items():
        write_table(table, headings[name], Path(output) / f"{name}.csv", "claims", [*runs, *agreements])


def compare_tables(results: Results, sets: Sequence[Sets], margins: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Returns the rows of every table of the paper: one per published number that the study has a counterpart of."""
    rows = {name: compare_runs(name, results, margins) for name in TABLES}
    rows["agreement"] = (row for one in sets for row in on_sets.compare_agreement(one, margins))
    rows["support"] = (row for one in sets for row in on_sets.compare_support(one, margins))
    rows["loss_ratio"] = on_fit.compare_fit(results, margins)
    frames = {name: pd.DataFrame(list(made)) for name, made in rows.items()}
    return {
        name: frame.reindex(columns=[*(key for key in KEYS if key in frame or key == "quantity"), *NUMBERS])
        for name, frame in frames.items()
    }


def judge_claims(results: Results, sets: Sequence[Sets], margins: Mapping[str, float]) -> pd.DataFrame:
    """Tests all claims of the paper: ``claim part verdict stated ours low high numbers``, with 90 % intervals."""
    rows = [*on_rates.judge_reductions(results, margins), *on_protection.judge_protection(results)]
    rows += on_rates.judge_precision(results, margins)
    rows += [row for one in sets for row in on_sets.judge_agreement(one, margins)]
    rows += [*on_fit.judge_fit(results, margins), on_rates.judge_single_target(results)]
    return pd.DataFrame(rows + [on_sets.judge_single_run(one) for one in sets])


def count_verdicts(compared: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Counts the published numbers by verdict, with a row per table of the paper."""
    return pd.DataFrame(
        [
            {"table": name, "place": published(name).place, "compared": len(rows)}
            | {verdict: int((rows["verdict"] == verdict).sum()) for verdict in VERDICTS}
            for name, rows in compared.items()
        ]
    )
