"""By how much a regime cuts what each attack finds, and what the best of them finds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lira.evaluation.rates import RatesOverTargets, rates_at
from lira.evaluation.reductions import Reduction, find_reductions
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import marked, notes, of_scores
from lira.report.numbers import MISSING, number, span
from lira.report.runs import at, check_same_fprs, choose_fpr, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import RUN_KEYS, Run

ENTRY = Entry(
    title="Protection against each attack and the best",
    category="Attacks",
    drawn_from="benchmarks",
    files=("summary.csv",),
    at_fprs=True,
    caption=(
        "The factor by which each regime cuts the baseline's TPR, by each attack and by the best one: at the targets' "
        "own thresholds and, with ′, at those of their shadow models, with 95 % intervals; and the PPV of all targets' "
        "counts. Where the best attack loses less than LiRA, part of LiRA's loss is the attack's, not the model's gain."
    ),
)

MODES = {"target": "", "shadow": "′"}
NOTE = (
    "Each cell: of the baseline → of the regime. Best attack: each target is judged by the attack that has the highest "
    "mean TPR on the other targets, so that choosing costs nothing; it may lie below the highest row. PPV: of all "
    "targets' counts, at shadow thresholds."
)


def table(runs: Sequence[Run], fpr: float | None = None) -> Table:
    """Shows TPR before and after, and its reduction, by attack and kind of threshold; TPR in percent.

    Args:
        runs: The runs; those without a baseline among them have no row.
        fpr: Target FPR; the largest of the results if not given.
    """
    runs = in_order(runs)
    made = {mode: pd.DataFrame([row for run in runs for row in rates_at(run, mode)]) for mode in MODES}
    data = check_same_fprs(made["target"])
    chosen = choose_fpr(data["fpr"], fpr)
    rows: dict[tuple, dict[str, Any]] = {}
    over_targets = {tuple(run.key.values()): RatesOverTargets(run) for run in runs}
    for mode, rates in made.items():
        for found in find_reductions(rates[rates["fpr"] == chosen].reset_index(drop=True)):
            if found:
                key = {name: found.row[name] for name in (*runs[0].key, "attack", "fpr")}
                row = rows.setdefault(tuple(key.values()), key | {"resolution": found.row["resolution"]})
                row["against"] = "/".join(found.against[name] for name in ("architecture", "regime"))
                parts = {"baseline": found.against["tpr_mean"], "tpr": found.row["tpr_mean"], "reduction": found.ratio}
                parts |= dict(zip(("low", "high"), found.interval, strict=True))
                row |= {f"{name}_{mode}": value for name, value in parts.items()}
                if mode == "shadow":
                    row |= _precision(found, over_targets, chosen)
    frame = pd.DataFrame(list(rows.values()), columns=None if rows else [*runs[0].key, "attack", "fpr"])
    if frame.empty:
        return Table(frame, pd.DataFrame({"Regime": []}), 1, ["No run has a baseline of its dataset in this study."])
    text = show_keys(frame).assign(Attack=frame["attack"].map(show))
    if (frame["against"].str.partition("/")[0] != frame["architecture"]).any():
        text["Baseline"] = [" ".join(map(show, name.split("/"))) for name in frame["against"]]
    keys = len(text.columns)
    for mode, prime in MODES.items():
        of_mode = frame.reindex(columns=[f"{name}_{mode}" for name in ("baseline", "tpr", "reduction", "low", "high")])
        cells = list(of_mode.itertuples(index=False, name=None))
        places = zip(cells, frame["resolution"], strict=True)
        place = "at" if mode == "target" else "τ at"
        text[f"TPR{prime} (%) {at(chosen)}"] = [
            marked(_change(before, after, 3), label if after == after else "", place=place)
            for (before, after, *_), label in places
        ]
        text[f"Reduction{prime}"] = [
            f"{number(ratio, 2)}{'×' * (ratio > 0)} {span(low, high, '{:.2f}'.format).replace(MISSING, '')}".rstrip()
            for *_, ratio, low, high in cells
        ]
    for name in (name for name in frame if name.startswith("ppv_") and not name.endswith("_baseline")):
        pairs = zip(frame[f"{name}_baseline"], frame[name], strict=True)
        text[f"PPV at π = {name.removeprefix('ppv_')} %"] = [_change(*pair, 2) for pair in pairs]
    return Table(frame, text, keys, [NOTE, *notes(frame["resolution"]), *of_scores(runs)])


def _precision(found: Reduction, over_targets: Mapping[tuple, RatesOverTargets], fpr: float) -> dict[str, float]:
    """Returns the pooled PPV, in percent, at each prior, of a regime and its baseline."""
    ppv = {}
    for suffix, row in (("_baseline", found.against), ("", found.row)):
        rates = over_targets[tuple(row[name] for name in RUN_KEYS)]
        for prior in rates.priors:
            place = rates.find(row["attack"], "shadow", fpr, "ppv_pooled", prior)
            ppv[f"ppv_{percent(prior).removesuffix(' %')}{suffix}"] = place["mean"] if place else np.nan
    return ppv


def _change(before: float, after: float, decimals: int) -> str:
    known = not (pd.isna(before) and pd.isna(after))
    return f"{number(before, decimals)} → {number(after, decimals)}" if known else MISSING
