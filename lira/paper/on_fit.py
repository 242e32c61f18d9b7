"""Compares the published fit of the TPR to the loss ratio (Figure 7) with the study's, and tests the claim on it."""

from collections.abc import Iterator, Mapping

import pandas as pd

from lira.evaluation.estimates import QUANTILE, Estimate
from lira.evaluation.utility import fit, loss_ratios
from lira.paper.benchmarks import FIT_RUNS, NETWORKS, POOLS
from lira.paper.comparison import Number, judge_number
from lira.paper.equivalence import UNKNOWN, Claim, exceeds, margin_of
from lira.paper.published import published
from lira.paper.results import Results
from lira.report.labels import percent

FIT = {"r": "correlation", "ρ": "correlation", "slope": "fit", "intercept": "fit", "R²": "explained"}
"""Numbers of the fit, in the order of :class:`lira.evaluation.utility.Fit`, with the names of their margins."""

FPR = 1e-3
"""FPR of the published fit."""


def fit_of(points: pd.DataFrame) -> dict[str, Estimate]:
    """Fits ``tpr`` (%) to ``loss_ratio``; the numbers are named as in :data:`FIT`, none for too few points."""
    ratio, tpr = (points[name].to_numpy(float) for name in ("loss_ratio", "tpr"))
    return dict(zip(FIT, fit(ratio, tpr) or (), strict=False))


def published_fit() -> dict[str, Estimate]:
    """Fits the 49 published configurations, which gives the numbers that the paper states."""
    return fit_of(published("loss_ratio").rows.set_axis(["loss_ratio", "tpr"], axis=1))


def comparable_points(results: Results) -> tuple[pd.DataFrame, str]:
    """Finds the runs of the paper's data, architectures and number of models at 0.1 % FPR.

    Returns:
        Their rows of :func:`lira.evaluation.utility.loss_ratios`; with too few such runs, those of all runs, and why
        their fit cannot be compared with the published one.
    """
    places = [(dataset, network) for dataset in POOLS for network in NETWORKS]
    alike = [run for run in results.runs if not all(run.obstacles(*place) for place in places)]
    if len(alike) >= FIT_RUNS:
        return loss_ratios(alike, FPR), ""
    few = f"{len(alike)} runs of the paper's data, architectures and number of models"
    return loss_ratios(results.runs, FPR), few


def carries(theirs: Estimate, margin: float) -> str:
    """Says how little the published points tell of a number, if that is less than its margin needs; else empty."""
    half = QUANTILE * theirs.error
    return f"the {len(published('loss_ratio').rows)} published points carry no more than ±{half:.2g}" * (half > margin)


def compare_fit(results: Results, margins: Mapping) -> Iterator[dict]:
    """Yields the rows of Figure 7; with too few comparable runs, those of the study stand beside it."""
    points, obstacles = comparable_points(results)
    ours, label = fit_of(points), f"{len(points)} runs (published {len(published('loss_ratio').rows)})"
    for name, theirs in published_fit().items():
        if name in ours or obstacles:
            row = judge_number(Number(name, FIT[name], theirs, ours.get(name)), margins, obstacles, label)
            few = carries(theirs, row["margin"]) if row["verdict"] == UNKNOWN else ""
            yield row | {"reason": few or row["reason"]}


def judge_fit(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Tests that the loss ratio predicts the TPR: the direction at the paper's FPR, then the fit.

    A study without the paper's 0.1 % is tested at its largest FPR, where its TPRs are known best.
    """
    claim, fprs = Claim("The loss ratio predicts the TPR", margins), results.runs[0].rates.fprs
    fpr = FPR if FPR in fprs else fprs[-1]
    points = loss_ratios(results.runs, fpr)
    if len(points) < FIT_RUNS:
        yield claim.untold("direction", f"{len(points)} runs are too few, it needs {FIT_RUNS}")
        return
    ours = fit_of(points)
    verdicts = {exceeds(ours[name], 0.0) for name in ("r", "ρ")}
    both = f"Pearson r {ours['r'].value:.2f} (log x), Spearman ρ {ours['ρ'].value:.2f}"
    said = f"{both}, {len(points)} runs at {percent(fpr)} FPR"
    verdict = verdicts.pop() if len(verdicts) == 1 else UNKNOWN
    yield claim.line("direction", verdict, ours["r"], "correlation", said)
    points, obstacles = comparable_points(results)
    ours = fit_of(points)
    if obstacles or not ours:
        yield claim.untold("size", f"{obstacles or f'{len(points)} runs at {percent(FPR)} FPR'}: too few")
        return
    for name, theirs in published_fit().items():
        few = carries(theirs, margin_of(FIT[name], theirs.value, margins))
        said = f"{name} {ours[name].value:.2f}, {len(points)} runs as the paper's{f'; {few}' if few else ''}"
        yield claim.size(f"size, {name}", ours[name], theirs, FIT[name], said)
