"""Tables 7-10 and 12: rates at the target's own (optimistic) and at its shadow models' (realistic) thresholds."""

from collections.abc import Sequence

import pandas as pd

from lira.evaluation.rates import RatesOverTargets, columns_of, is_hollow, resolution_of
from lira.report.catalogue import Entry
from lira.report.labels import percent, show
from lira.report.marks import marked, notes, of_scores
from lira.report.numbers import mean_std, number, span
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
        "thresholds; the pooled PPV, of all targets' counts together, with its 95 % interval; and what chance alone "
        "gives of both. ‡ names a target on which the mean rests, § a mean of PPVs that chance can give too. The .csv "
        "also has intervals, medians and trimmed means, and every mean where membership is permuted."
    ),
)

POOLED = ("low", "high", "influence", "influence_target", "null")
"""Statistics of the PPV of all targets' counts together, which is no mean over targets."""


def table(runs: Sequence[Run], fpr: float | None = None) -> Table:
    """Shows mean ± standard deviation over targets of TPR′, FPR′ and PPV at each prior, in percent.

    One broken shadow model can change a mean, so the ``.csv`` also has the statistics of :mod:`lira.evaluation.summary`
    that show whether one did. The paper's PPV is a mean over the targets for which it is defined, and marked where it
    :func:`~lira.evaluation.rates.is_hollow`. Beside it stand the PPV of all targets' counts together, and both where
    membership is permuted.

    Args:
        runs: The runs.
        fpr: Target FPR; the largest of the results if not given.
    """
    data = check_same_fprs(pd.DataFrame([row for run in in_order(runs) for row in outcomes(run, fpr)]))
    text = show_keys(data).assign(Attack=data["attack"].map(show), Threshold=data["mode"])
    keys, influential, hollow = len(text.columns), [], data.filter(regex="_hollow$")
    places = data["mode"].map({"target": "at", "shadow": "τ at"})
    for heading, name, decimals in columns(data):
        shown = data[[f"{name}_{key}" for key in ("mean", "std", "influential")]].itertuples(index=False)
        alone = hollow.get(f"{name}_hollow", [False] * len(data))
        text[heading] = [
            marked(mean_std(mean, std, decimals), label, targets, place, few)
            for (mean, std, targets), label, place, few in zip(shown, data["resolution"], places, alone, strict=True)
        ]
        influential += list(data[f"{name}_influential"])
    for heading, name, _ in columns(data)[2:]:
        text[heading.replace("PPV", "Pooled PPV")] = pooled(data, f"{name}_pooled")
        text[heading.replace("PPV", "Chance")] = [
            f"{number(mean, 2)}; {number(whole, 2)}"
            for mean, whole in zip(data[f"{name}_null"], data[f"{name}_pooled_null"], strict=True)
        ]
    rate = f"Thresholds are set for an FPR of {percent(data['fpr'].iloc[0])}. "
    ppv = (
        "PPV: mean over the targets for which anything was flagged. Pooled PPV: of all targets' counts together, with "
        "the 95 % interval of a bootstrap over targets and samples (–: no target has a false positive). Chance: mean "
        "and pooled PPV where membership is permuted, once and so without an interval; at shadow thresholds, the "
        "pooled PPV of scores that say nothing is near π."
    )
    below = notes(data["resolution"], influential, hollow.any())
    return Table(data, text, keys, [rate + ppv, *below, *of_scores(runs)])


def pooled(data: pd.DataFrame, name: str) -> list[str]:
    """Writes the pooled PPV of each row with its interval."""
    values = zip(data[name], data[f"{name}_low"], data[f"{name}_high"], strict=True)
    return [f"{number(value, 2)} {span(low, high, '{:.2f}'.format)}" for value, low, high in values]


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
            row |= columns_of(mean, name) | {f"{name}_pooled": whole["mean"]}
            row |= {f"{name}_pooled_{part}": whole[part] for part in POOLED}
            row[f"{name}_hollow"] = is_hollow(achieved, mean, whole)
        rows.append(row)
    return rows
