"""What leaks in each run: what the best attack finds against chance, which records are exposed, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lira.evaluation.audits.answer import LEAKS, NO_LEAK
from lira.evaluation.audits.doubts import FEW_MODELS
from lira.evaluation.leakage import by_recipe, exposure, leakage, resolved_fpr
from lira.evaluation.utility import utility_over_models
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import marked, notes, of_training
from lira.report.numbers import MISSING, numbers, with_span, with_spans
from lira.report.runs import at, choose_fpr, in_order, show_keys, title_of
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Answer by run",
    category="Answer",
    drawn_from="seeds",
    files=("summary.csv", "samples.csv", "null_samples.csv", "metrics.csv"),
    caption=(
        "Whether the models of each run leak: the share of the members that the best attack finds, and of the others "
        "that it flags, at thresholds from shadow models; what a flag is worth at the smallest prior; how many records "
        "are exposed and whether another seed exposes the same; and what the models are worth themselves."
    ),
)


def table(runs: Sequence[Run], fpr: float | None = None) -> Table:
    """Makes a row per dataset, architecture and regime: rates and exposed records of its first seed, in percent.

    Args:
        runs: Every seed of the runs.
        fpr: Target FPR; the smallest of the results at which every run's pool expects a false positive if not given.
    """
    chosen = resolved_fpr(runs) if fpr is None else choose_fpr(runs[0].summary["fpr"], fpr)
    recipes = by_recipe(in_order(runs))
    data = pd.DataFrame([_row(seeds, chosen) for seeds in recipes])
    text = show_keys(data).assign(Answer=data["answer"])
    keys, prior = len(text.columns), percent(data["prior"].iloc[0])
    found = with_spans(data, "tpr", 2)
    text[f"Members found, TPR′ (%) {at(chosen)}"] = [
        marked(cell, label, place="τ at") for cell, label in zip(found, data["resolution"], strict=True)
    ]
    text["Others flagged, FPR′ (%)"] = with_spans(data, "fpr_achieved", 2)
    text["AUC (%)"] = with_spans(data, "auc", 1)
    text[f"A flag is right, PPV (%) at π = {prior}"] = with_spans(data, "ppv", 1)
    pairs = zip(data["exposed"], data["exposed_null"], strict=True)
    text["Records exposed (permuted)"] = [f"{count:,} ({null:,})" for count, null in pairs]
    again = zip(with_spans(data, "again", 1), numbers(data["again_null"], 1), strict=True)
    text["The same with another seed, Jaccard (%)"] = [
        cell if cell == MISSING else f"{cell} ({by})" for cell, by in again
    ]
    text["Test accuracy (%)"] = numbers(data["test_accuracy"], 2)
    text["Test over train loss (loss ratio)"] = numbers(data["loss_ratio"], 2)
    told = [*notes(data["resolution"]), *of_training([first for first, *_ in recipes])]
    return Table(data, text, keys, [_note(runs, chosen), *told])


def _row(seeds: Sequence[Run], fpr: float) -> dict[str, Any]:
    run, found = seeds[0], leakage(seeds[0], fpr)
    worth = utility_over_models(run)
    row = run.key | found | exposure(seeds, fpr) | {"seeds": len(seeds), "fpr": fpr}
    row |= {name: worth[f"{name}_mean"] for name in ("test_accuracy", "loss_ratio")}
    return row | {"sentence": f"{title_of(run)}{_sentence(row)}"}


def _sentence(row: Mapping[str, Any]) -> str:
    """Says the answer to readers of the report's first page, after the name of the run."""
    found, flagged = (with_span(row, name, 2, " %") for name in ("tpr", "fpr_achieved"))
    threshold = f"at the threshold for {percent(row['fpr'])} false positives"
    rates = f"{threshold} the best attack finds {found} of the members and flags {flagged} of the others"
    area = f"a member scores above another record {with_span(row, 'auc', 1, ' %')} of the time (chance 50 %)"
    above = f"under {show(row['surest'])} {area}" if row["surest"] else area
    if row["answer"] == NO_LEAK:
        return f": no leak was found; {rates}; {above}."
    if row["answer"] != LEAKS:
        few = f"{row['models']} models are too few to rule a leak out"
        failed = f"{row['diverged']} of {row['models']} models failed to train"
        return f": cannot be told, as {failed if 2 * row['diverged'] > row['models'] else few}; {rates}; {above}."
    if row["tpr_low"] > row["fpr_achieved_high"]:
        worth = f"a flag is right {with_span(row, 'ppv', 1, ' %')} of the time if {percent(row['prior'])} are members"
        return f" leaks: {rates}; {worth}."
    return f" leaks: {above}; {rates}."


def _note(runs: Sequence[Run], fpr: float) -> str:
    attacks = " and ".join(dict.fromkeys(show(run.attack) for run in runs))
    return (
        f"Best attack: chosen for each target on the other targets. Thresholds for {percent(fpr)} FPR from shadow "
        "models, as an attacker has them. AUC: of the attack for which it is surest to be above 50 %, with an interval "
        "that is corrected for the number of attacks. [Square] brackets: 95 % intervals over targets and samples. "
        "Leaks: the AUC lies above 50 %, or the members found above the others flagged, by the ends of their "
        f"intervals, which calls at most 5 % of runs leaky that are not. Below {FEW_MODELS} models, of which LiRA has "
        "an AUC below 50 % by chance alone, none is called free of leaks. PPV: of all targets' counts; by chance it is "
        f"π. Exposed: flagged on a model trained with the record and on none trained without it, by {attacks}; "
        "permuted: the same with membership permuted once, an example of chance. (Round) brackets of the Jaccard: sets "
        "of these sizes drawn at random. Rates and counts are of each run's first seed."
    )
