"""Tables 7-10 and 12: what an attacker gets at target (optimistic) and at shadow (realistic) thresholds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy.stats import trim_mean

from lira.store import Run
from lira.tables import Table
from lira.tables._labels import percent, show
from lira.tables._resolution import mark, notes, resolved
from lira.tables._runs import choose_fpr, moments, negatives, read_runs, show_keys
from lira.tables._text import mean_std

TRIM = 0.05
"""Share of the targets cut from each end for the trimmed mean."""


def table(folders: Sequence[Path], fpr: float | None = None) -> Table:
    """Mean ± standard deviation over targets of TPR′, FPR′ and PPV at each prior, in percent.

    The ``.csv`` also has medians, FPR′'s trimmed mean and the target that moves its mean most, and the number of
    targets for which PPV is defined: one broken shadow model can make a mean.

    Args:
        folders: Run folders.
        fpr: Target FPR; the largest of the results if not given.
    """
    data = pd.DataFrame([row for run in read_runs(folders) for row in outcomes(run, fpr)])
    text = show_keys(data).assign(Attack=data["attack"].map(show), Threshold=data["mode"])
    keys = len(text.columns)
    for heading, name, decimals in columns(data):
        cells = [mean_std(*pair, decimals) for pair in zip(data[f"{name}_mean"], data[f"{name}_std"], strict=True)]
        places = data["mode"].map({"target": "at", "shadow": "τ at"})
        text[heading] = [mark(*cell) for cell in zip(cells, data["resolution"], places, strict=True)]
    rate = f"Thresholds are set for an FPR of {percent(data['fpr'].iloc[0])}. "
    ppv = "PPV: mean over the targets for which anything was flagged."
    return Table(data, text, keys, [rate + ppv, *notes(data["resolution"])])


def columns(data: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Heading, name in ``data`` and decimals of each rate."""
    priors = [name.removeprefix("ppv_").removesuffix("_mean") for name in data if name.endswith("pct_mean")]
    ppv = [(f"PPV at π = {prior.removesuffix('pct')} % (%)", f"ppv_{prior}", 2) for prior in priors]
    return [("TPR′ (%)", "tpr", 3), ("FPR′ (%)", "fpr", 3), *ppv]


def outcomes(run: Run, fpr: float | None) -> list[dict]:
    """A row per attack and kind of threshold."""
    metrics, rows = run.table("metrics.csv"), []
    chosen = choose_fpr(metrics["fpr"], fpr)
    for (attack, mode), group in metrics[metrics["fpr"] == chosen].groupby(["attack", "mode"], sort=False):
        once = group[group["prior"] == group["prior"].min()]
        row = run.key | {"attack": attack, "mode": mode, "fpr": chosen} | resolved(chosen, negatives(once))
        row |= moments(100 * once["tpr"], "tpr") | moments(100 * once["fpr_achieved"], "fpr")
        row |= robust(100 * once["fpr_achieved"].set_axis(once["target"]))
        for prior, ppv in group.groupby("prior")["ppv"]:
            name = f"ppv_{percent(prior).removesuffix(' %')}pct"
            row |= moments(100 * ppv, name) | {f"{name}_targets": ppv.count()}
        rows.append(row)
    return rows


def robust(rates: pd.Series) -> dict[str, float]:
    """FPR′'s trimmed mean, and the target farthest from the median."""
    extreme = (rates - rates.median()).abs().idxmax()
    return {"fpr_trimmed_mean": trim_mean(rates, TRIM), "fpr_extreme_target": extreme}
