"""Bounds on ε that the attacks' counts refute, per run and for the most exposed record."""

from collections.abc import Sequence

import pandas as pd

from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.numbers import number, numbers
from lira.report.runs import in_order, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Bounds on ε",
    category="Calibration",
    drawn_from="runs",
    files=("privacy.csv",),
    caption=(
        "The largest ε and μ that the counts at shadow thresholds refute, of all targets together and of single "
        "records, with what the same bounds are by chance. They are bounds from below: 0 refutes nothing, and no "
        "number here promises privacy."
    ),
)


def table(runs: Sequence[Run]) -> Table:
    """Makes a row per run, attack and FPR from :mod:`lira.evaluation.privacy`."""
    data = pd.concat([run.table("privacy.csv") for run in in_order(runs)], ignore_index=True)
    text = show_keys(data).assign(Attack=data["attack"].map(show), FPR=data["fpr"].map(percent))
    keys = len(text.columns)
    for heading, part, rest in (("Members flagged", "tp", "fn"), ("Non-members flagged", "fp", "tn")):
        text[heading] = [f"{some:,} of {some + others:,}" for some, others in zip(data[part], data[rest], strict=True)]
    for heading, name in {"ε ≥": "epsilon", "μ ≥": "mu", "ε of μ": "mu_epsilon", "ε by chance": "null_epsilon"}.items():
        text[heading] = numbers(data[name], 2)
    above = zip(data["records_above"], data["null_records_above"], strict=True)
    text["Records above 0 (chance)"] = [f"{number(some, 0)} ({number(null, 0)})" for some, null in above]
    text["Largest ε of a record"] = [
        number(row.record_epsilon, 2) + ("" if pd.isna(row.record) else f" (#{row.record:.0f})")
        for row in data.itertuples()
    ]
    text["By chance"] = numbers(data["null_record_epsilon"], 2)
    text["At most"] = numbers(data["record_possible"], 2)
    return Table(data, text, keys, notes(data))


def notes(data: pd.DataFrame) -> list[str]:
    """Returns what the bounds say, and what they do not."""
    tests, records = (
        ", ".join(f"{count:.0f}" for count in data[name].dropna().unique()) for name in ("tests", "records_tests")
    )
    delta = ", ".join(f"{value:g}" for value in data["delta"].unique())
    return [
        f"ε ≥: the largest ε at δ = {delta} that the counts at shadow thresholds refute (Clopper-Pearson, 95 % for all "
        f"attacks and FPRs of a run together: {tests}; not corrected for the number of runs). μ ≥: the same for "
        "μ-Gaussian differential privacy, and its ε at δ, for mechanisms such as DP-SGD. Chance: where membership is "
        "permuted.",
        "A bound is one end of an interval; attacks do not give the other. 0: these attacks refute nothing, which is "
        "no proof of privacy. It is of this recipe and data, and at most as strong as the attack.",
        "Counts are taken as independent trials. Samples of one model are not, as they share its training, and targets "
        "are each other's shadow models: the confidence is nominal.",
        f"Records: each one's own counts over the targets, 95 % for all records, attacks and FPRs together: {records}. "
        "At most: of a record that all models trained with it flag, and no other; more models can show more.",
    ]
