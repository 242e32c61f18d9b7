"""Agreement of runs that differ by seed only, in pairs and all together, beside that by chance (Tables 11, 13)."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from lira.evaluation.agreement import Agreement
from lira.evaluation.ranks import top_by_chance
from lira.evaluation.rates import resolution_at
from lira.evaluation.robust import moments
from lira.storage.comparison import Comparison

SIZES = Agreement._fields
MEASURES = (*SIZES, "spearman")


def agreement_by_rank(
    comparison: Comparison, gaps: Sequence[str], attack: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a row per vulnerability gap and q: agreement of the runs' top q %, and the Jaccard of random rankings."""
    pairs, everywhere = (comparison.table(name, attack) for name in ("topq.csv", "topq_all.csv"))
    everywhere = everywhere.set_index(["gap", "q"])
    pool = comparison.ranked
    for gap in gaps:
        for (q, size), group in pairs[pairs["gap"] == gap].groupby(["q", "k"]):
            together = everywhere.loc[(gap, q)]
            row = {"gap": gap, "q": q, "size": size, "pairs": len(group), "resolution": ""}
            for name in MEASURES:
                row |= moments(group[name], name)
            runs = int(together["runs"])
            row |= {"runs": runs, **{f"all_{name}": together[name] for name in MEASURES}}
            by_chance, all_by_chance = (top_by_chance(pool, size, count)[2] for count in (2, runs))
            yield row | {"jaccard_null": by_chance, "all_jaccard_null": all_by_chance}


def agreement_by_flag(comparison: Comparison, support: int, attack: str | None = None) -> Iterator[dict[str, Any]]:
    """Yields a row per FPR and rule on fp (0 or any): agreement of flagged sets, and that with permuted membership."""
    negatives = comparison.negatives
    tables = (comparison.table(name, attack) for name in ("agreement.csv", "null_agreement.csv"))
    sets, null = (_pairs_and_all(table, support) for table in tables)
    for (fpr, zero_fp), (pair, together) in sets.items():
        row = {"fpr": fpr, "support": support, "zero_fp": zero_fp, "size": _mean_size(pair), "pairs": pair["subsets"]}
        row |= resolution_at(fpr, negatives) | {f"{name}_mean": pair[name] for name in SIZES}
        row |= {"runs": int(together["k"]), **{f"all_{name}": together[name] for name in SIZES}}
        by_chance, all_by_chance = null[fpr, zero_fp]
        row |= {"jaccard_null": by_chance["jaccard"], "all_jaccard_null": all_by_chance["jaccard"]}
        yield row | {"size_null": _mean_size(by_chance)}


def _mean_size(pair: pd.Series) -> float:
    """Returns the mean size of two sets: half of intersection plus union."""
    return (pair["intersection"] + pair["union"]) / 2


def _pairs_and_all(sets: pd.DataFrame, support: int) -> dict[tuple[float, bool], tuple[pd.Series, pd.Series]]:
    """Returns the agreement of two identical runs and of all, by FPR and whether fp = 0."""
    sets = sets[(sets["scenario"] == "identical") & (sets["support"] == support)]
    return {
        key: (group.loc[group["k"].idxmin()], group.loc[group["k"].idxmax()])
        for key, group in sets.groupby(["fpr", "zero_fp"])
    }
