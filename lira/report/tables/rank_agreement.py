"""Tables 11 and 13: do runs agree on the most vulnerable samples, by rank and by FPR-thresholded sets?"""

from collections.abc import Iterator, Sequence

import pandas as pd

from lira.evaluation.identical_runs import agreement_by_flag, agreement_by_rank
from lira.report.catalogue import Entry
from lira.report.labels import GAPS, percent
from lira.report.marks import marked, notes
from lira.report.numbers import mean_std, number
from lira.report.runs import check_available, check_gap, title_of
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


def table(comparison: Comparison, gap: str | None = None, support: int = 1) -> Table:
    """Agreement of pairs of runs (mean ± standard deviation over pairs) and of all runs at once.

    Rows: the top q % by median gap and by mean gap; then the sets flagged at each FPR in ``support`` targets or more,
    with fp = 0 and with any fp, whose size is the mean over runs. Beside each Jaccard what chance alone gives: random
    rankings in closed form, flagged sets of the same runs with their membership permuted.

    Args:
        comparison: Identical runs and variants of them.
        gap: ``median`` or ``mean``; both if not given.
        support: Least number of detections of a flagged sample.

    Raises:
        ConfigError: an unknown gap, or a support that was not counted.
    """
    gaps = [check_gap(gap)] if gap else list(GAPS)
    data = pd.DataFrame(rows_of(comparison, gaps, support))
    text = data[["selection", "set"]].set_axis(["Selection", "Set"], axis=1)
    keys = len(text.columns)
    text["Size"] = [number(size, 0) for size in data["size"]]
    text["Size by chance"] = [number(size, 0) for size in data["size_null"]]
    percents = 100 * data[["jaccard_mean", "jaccard_std"]]
    cells = [mean_std(mean, std, 1) for mean, std in percents.itertuples(index=False)]
    text["Jaccard (%)"] = [marked(cell, label) for cell, label in zip(cells, data["resolution"], strict=True)]
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


def rows_of(comparison: Comparison, gaps: Sequence[str], support: int) -> Iterator[dict]:
    """The numbers with what readers see of each row: runs, selection and set."""
    title = title_of(comparison)
    for row in agreement_by_rank(comparison, gaps):
        yield {"reference": title, "selection": GAPS[row["gap"]], "set": f"top {row['q']:g} %"} | row
    check_available("support", support, comparison.table("agreement.csv")["support"])
    for row in agreement_by_flag(comparison, support):
        name = f"tp ≥ {support}" + ", fp = 0" * row["zero_fp"]
        yield {"reference": title, "selection": f"Flagged at {percent(row['fpr'])} FPR", "set": name} | row
