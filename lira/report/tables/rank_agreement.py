"""Tables 11 and 13: do runs agree on the most vulnerable samples, by rank and by FPR-thresholded sets?"""

from collections.abc import Iterator, Sequence

import pandas as pd

from lira.core.validation import check_choice
from lira.evaluation.identical_runs import agreement_by_flag, agreement_by_rank
from lira.report.catalogue import Entry
from lira.report.labels import GAPS, percent, show
from lira.report.marks import marked, notes
from lira.report.numbers import mean_std, means, numbers
from lira.report.runs import check_available, title_of
from lira.report.table import Table
from lira.storage.comparison import Comparison

ENTRY = Entry(
    title="Agreement of top q %",
    category="Agreement",
    paper="Table 11, 13",
    drawn_from="comparison",
    files=("agreement.csv", "null_agreement.csv", "topq.csv", "topq_all.csv"),
    by_attack=True,
    reference_files=("metrics.csv",),
    caption=(
        "How far runs agree on the top q % of the samples by median and by mean gap, and on the sets flagged at each "
        "FPR, beside the agreement by chance."
    ),
)


def table(
    comparison: Comparison, gap: str | None = None, support: int | None = None, attack: str | None = None
) -> Table:
    """Shows how far pairs of runs agree (mean ± standard deviation over pairs), and all runs at once.

    The first rows are the top q % by median gap and by mean gap. The others are the sets flagged at each FPR in at
    least ``support`` targets, with fp = 0 and with any fp; their size is the mean over runs. Beside each Jaccard is
    that by chance: of random rankings in closed form, of flagged sets from the same runs with permuted membership.

    Args:
        comparison: Identical runs and variants of them.
        gap: ``median`` or ``mean``; both if not given.
        support: Fewest detections of a flagged sample; the smallest of the results if not given.
        attack: Attack by which records are counted and ranked; the main one if not given.

    Raises:
        ConfigError: The gap is unknown, or nothing was counted for this support.
    """
    gaps = [gap] if gap else list(GAPS)
    for name in gaps:
        check_choice(name, "gap", GAPS)
    data = pd.DataFrame(rows_of(comparison, gaps, support, attack))
    text = data[["selection", "set"]].set_axis(["Selection", "Set"], axis=1)
    keys = len(text.columns)
    text["Size"] = numbers(data["size"], 0)
    text["Size by chance"] = numbers(data["size_null"], 0)
    percents = 100 * data[["jaccard_mean", "jaccard_std"]]
    cells = [mean_std(mean, std, 1) for mean, std in percents.itertuples(index=False)]
    text["Jaccard (%)"] = [marked(cell, label) for cell, label in zip(cells, data["resolution"], strict=True)]
    text["Jaccard by chance (%)"] = numbers(100 * data["jaccard_null"], 1)
    for name, heading, decimals in (("intersection", "∩", 1), ("union", "∪", 1), ("spearman", "ρ on ∩", 2)):
        text[heading] = means(data, name, decimals)
    text["Jaccard, all runs (%)"] = numbers(100 * data["all_jaccard"], 1)
    text["by chance, all runs (%)"] = numbers(100 * data["all_jaccard_null"], 1)
    text["∩, all runs"] = numbers(data["all_intersection"], 0)
    runs = ", ".join(f"{value}" for value in data["runs"].unique())
    note = (
        f"Mean ± standard deviation over pairs of runs; all runs: {runs} at once. ρ: Spearman. By chance: the Jaccard "
        "of random rankings; for flagged sets, that of the same runs with permuted membership."
    )
    note = f"By {show(attack)}. {note}" if attack else note
    if comparison.ranked < comparison.pool:
        note += f" Ranked are the samples below {comparison.ranked:,} of {comparison.pool:,}; flagged are all."
    return Table(data, text, keys, [note, *notes(data["resolution"])])


def rows_of(
    comparison: Comparison, gaps: Sequence[str], support: int | None = None, attack: str | None = None
) -> Iterator[dict]:
    """Yields the numbers of each row, with the names of its runs, selection and set."""
    title = title_of(comparison, attack)
    for row in agreement_by_rank(comparison, gaps, attack):
        yield {"reference": title, "selection": GAPS[row["gap"]], "set": f"top {row['q']:g} %"} | row
    supports = comparison.table("agreement.csv", attack)["support"]
    support = support or min(supports)
    check_available("support", support, supports)
    for row in agreement_by_flag(comparison, support, attack):
        name = f"tp ≥ {support}" + ", fp = 0" * row["zero_fp"]
        yield {"reference": title, "selection": f"Flagged at {percent(row['fpr'])} FPR", "set": name} | row
