"""Compares the published fit of the TPR to the loss ratio (Figure 7) with the study's, and tests the claim on it."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lira.evaluation.estimates import QUANTILE, Estimate
from lira.evaluation.utility import fit, loss_ratios
from lira.paper.comparison import Number, judge_number
from lira.paper.equivalence import UNKNOWN, Claim, exceeds, margin_of
from lira.paper.published import POOLS, published
from lira.paper.results import NETWORKS, Benchmark, Results
from lira.report.labels import percent

FIT = {"r": "correlation", "ρ": "correlation", "slope": "fit", "intercept": "fit", "R²": "explained"}
"""Numbers of the fit, in the order of :class:`lira.evaluation.utility.Fit`, with the names of their margins."""

FPR = 1e-3
"""FPR of the published fit."""

ENOUGH = 10
"""Fewest runs of the paper's data whose fit is comparable with the published one."""


def fit_of(points: pd.DataFrame) -> dict[str, Estimate]:
    """Fits the TPR (second column, in percent) to the loss ratio (first); named as in :data:`FIT`, none for few runs."""
    ratio, tpr = points.to_numpy(float).T
    return dict(zip(FIT, fit(ratio, tpr) or (), strict=False))


def own_fit(runs: Sequence[Benchmark], fpr: float) -> tuple[int, dict[str, Estimate]]:
    """Returns the number of runs with a loss ratio and a TPR at this FPR, and the fit over them."""
    points = loss_ratios(runs, fpr)
    return len(points), fit_of(points[["loss_ratio", "tpr"]])


def published_fit() -> dict[str, Estimate]:
    """Fits the 49 published configurations, which gives the numbers that the paper states."""
    return fit_of(published("loss_ratio").rows)


def comparable_fit(results: Results) -> tuple[str, int, dict[str, Estimate]]:
    """Fits the runs of the paper's data, architectures and number of models at 0.1 % FPR.

    Returns:
        Why the fit cannot be compared with the published one (empty if it can), number of runs and fit. With too few
        such runs, these are of all runs.
    """
    places = [(dataset, network) for dataset in POOLS for network in NETWORKS]
    alike = [run for run in results.runs if not all(run.obstacles(*place) for place in places)]
    few = len(alike) < ENOUGH
    why = f"{len(alike)} runs of the paper's data, architectures and number of models" if few else ""
    return why, *own_fit(results.runs if few else alike, FPR)


def carries(theirs: Estimate, margin: float) -> str:
    """Says how little the published points tell of a number, if that is less than its margin needs; else empty."""
    half = QUANTILE * theirs.error
    return f"the {len(published('loss_ratio').rows)} published points carry no more than ±{half:.2g}" * (half > margin)


def compare_fit(results: Results, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 7; with too few comparable runs, those of the study stand beside it."""
    obstacles, count, ours = comparable_fit(results)
    label = f"{count} runs (published {len(published('loss_ratio').rows)})"
    for name, theirs in published_fit().items():
        if name in ours or obstacles:
            row = judge_number(Number(name, FIT[name], theirs, ours.get(name)), margins, obstacles, label)
            few = carries(theirs, row["margin"]) if row["verdict"] == UNKNOWN else ""
            yield row | {"reason": few or row["reason"]}


def judge_fit(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Tests that the loss ratio predicts the TPR: the direction at the study's FPR nearest the paper's, then the fit.

    The FPR is 0.1 % if the study has it, else its largest.
    """
    claim, fprs = Claim("The loss ratio predicts the TPR", margins), results.runs[0].rates.fprs
    fpr = FPR if FPR in fprs else fprs[-1]
    count, ours = own_fit(results.runs, fpr)
    if count < ENOUGH:
        yield claim.untold("direction", f"{count} runs are too few, it needs {ENOUGH}")
        return
    verdicts = {exceeds(ours[name], 0.0) for name in ("r", "ρ")}
    said = f"Pearson r {ours['r'].value:.2f} (log x), Spearman ρ {ours['ρ'].value:.2f}, "
    said += f"{count} runs at {percent(fpr)} FPR"
    verdict = verdicts.pop() if len(verdicts) == 1 else UNKNOWN
    yield claim.line("direction", verdict, ours["r"], "correlation", said)
    obstacles, count, ours = comparable_fit(results)
    if obstacles or not ours:
        yield claim.untold("size", f"{obstacles or f'{count} runs at {percent(FPR)} FPR'}: too few")
        return
    for name, theirs in published_fit().items():
        few = carries(theirs, margin_of(FIT[name], theirs.value, margins))
        said = f"{name} {ours[name].value:.2f}, {count} runs as the paper's{f'; {few}' if few else ''}"
        yield claim.size(f"size, {name}", ours[name], theirs, FIT[name], said)
