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
from lira.claims.overlap import FPR as PUBLISHED_FPR
from lira.claims.results import Benchmark, Results, estimate
from lira.presentation.labels import percent
from lira.published import published
from lira.tables.optimistic import baseline, rates

LIRA = ("online", "online_fixed", "offline", "offline_fixed")
REDUCTIONS = {"aof": ("AOF", 6.2, "2.4–18"), "tl": ("TL", 28.0, "up to 191")}
"""Of each regime: its name, the paper's mean reduction and its range, in the text."""

MODES = ("target", "shadow")
REALISTIC = 0.1
"""Largest prior of the claim on PPV."""

DOMINATES = 0.5
"""Share of a mean that a single target makes, from which the mean is said to rest on it."""

CHANCE = 0.05
"""Largest probability, over all targets and cells, that a target has so many of the false positives by chance."""


def reductions(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """AOF and TL cut the TPR: over four LiRA attacks and all FPRs of every benchmark."""
    rows = [cell for run in results.benchmarks() for cell in rates(run.run)]
    data = pd.DataFrame(rows) if rows else pd.DataFrame(columns=["regime", "attack"])
    for regime, (name, stated, spread) in REDUCTIONS.items():
        claim, found = f"{name} cuts the TPR", []
        for _, cell in data[(data["regime"] == regime) & data["attack"].isin(LIRA)].iterrows():
            against = baseline(cell, data)
            place = cell["dataset"], cell["attack"], cell["fpr"]
            found += [] if against is None else [(place, log_ratio(against, cell))]
        pairs = [(place, ratio) for place, ratio in found if not np.isnan(ratio.error)]
        places, known = [place for place, _ in pairs], [ratio for _, ratio in pairs]
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
        numbers = f"mean {mean.value:.2f}×, {cells}; the text's range {spread}×"
        yield size(claim, "size, the text's", mean, stated, margins, "reduction", numbers)
        yield _as_tables(claim, regime, places, ratios, errors, margins)


def _as_tables(claim: str, regime: str, places: Sequence[tuple], ratios, errors, margins: Mapping) -> dict:
    """Size against the paper's tables, over the cells (dataset, attack, FPR) that both have."""
    part, tables = "size, the tables'", of_tables(regime)
    both = [place in tables for place in places]
    if not any(both):
        return line(claim, part, UNKNOWN, None, "reduction", "no cell of the paper's tables")
    theirs = np.array([tables[place] for place in places if place in tables])
    mean = Estimate(float(ratios[both].mean()), float((ratios * errors)[both].mean()))
    numbers = f"mean {mean.value:.2f}× over the {len(theirs)} cells that the tables have, of {len(places)}; "
    numbers += f"the tables' range over them {theirs.min():g}–{theirs.max():g}×"
    return size(claim, part, mean, float(theirs.mean()), margins, "reduction", numbers)


def of_tables(regime: str) -> dict[tuple[str, str, float], float]:
    """Reductions of the LiRA attacks in the paper's own Tables 3-6, by dataset, attack and FPR."""
    rows = published("optimistic").rows
    rows = rows[(rows["regime"] == regime) & rows["attack"].isin(LIRA)]
    columns = {1e-5: "reduction_at_fpr_1e-5", 1e-3: "reduction_at_fpr_1e-3"}
    return {
        (row["dataset"], row["attack"], fpr): row[column]
        for row in rows.to_dict("records")
        for fpr, column in columns.items()
    }


def log_ratio(against: Mapping, cell: Mapping) -> Estimate:
    """Logarithm of a reduction; NaN where either TPR is 0."""
    parts = [Estimate(of["tpr_mean"], of["tpr_standard_error"]) for of in (against, cell)]
    if min(part.value for part in parts) <= 0:
        return Estimate(np.nan, np.nan)
    error = np.hypot(*(part.error / part.value for part in parts))
    return Estimate(float(np.log(parts[0].value / parts[1].value)), float(error))


def _mean(of: Sequence[Estimate]) -> Estimate:
    """Mean of numbers that may move together."""
    return Estimate(float(np.mean([one.value for one in of])), float(np.mean([one.error for one in of])))


def precision(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Shadow thresholds cut the PPV at realistic priors, against target thresholds at the same prior and FPR; online.

    Without a false positive the PPV of target thresholds is 100 % whatever the model: such runs cannot tell the
    direction. The size is the fall from 100 %, over the runs that the paper's tables have.
    """
    runs = results.benchmarks()
    for prior in sorted({prior for run in runs for prior in run.priors if prior <= REALISTIC}):
        claim = f"Shadow thresholds at π = {percent(prior)} cut the PPV"
        for fpr in sorted({fpr for run in runs for fpr in run.fprs}):
            yield _fall_at(claim, runs, fpr, prior)
        yield from _fall_as_tables(claim, runs, prior, margins)


def _fall_at(claim: str, runs: Sequence[Benchmark], fpr: float, prior: float) -> dict:
    """Direction: the fall of the PPV from target to shadow thresholds at one FPR, in points."""
    part, pairs = f"direction, {percent(fpr)} FPR", [(_ppv(run, mode, fpr, prior) for mode in MODES) for run in runs]
    known = [(target, shadow) for target, shadow in pairs if target and shadow]
    if not known:
        return line(claim, part, UNKNOWN, None, "ppv", "no run with both PPVs")
    falls = [target - shadow for target, shadow in known if target.value < 100]
    floor = f"{len(known) - len(falls)} of {len(known)} runs cannot tell: no false positive at target thresholds"
    if not falls:
        return line(claim, part, UNKNOWN, None, "ppv", floor)
    mean, lower = _mean(falls), sum(fall.value > 0 for fall in falls)
    numbers = f"{abs(mean.value):.1f} points {'lower' if mean.value > 0 else 'higher'} than with target thresholds, "
    numbers += f"mean of {len(falls)} runs, lower in {lower}; online; {floor}"
    return line(claim, part, exceeds(mean, 0.0), mean, "points", numbers)


def _ppv(run: Benchmark, mode: str, fpr: float, prior: float) -> Estimate | None:
    """In percent; ``None`` where it or its error is not known, but for one without a false positive, which has none."""
    found = run.rate("online", mode, fpr, "ppv", prior)
    if found is None:
        return None
    ppv = Estimate(100.0, 0.0) if mode == "target" and found["mean"] >= 100 else estimate(found)
    return None if np.isnan(ppv.error) else ppv


def _fall_as_tables(claim: str, runs: Sequence[Benchmark], prior: float, margins: Mapping) -> Iterator[dict]:
    """Size against the paper's tables, whose target thresholds have a PPV of 100 %, over the runs that both have."""
    rows, part = published("calibrated").rows, "size, the tables'"
    if (column := f"ppv_{100 * prior:g}pct_mean") not in rows:
        return
    stated = rows[rows["attack"] == "online"].set_index(["dataset", "regime"])[column]
    found = {run: _ppv(run, "shadow", PUBLISHED_FPR, prior) for run in runs if _place(run) in stated.index}
    both = {run: ppv for run, ppv in found.items() if ppv}
    if not both:
        yield line(claim, part, UNKNOWN, None, "ppv", f"no run of the paper's tables at {percent(PUBLISHED_FPR)} FPR")
        return
    shadow = _mean(list(both.values()))
    theirs = float(100 - np.mean([stated[_place(run)] for run in both]))
    numbers = f"{100 - shadow.value:.1f} points below 100 %, mean of the {len(both)} runs that the tables have"
    yield size(claim, part, Estimate(100.0, 0.0) - shadow, theirs, margins, "ppv", numbers)


def _place(run: Benchmark) -> tuple[str, str]:
    return run.key["dataset"], run.key["regime"]


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
    """Suspicion: one broken target makes the mean FPR′ of a regime.

    A cell can tell if chance would not give one target that many of its false positives, or ``DOMINATES`` of them.
    """
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
    telling = [one for one in found if by_chance(one[2]) * len(found) < CHANCE]
    if not telling:
        few = f"too few false positives in each of {len(found)} runs and attacks: chance may give one target half"
        yield line(claim, "direction", UNKNOWN, None, "share", few)
        return
    share, attack, rate, run = max(telling, key=lambda one: one[0])
    place = f"{'/'.join(run.key[name] for name in ('dataset', 'architecture', 'regime'))}, {attack}"
    numbers = f"largest share of {len(telling)} of {len(found)} runs and attacks with enough false positives: "
    numbers += f"target {rate['influence_target']:.0f} of {place}, mean FPR′ "
    numbers += f"{rate['mean']:.3f} %, without it {rate['mean'] - rate['influence']:.3f} %, median "
    numbers += f"{rate['median']:.3f} %, at {percent(run.fprs[0])} FPR; holds from a share of {DOMINATES:g}"
    yield line(claim, "direction", HOLDS if share > DOMINATES else FAILS, Estimate(share, np.nan), "share", numbers)


def by_chance(rate: Mapping) -> float:
    """Bound on the probability that any target has the largest count, or ``DOMINATES`` of all if that is more.

    Args:
        rate: FPR′ over targets, a row of ``summary.csv`` in percent.

    Returns:
        Binomial tail for false positives that fall on targets alike, times the number of targets.
    """
    from scipy.stats import binom

    targets, negatives = rate["targets"], rate["expected_fp"] / rate["fpr"]
    total = round(targets * rate["mean"] / 100 * negatives)
    largest = round((rate["mean"] + (targets - 1) * rate["influence"]) / 100 * negatives)
    return float(targets * binom.sf(max(largest, np.ceil(DOMINATES * total)) - 1, total, 1 / targets))
