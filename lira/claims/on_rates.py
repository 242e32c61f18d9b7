"""The paper's claims on rates over targets, each tested on the study's own results.

Cells of one run share its targets: the error of a mean over cells is the mean of their errors, as if they moved
together.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from lira.claims.equivalence import FAILS, HOLDS, UNKNOWN, Estimate, exceeds
from lira.claims.lines import line, size
from lira.claims.overlap import ENOUGH, FIT, own_fit, published_fit
from lira.claims.results import Benchmark, Results, estimate
from lira.published import published
from lira.tables._labels import percent
from lira.tables.optimistic import baseline, rates

LIRA = ("online", "online_fixed", "offline", "offline_fixed")
REDUCTIONS = {"aof": ("AOF", 6.2, "2.4–18"), "tl": ("TL", 28.0, "up to 191")}
"""Of each regime: its name, the paper's mean reduction and its range, in the text."""

REALISTIC = 0.1
"""Largest prior of the claim on PPV."""

DOMINATES = 0.5
"""Share of a mean that a single target makes, from which the mean is said to rest on it."""


def reductions(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """AOF and TL cut the TPR: over four LiRA attacks and all FPRs of every benchmark."""
    rows = [cell for run in results.benchmarks() for cell in rates(run.run)]
    data = pd.DataFrame(rows) if rows else pd.DataFrame(columns=["regime", "attack"])
    for regime, (name, stated, spread) in REDUCTIONS.items():
        claim, found = f"{name} cuts the TPR", []
        for _, cell in data[(data["regime"] == regime) & data["attack"].isin(LIRA)].iterrows():
            against = baseline(cell, data)
            found += [] if against is None else [log_ratio(against, cell)]
        known = [ratio for ratio in found if not np.isnan(ratio.error)]
        left = f", {len(found) - len(known)} cells without a TPR left out" if len(known) < len(found) else ""
        if not known:
            yield line(claim, "direction", UNKNOWN, None, "reduction", f"no cell with a baseline{left}")
            continue
        ratios, errors = np.exp([ratio.value for ratio in known]), np.array([ratio.error for ratio in known])
        centre, mean = _mean(known), Estimate(float(ratios.mean()), float((ratios * errors).mean()))
        cells = f"{(ratios > 1).sum()} of {len(ratios)} cells above 1, {ratios.min():.2g}–{ratios.max():.2g}×{left}"
        low, high = (float(end) for end in np.exp(centre.interval()))
        geometric = Estimate(float(np.exp(centre.value)), np.nan)
        said = f"geometric mean {geometric.value:.2f}×, {cells}"
        tested = line(claim, "direction", exceeds(centre, 0.0), geometric, "reduction", said)
        yield tested | {"low": low, "high": high}
        for part, number, said in (
            ("size, the text's", stated, f"the text's range {spread}×"),
            ("size, the tables'", *of_tables(regime)),
        ):
            numbers = f"mean {mean.value:.2f}×, {cells}; {said}"
            yield size(claim, part, mean, number, margins, "reduction", numbers)


def of_tables(regime: str) -> tuple[float, str]:
    """Mean and range of the reductions in the paper's own Tables 3-6, over the same cells."""
    rows = published("optimistic").rows
    rows = rows[(rows["regime"] == regime) & rows["attack"].isin(LIRA)]
    cells = rows[["reduction_at_fpr_1e-5", "reduction_at_fpr_1e-3"]].to_numpy().ravel()
    return float(cells.mean()), f"the tables' range {cells.min():g}–{cells.max():g}×"


def log_ratio(against: Mapping, cell: Mapping) -> Estimate:
    """Logarithm of a reduction; NaN where either TPR is 0."""
    parts = [Estimate.of_interval(of["tpr_mean"], of["tpr_low"], of["tpr_high"]) for of in (against, cell)]
    if min(part.value for part in parts) <= 0:
        return Estimate(np.nan, np.nan)
    error = np.hypot(*(part.error / part.value for part in parts))
    return Estimate(float(np.log(parts[0].value / parts[1].value)), float(error))


def _mean(of: Sequence[Estimate]) -> Estimate:
    """Mean of numbers that may move together."""
    return Estimate(float(np.mean([one.value for one in of])), float(np.mean([one.error for one in of])))


def precision(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Shadow thresholds at realistic priors cut the PPV, against target thresholds at the largest prior; online."""
    runs = results.benchmarks()
    priors = sorted({prior for run in runs for prior in run.priors})
    for prior in (prior for prior in priors if prior <= REALISTIC):
        claim = f"Shadow thresholds at π = {percent(prior)} cut the PPV"
        falls = [fall for run in runs if (fall := _fall(run, prior, priors[-1])) is not None]
        if not falls:
            yield line(claim, "direction", UNKNOWN, None, "ppv", "no run with both PPVs")
            continue
        mean, lower = _mean(falls), sum(fall.value > 0 for fall in falls)
        numbers = f"{mean.value:.1f} points lower than with target thresholds at π = {percent(priors[-1])}, mean of "
        numbers += f"{len(falls)} runs, lower in {lower}; online, {percent(runs[0].fprs[0])} FPR"
        yield line(claim, "direction", exceeds(mean, 0.0), mean, "ppv", numbers)
        rows = published("calibrated").rows
        if (column := f"ppv_{100 * prior:g}pct_mean") in rows:
            stated = float(100 - rows[rows["attack"] == "online"][column].mean())
            yield size(claim, "size, the tables'", mean, stated, margins, "ppv", numbers)


def _fall(run: Benchmark, prior: float, largest: float) -> Estimate | None:
    own = run.rate("online", "target", run.fprs[0], "ppv", largest)
    shadow = run.rate("online", "shadow", run.fprs[0], "ppv", prior)
    if own is None or shadow is None:
        return None
    before = estimate(own)
    if own["std"] == 0:
        before = Estimate(before.value, 0.0)  # no target has a false positive
    fall = before - estimate(shadow)
    return None if np.isnan(fall.error) else fall


def loss_ratio(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """The loss ratio predicts the TPR at 0.1 % FPR, or at the largest FPR of the study."""
    claim, fprs = "The loss ratio predicts the TPR", results.runs[0].fprs
    fpr = 1e-3 if 1e-3 in fprs else fprs[-1]
    count, ours = own_fit(results, fpr)
    if count < ENOUGH:
        yield line(claim, "direction", UNKNOWN, None, "correlation", f"{count} runs are too few, it needs {ENOUGH}")
        return
    numbers = f"{count} runs at {percent(fpr)} FPR"
    verdicts = {exceeds(ours[name], 0.0) for name in ("r", "ρ")}
    said = f"Pearson r {ours['r'].value:.2f} (log x), Spearman ρ {ours['ρ'].value:.2f}, {numbers}"
    yield line(claim, "direction", verdicts.pop() if len(verdicts) == 1 else UNKNOWN, ours["r"], "correlation", said)
    for name, theirs in published_fit().items():
        said = f"{name} {ours[name].value:.2f}, {numbers}"
        yield size(claim, f"size, {name}", ours[name], round(theirs.value, 2), margins, FIT[name], said)


def single_target(results: Results) -> Iterator[dict]:
    """Suspicion: one broken target makes the mean FPR′ of a regime."""
    claim, found = "A single target makes a mean FPR′", []
    for run in results.benchmarks():
        for attack in LIRA:
            rate = run.rate(attack, "shadow", run.fprs[0], "fpr_achieved")
            if rate and rate["mean"] > 0 and rate["influence"] > 0:
                named = f"{rate['influence_target']:.0f}" in rate["influential"].split()
                found.append((named * rate["influence"] / rate["mean"], attack, rate, run))
    if not found:
        yield line(claim, "direction", UNKNOWN, None, "share", "no false positives at shadow thresholds")
        return
    share, attack, rate, run = max(found, key=lambda one: one[0])
    place = f"{'/'.join(run.key[name] for name in ('dataset', 'architecture', 'regime'))}, {attack}"
    numbers = f"largest share of any run and attack: target {rate['influence_target']:.0f} of {place}, mean FPR′ "
    numbers += f"{rate['mean']:.3f} %, without it {rate['mean'] - rate['influence']:.3f} %, median "
    numbers += f"{rate['median']:.3f} %, at {percent(run.fprs[0])} FPR; holds from a share of {DOMINATES:g}"
    yield line(claim, "direction", HOLDS if share > DOMINATES else FAILS, Estimate(share, np.nan), "share", numbers)
