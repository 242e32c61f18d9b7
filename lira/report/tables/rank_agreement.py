"""Tables 11 and 13: do runs agree on the most vulnerable samples, by rank and by FPR-thresholded sets?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from lira.evaluation.ranks import top_by_chance
from lira.report.catalogue import Entry
from lira.report.labels import GAPS, percent
from lira.report.numbers import mean_std, number
from lira.report.resolution import mark, notes, resolved
from lira.report.runs import check_gap, moments, require, title_of
from lira.report.table import Table
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Agreement of top q %",
    category="Agreement",
    paper="Table 11, 13",
    drawn_from="comparison",
    files=("agreement.csv", "null_agreement.csv", "topq.csv"),
    reference_files=("metrics.csv",),
    caption=(
        "Agreement of runs on the top q % of the samples by median and by mean gap, beside the sets flagged at each "
        "FPR, and what chance alone gives."
    ),
)

MEASURES = ("jaccard", "intersection", "union", "spearman")


def table(folders: Sequence[Path], gap: str | None = None, support: int = 1) -> Table:
    """Agreement of pairs of runs (mean ± standard deviation over pairs) and of all runs at once.

    Rows: the top q % by median gap and by mean gap; then the sets flagged at each FPR in ``support`` targets or more,
    with fp = 0 and with any fp, whose size is the mean over runs. Beside each Jaccard what chance alone gives: random
    rankings in closed form, flagged sets of the same runs with their membership permuted.

    Args:
        folders: Agreement folders.
        gap: ``median`` or ``mean``; both if not given.
        support: Least number of detections of a flagged sample.

    Raises:
        ConfigError: an unknown gap, or a support that was not counted.
    """
    gaps, rows = [check_gap(gap)] if gap else list(GAPS), []
    for comparison in map(Comparison, folders):
        rows += [*ranked(comparison, gaps), *flagged(comparison, support)]
    data = pd.DataFrame(rows)
    text = data[["reference", "selection", "set"]].set_axis(["Runs of", "Selection", "Set"], axis=1)
    text = text.drop(columns="Runs of") if len(folders) == 1 else text
    keys = len(text.columns)
    text["Size"] = [number(size, 0) for size in data["size"]]
    text["Size by chance"] = [number(size, 0) for size in data["size_null"]]
    percents = 100 * data[["jaccard_mean", "jaccard_std"]]
    cells = [mean_std(mean, std, 1) for mean, std in percents.itertuples(index=False)]
    text["Jaccard (%)"] = [mark(cell, label) for cell, label in zip(cells, data["resolution"], strict=True)]
    text["Jaccard by chance (%)"] = [number(100 * value, 1) for value in data["jaccard_null"]]
    for name, heading, decimals in (("intersection", "∩", 1), ("union", "∪", 1), ("spearman", "ρ on ∩", 2)):
        pairs = data[[f"{name}_mean", f"{name}_std"]].itertuples(index=False)
        text[heading] = [mean_std(mean, std, decimals) for mean, std in pairs]
    text["Jaccard, all runs (%)"] = [number(100 * value, 1) for value in data["all_jaccard"]]
    text["by chance, all runs (%)"] = [number(100 * value, 1) for value in data["all_jaccard_null"]]
    text["∩, all runs"] = [number(value, 0) for value in data["all_intersection"]]
    runs = ", ".join(f"{value}" for value in data["runs"].unique())
    note = f"Mean ± standard deviation over pairs of runs; all runs: {runs} at once. ρ: Spearman. "
    note += (
        "By chance: the Jaccard of random rankings; of flagged sets, that of the same runs with membership permuted."
    )
    return Table(data, text, keys, [note, *notes(data["resolution"])])


def ranked(comparison: Comparison, gaps: Sequence[str]) -> Iterator[dict]:
    """A row per gap and q."""
    pairs, everywhere = comparison.table("topq.csv"), comparison.table("topq_all.csv").set_index(["gap", "q"])
    pool = comparison.pool
    for gap in gaps:
        for (q, size), group in pairs[pairs["gap"] == gap].groupby(["q", "k"]):
            together = everywhere.loc[(gap, q)]
            row = {"reference": title_of(comparison), "selection": GAPS[gap], "set": f"top {q:g} %", "gap": gap, "q": q}
            row |= {"size": size, "pairs": len(group), "resolution": ""}
            for name in MEASURES:
                row |= moments(group[name], name)
            runs = int(together["runs"])
            row |= {"runs": runs, **{f"all_{name}": together[name] for name in MEASURES}}
            yield (
                row
                | {"jaccard_null": top_by_chance(pool, size)[2]}
                | {"all_jaccard_null": top_by_chance(pool, size, runs)[2]}
            )


def flagged(comparison: Comparison, support: int) -> Iterator[dict]:
    """A row per FPR, with and without fp = 0."""
    table, negatives = comparison.table("agreement.csv"), comparison.negatives
    require("support", support, table["support"])
    sets = pairs_and_all(table, support)
    null = pairs_and_all(comparison.table("null_agreement.csv"), support)
    for (fpr, zero_fp), (pair, together) in sets.items():
        row = {"reference": title_of(comparison), "selection": f"Flagged at {percent(fpr)} FPR"}
        row |= {"set": f"tp ≥ {support}" + ", fp = 0" * zero_fp, "fpr": fpr, "support": support, "zero_fp": zero_fp}
        row |= {"size": mean_size(pair), "pairs": pair["subsets"]}
        row |= resolved(fpr, negatives)
        row |= {f"{name}_mean": pair[name] for name in MEASURES[:3]} | {"runs": int(together["k"])}
        row |= {f"all_{name}": together[name] for name in MEASURES[:3]}
        by_chance, all_by_chance = null[fpr, zero_fp]
        row |= {"jaccard_null": by_chance["jaccard"], "all_jaccard_null": all_by_chance["jaccard"]}
        yield row | {"size_null": mean_size(by_chance)}


def mean_size(pair: pd.Series) -> float:
    """Mean size of two sets: half of intersection plus union."""
    return (pair["intersection"] + pair["union"]) / 2


def pairs_and_all(sets: pd.DataFrame, support: int) -> dict[tuple[float, bool], tuple[pd.Series, pd.Series]]:
    """Agreement of two identical runs and of all, per FPR and whether fp = 0."""
    sets = sets[(sets["scenario"] == "identical") & (sets["support"] == support)]
    return {
        key: (group.loc[group["k"].idxmin()], group.loc[group["k"].idxmax()])
        for key, group in sets.groupby(["fpr", "zero_fp"])
    }
