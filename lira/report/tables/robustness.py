"""How far the means over targets can be trusted: interval, robust centres, influential targets, and chance."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from lira.config.catalogue import main_attack
from lira.evaluation.rates import in_percent, is_hollow
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import marked, notes, of_scores
from lira.report.numbers import MISSING, mean_std, numbers, span
from lira.report.runs import check_available, check_same_fprs, choose_fpr, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import RUN_KEYS, Run

ENTRY = Entry(
    title="How far the means can be trusted",
    category="Calibration",
    drawn_from="benchmarks",
    files=("summary.csv",),
    at_fprs=True,
    caption=(
        "How far the means over targets can be trusted, for the main attack (online where there is one): 95 % "
        "interval, median, trimmed mean, the target that moves each mean most, and the mean where membership is "
        "permuted. ‡ names a target that moves the mean by more than the standard error of the mean of the others. The "
        ".csv has all attacks and priors."
    ),
)

METRICS = {
    ("target", "auc"): "AUC (%)",
    ("target", "tpr"): "TPR (%)",
    ("shadow", "tpr"): "TPR′ (%)",
    ("shadow", "fpr_achieved"): "FPR′ (%)",
    ("shadow", "ppv"): "PPV (%)",
    ("shadow", "ppv_pooled"): "PPV, pooled (%)",
}
"""The numbers of a run that readers see; the ``.csv`` has all."""


def table(
    runs: Sequence[Run], fpr: float | None = None, attack: str | None = None, prior: float | None = None
) -> Table:
    """Shows each run's ``summary.csv`` at one FPR, in percent; readers see the rows of one attack and one prior.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
        attack: Attack that readers see; that of the counts per record if not given.
        prior: Prior of the PPV that readers see; the smallest of the results if not given.
    """
    data = check_same_fprs(pd.concat([at_fpr(run, fpr) for run in in_order(runs)], ignore_index=True))
    prior, attack = data["prior"].min() if prior is None else prior, attack or main_attack(data["attack"])
    check_available("attack", attack, data["attack"])
    check_available("prior", prior, data["prior"])
    rows = data[(data["attack"] == attack) & (data["prior"].isna() | (data["prior"] == prior))]
    shown = pd.concat([of_run for _, run in rows.groupby(list(RUN_KEYS), sort=False) for of_run in seen(run)])
    text = show_keys(shown).assign(Quantity=shown["shown"])
    keys = len(text.columns)
    text["Mean ± std"] = [show_mean(row) for row in shown.itertuples()]
    text["95 % interval"] = [span(row.low, row.high, "{:.3f}".format) for row in shown.itertuples()]
    text["Median"] = numbers(shown["median"], 3)
    text["Trimmed mean"] = numbers(shown["trimmed_mean"], 3)
    text["Moved most by"] = [moved(row) for row in shown.itertuples()]
    text["Undefined"] = shown["undefined"].astype(str)
    text["Chance"] = numbers(shown["null"], 3)
    note = (
        f"{show(attack)} at {percent(data['fpr'].min())} FPR. AUC and TPR: at each target's own threshold. TPR′, FPR′ "
        f"and PPV (at π = {percent(prior)}): at that of its shadow models. Pooled: PPV of all targets' counts. "
        "Interval: bootstrap over targets and samples. Trimmed mean: without the lowest and the highest 10 % of the "
        "targets. Moved most by: target (index of the shadow model) and the mean less the mean of the others. "
        "Undefined: number of targets without a value. Chance: the mean where membership is permuted."
    )
    below = notes(shown["resolution"], shown["influential"], shown["hollow"])
    return Table(data, text, keys, [note, *below, *of_scores(runs)])


def seen(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yields the rows of a run that readers see, in their order; the column ``shown`` has their names."""
    shadow = rows[rows["mode"] == "shadow"].set_index("metric")
    few = not shadow.empty and is_hollow(*(shadow.loc[name] for name in ("fpr_achieved", "ppv", "ppv_pooled")))
    for (mode, metric), name in METRICS.items():
        found = rows[(rows["mode"] == mode) & (rows["metric"] == metric)]
        yield found.assign(shown=name, hollow=few and metric == "ppv")


def at_fpr(run: Run, fpr: float | None) -> pd.DataFrame:
    """Returns a run's summary at one FPR, fractions in percent."""
    found = in_percent(run.summary)
    return found[found["fpr"].isna() | (found["fpr"] == choose_fpr(found["fpr"], fpr))]


def show_mean(row: Any) -> str:
    """Writes mean ± standard deviation, with its marks."""
    place = "at" if row.mode == "target" else "τ at"
    return marked(mean_std(row.mean, row.std, 3), row.resolution, row.influential, place, row.hollow)


def moved(row: Any) -> str:
    """Writes the target of the largest influence, and that influence."""
    if pd.isna(row.influence):
        return MISSING
    return f"{row.influence_target:.0f} ({row.influence:+.3f})"
