"""Tables 7-10 and 12: rates at the target's own (optimistic) and at its shadow models' (realistic) thresholds."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.rates import RatesOverTargets, columns_of, resolution_of
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import marked, notes, of_scores
from lira.report.numbers import mean_std
from lira.report.runs import check_same_fprs, choose_fpr, in_order, show_keys
from lira.report.table import Table
from lira.storage.run import Run

ENTRY = Entry(
    title="Rates at both thresholds",
    category="Calibration",
    paper="Table 7–10, 12",
    drawn_from="benchmarks",
    files=("summary.csv",),
    at_fprs=True,
    caption=(
        "TPR′, FPR′ and PPV at each prior, with the target's own threshold and with the median of its shadow models' "
        "thresholds. ‡ names a target on which the mean rests. The .csv also has intervals, medians and trimmed "
        "means, the PPV of all targets' counts together, and the mean where membership is permuted."
    ),
)

POOLED = ("low", "high", "influence", "influence_target", "null")
"""Statistics of the PPV of all targets' counts together, which is no mean over targets."""


def table(runs: Sequence[Run], fpr: float | None = None) -> Table:
    """Shows mean ± standard deviation over targets of TPR′, FPR′ and PPV at each prior, in percent.

    One broken shadow model can change a mean, so the ``.csv`` also has the statistics of :mod:`lira.evaluation.summary`
    that show whether one did. The PPV is a mean over the targets for which it is defined; the ``.csv`` also has the PPV
    of all targets' counts together.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
    """
    data = check_same_fprs(pd.DataFrame([row for run in in_order(runs) for row in outcomes(run, fpr)]))
    text = show_keys(data).assign(Attack=data["attack"].map(show), Threshold=data["mode"])
    keys, influential = len(text.columns), []
    places = data["mode"].map({"target": "at", "shadow": "τ at"})
    for heading, name, decimals in columns(data):
        shown = data[[f"{name}_{key}" for key in ("mean", "std", "influential")]].itertuples(index=False)
        text[heading] = [
            marked(mean_std(mean, std, decimals), label, targets, place)
            for (mean, std, targets), label, place in zip(shown, data["resolution"], places, strict=True)
        ]
        influential += list(data[f"{name}_influential"])
    rate = f"Thresholds are set for an FPR of {percent(data['fpr'].iloc[0])}. "
    ppv = "PPV: mean over the targets for which anything was flagged."
    return Table(data, text, keys, [rate + ppv, *notes(data["resolution"], influential), *of_scores(runs)])


def columns(data: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Returns heading, name in ``data`` and decimals of each rate."""
    priors = [name.removeprefix("ppv_").removesuffix("_mean") for name in data if name.endswith("pct_mean")]
    ppv = [(f"PPV at π = {prior.removesuffix('pct')} % (%)", f"ppv_{prior}", 2) for prior in priors]
    return [("TPR′ (%)", "tpr", 3), ("FPR′ (%)", "fpr", 3), *ppv]


def outcomes(run: Run, fpr: float | None) -> list[dict]:
    """Returns a row per attack and kind of threshold."""
    rates, rows = RatesOverTargets(run), []
    chosen = choose_fpr(rates.fprs, fpr)
    for attack, mode, rate, metric, _ in rates.rows:
        if (rate, metric) != (chosen, "tpr"):
            continue
        tpr, achieved = (rates.rows[attack, mode, chosen, name, None] for name in ("tpr", "fpr_achieved"))
        row = run.key | {"attack": attack, "mode": mode, "fpr": chosen} | resolution_of(tpr)
        row |= columns_of(tpr, "tpr") | columns_of(achieved, "fpr")
        for prior in rates.priors:
            name = f"ppv_{percent(prior).removesuffix(' %')}pct"
            mean, whole = (rates.rows[attack, mode, chosen, metric, prior] for metric in ("ppv", "ppv_pooled"))
            pooled = columns_of(whole, f"{name}_pooled")
            row |= columns_of(mean, name) | {f"{name}_pooled": whole["mean"]}
            row |= {key: pooled[key] for key in (f"{name}_pooled_{part}" for part in POOLED)}
        rows.append(row)
    return rows
