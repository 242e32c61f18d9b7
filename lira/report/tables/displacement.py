"""How many samples of another run's top q % are not in a run's own, and how far below it they are (Figure 5)."""

import pandas as pd

from lira.evaluation.ranks import displacement_by_chance, top_by_chance, top_count
from lira.evaluation.robust import moments
from lira.report.catalogue import Entry
from lira.report.labels import GAPS
from lira.report.numbers import MISSING, mean_std, number, numbers
from lira.report.runs import title_of_ranks
from lira.report.table import Table
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Displaced samples",
    category="Agreement",
    drawn_from="comparison",
    files=("displacement.csv", "topq_all.csv"),
    by_attack=True,
    reference_files=("metrics.csv",),
    caption=(
        "Samples in another run's top q % but not in a run's own: how many, and the share of them that the run has in "
        "its top q + Δ; in brackets, random rankings. The .csv has both gaps and every q and Δ."
    ),
)

SHOWN = (0.5, 1.0, 5.0, 10.0)
"""The Δ that readers see; the ``.csv`` has all."""


def table(comparison: Comparison, gap: str | None = None, attack: str | None = None) -> Table:
    """Shows a row per gap and q: mean ± standard deviation over runs (ddof 1), and what random rankings give.

    Args:
        comparison: Identical runs and variants of them.
        gap: ``median`` or ``mean``; both if not given.
        attack: Attack by which records are ranked; the main one if not given.
    """
    rows, samples = comparison.table("displacement.csv", attack), comparison.ranked
    found = []
    for (of, q), group in rows[rows["gap"].isin([gap] if gap else [*GAPS])].groupby(["gap", "q"], sort=False):
        runs, deltas = group["run"].nunique(), group["delta"].unique()
        size = top_count(samples, q)
        row = {"gap": of, "q": q, "size": size, "runs": runs}
        row["displaced"] = group["displaced"].iloc[0]  # the union of the tops less one of them, of every run alike
        row["displaced_null"] = top_by_chance(samples, size, runs)[1] - size
        for delta, chance in zip(deltas, 100 * displacement_by_chance(samples, q, deltas), strict=True):
            row |= moments(100 * group.loc[group["delta"] == delta, "fraction"], f"within_{delta:g}")
            row[f"within_{delta:g}_null"] = chance
        found.append(row)
    data = pd.DataFrame(found)
    text = pd.DataFrame({"Ranked by": data["gap"].map(GAPS), "q (%)": [f"{q:g}" for q in data["q"]]})
    text["Size"] = numbers(data["size"], 0)
    text["Displaced"] = numbers(data["displaced"], 0)
    text["by chance"] = numbers(data["displaced_null"], 1)
    for delta in SHOWN:
        columns = data[[f"within_{delta:g}_{part}" for part in ("mean", "std", "null")]].itertuples(index=False)
        cells = [(mean_std(mean, std, 1), number(null, 1)) for mean, std, null in columns]
        text[f"Within q + {delta:g} (%)"] = [cell if cell == MISSING else f"{cell} ({null})" for cell, null in cells]
    title = title_of_ranks(comparison, attack)
    note = (
        f"{title}. Displaced: as many of each run, the union of all tops less its own. "
        f"Shares: mean ± standard deviation over {data['runs'].iloc[0]} runs, which have the others in common, so no "
        "interval stands beside them. By chance, and in brackets: independent random rankings."
    )
    return Table(data, text, 2, [note])
