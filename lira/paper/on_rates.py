"""Tests the paper's claims on rates over targets, on the study's own results.

The cells of one run share its targets: the error of a mean over cells is the mean of their errors, as if they moved
together.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lira.evaluation.estimates import Estimate, log_ratio, mean_of
from lira.evaluation.outliers import dominance
from lira.evaluation.rates import rates_at
from lira.evaluation.reductions import Reduction, find_reductions
from lira.paper.comparison import published_rate, why_unlike
from lira.paper.equivalence import FAILS, HOLDS, Claim, exceeds
from lira.paper.on_sets import FPR as PUBLISHED_FPR
from lira.paper.published import published
from lira.paper.results import Benchmark, Results, estimate
from lira.report.labels import percent

LIRA = ("online", "online_fixed", "offline", "offline_fixed")
REDUCTIONS = {"aof": ("AOF", 6.2, "2.4–18"), "tl": ("TL", 28.0, "up to 191")}
"""Name of each regime, with the mean reduction and its range in the paper's text."""

FPRS = {1e-5: "1e-5", 1e-3: "1e-3"}
"""FPRs of the paper's tables, as their columns name them."""

REALISTIC = 0.1
"""Largest prior of the claim on PPV."""

DOMINATES = 0.5
"""Smallest share of a mean from which a single target is said to make it."""

CHANCE = 0.05
"""Largest probability, over all targets and cells, that a target has so many of the false positives by chance."""

NONE_FALSE = Estimate(100.0, 0.0)
"""PPV without a false positive, in percent."""


def kept(things: Sequence[tuple[Any, str]], noun: str) -> tuple[list, str]:
    """Returns the things without a reason to leave them out, and a text that counts the others by reason."""
    reasons = Counter(reason for _, reason in things if reason)
    said = ", ".join(f"{count} {noun} ({reason})" for reason, count in reasons.items())
    return [thing for thing, reason in things if not reason], f"; left out: {said}" if said else ""


def judge_reductions(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Tests that AOF and TL cut the TPR, over four LiRA attacks and all FPRs of every benchmark."""
    data = pd.DataFrame(row | {"run": run} for run in results.benchmarks() for row in rates_at(run))
    found = [one for one in find_reductions(data) if one and one.row["attack"] in LIRA]
    for regime, (name, stated, spread) in REDUCTIONS.items():
        claim = Claim(f"{name} cuts the TPR", margins)
        known, left = kept([(one, why_no_reduction(one)) for one in found if one.row["regime"] == regime], "cells")
        if not known:
            yield claim.untold("direction", f"no cell with a baseline{left}")
            continue
        logarithms, reductions = [one.logarithm for one in known], [one.logarithm.exp() for one in known]
        centre, mean, ratios = mean_of(logarithms), mean_of(reductions), [one.value for one in reductions]
        cells = f"{sum(ratio > 1 for ratio in ratios)} of {len(ratios)} cells above 1, "
        cells += f"{min(ratios):.2g}–{max(ratios):.2g}×{left}"
        ours, (low, high) = Estimate(centre.exp().value, np.nan), map(float, np.exp(centre.interval()))
        said = f"geometric mean {ours.value:.2f}×, {cells}"
        yield claim.line("direction", exceeds(centre, 0.0), ours, "reduction", said) | {"low": low, "high": high}
        said = f"mean {mean.value:.2f}×, {cells}; the text's range {spread}×"
        yield claim.size("size, the text's", mean, Estimate(stated, 0.0), "reduction", said)
        yield _as_tables(claim, known)


def why_no_reduction(cell: Reduction) -> str:
    """Returns why a cell has no reduction; empty if it has one."""
    if cell.against["tpr_mean"] == 0:
        return "TPR of 0 of the baseline"
    if cell.row["tpr_mean"] == 0:
        name, *_ = REDUCTIONS[cell.row["regime"]]
        return f"TPR of 0 after {name}, so that the reduction is understated"
    return "no known error" if np.isnan(cell.logarithm.error) else ""


def _as_tables(claim: Claim, cells: Sequence[Reduction]) -> dict:
    """Tests the size of the paper's tables, over the cells that they have too and that are comparable."""
    names = ["dataset", "regime", "attack"]
    part, rows = "size, the tables'", published("optimistic").rows.set_index(names)

    def place(row: Mapping) -> tuple:
        return tuple(row[name] for name in names)

    def why_not(cell: Reduction) -> str:
        if place(cell.row) not in rows.index or cell.row["fpr"] not in FPRS:
            return "not in the tables"
        return why_unlike(cell.row["run"], cell.row) or why_unlike(cell.against["run"], cell.against)

    def stated(cell: Reduction) -> Estimate:
        """Returns the reduction in the paper's tables; its error follows from their standard deviations."""
        fpr, tprs = FPRS[cell.row["fpr"]], []
        for row in cell:
            found = row["run"].rates.find(row["attack"], "target", row["fpr"], "tpr")
            tprs.append(published_rate(rows.loc[place(row)], f"tpr_at_fpr_{fpr}", found))
        reduction = rows.loc[place(cell.row), f"reduction_at_fpr_{fpr}"]
        return Estimate(reduction, reduction * log_ratio(*tprs).error)

    both, left = kept([(one, why_not(one)) for one in cells], "cells")
    if not both:
        return claim.untold(part, f"no cell as in the paper's tables{left}")
    mean, theirs = mean_of([one.logarithm.exp() for one in both]), [stated(one) for one in both]
    least, most = (end(one.value for one in theirs) for end in (min, max))
    said = f"mean {mean.value:.2f}× over {len(both)} cells of the tables, their range there {least:g}–{most:g}×{left}"
    return claim.size(part, mean, mean_of(theirs), "reduction", said)


def judge_precision(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Tests that shadow thresholds cut the PPV of the online attack, against target thresholds at one prior and FPR.

    The direction rests on the pooled PPV, of all targets' counts together: the paper's mean over targets counts each
    target with a hit and without a false positive as 100 %, which chance gives too. Without any false positive the PPV
    at target thresholds is 100 % whatever the model: such runs cannot tell the direction. The size is the fall from
    100 % as the paper's tables have it, of their means over targets, over the runs that they have.
    """
    runs = results.benchmarks()
    for prior in sorted({prior for run in runs for prior in run.rates.priors if prior <= REALISTIC}):
        claim = Claim(f"Shadow thresholds at π = {percent(prior)} cut the PPV", margins)
        for fpr in sorted({fpr for run in runs for fpr in run.rates.fprs}):
            yield _fall_at(claim, runs, fpr, prior)
        yield from _fall_as_tables(claim, runs, prior)


def _fall_at(claim: Claim, runs: Sequence[Benchmark], fpr: float, prior: float) -> dict:
    """Tests the direction: the fall of the PPV from target to shadow thresholds at one FPR, in percentage points."""
    part = f"direction, {percent(fpr)} FPR"
    pairs = [[_ppv(run, mode, fpr, prior) for mode in ("target", "shadow")] for run in runs]
    known = [(target, shadow) for target, shadow in pairs if target and shadow]
    if not known:
        return claim.untold(part, "no run with both PPVs")
    falls = [target - shadow for target, shadow in known if target.value < 100]
    floor = f"{len(known) - len(falls)} of {len(known)} runs cannot tell: no false positive at target thresholds"
    if not falls:
        return claim.untold(part, floor)
    mean, lower = mean_of(falls), sum(fall.value > 0 for fall in falls)
    said = f"{abs(mean.value):.1f} points {'lower' if mean.value > 0 else 'higher'} than with target thresholds, "
    said += f"mean of {len(falls)} runs, lower in {lower}; online, PPV of all targets' counts together; {floor}"
    return claim.line(part, exceeds(mean, 0.0), mean, "points", said)


def _ppv(run: Benchmark, mode: str, fpr: float, prior: float) -> Estimate | None:
    """Returns the pooled PPV in percent, ``None`` where it or its error is not known."""
    found = run.rates.find("online", mode, fpr, "ppv_pooled", prior)
    if found is None:
        return None
    ppv = NONE_FALSE if mode == "target" and found["mean"] >= 100 else estimate(found)
    return None if np.isnan(ppv.error) else ppv


def _fall_as_tables(claim: Claim, runs: Sequence[Benchmark], prior: float) -> Iterator[dict]:
    """Tests the size of the paper's tables, whose target thresholds have a PPV of 100 %, over the runs of both."""
    rows, part, column = published("calibrated").rows, "size, the tables'", f"ppv_{100 * prior:g}pct"
    if f"{column}_mean" not in rows:
        return
    stated = rows[rows["attack"] == "online"].set_index(["dataset", "regime"])

    def why_not(run: Benchmark, rate: Mapping | None) -> str:
        if run.place not in stated.index:
            return "not in the tables"
        if rate is None or np.isnan(rate["standard_error"]):
            return "no PPV with a known error"
        return why_unlike(run, rate)

    found = [(run, run.rates.find("online", "shadow", PUBLISHED_FPR, "ppv", prior)) for run in runs]
    both, left = kept([(one, why_not(*one)) for one in found], "runs")
    if not both:
        yield claim.untold(part, f"no run as in the paper's tables at {percent(PUBLISHED_FPR)} FPR{left}")
        return
    shadow = mean_of([estimate(rate) for _, rate in both])
    theirs = mean_of([published_rate(stated.loc[run.place], column, rate) for run, rate in both])
    said = f"{100 - shadow.value:.1f} points below 100 %, mean of {len(both)} runs of the tables, of means over targets"
    if pooled := [one for run, _ in both if (one := _ppv(run, "shadow", PUBLISHED_FPR, prior))]:
        said += f" as published; of all targets' counts together {100 - mean_of(pooled).value:.1f} points"
    said += left
    yield claim.size(part, NONE_FALSE - shadow, NONE_FALSE - theirs, "ppv", said)


def judge_single_target(results: Results) -> dict:
    """Tests the suspicion that one broken target makes the mean FPR′ of a regime.

    A cell can tell if chance would not give one target that many of its false positives, or ``DOMINATES`` of them.
    """
    claim, part, found = Claim("A single target makes a mean FPR′", {}), "direction", []
    for run in results.benchmarks():
        rates = (run.rates.find(attack, "shadow", run.rates.fprs[0], "fpr_achieved") for attack in LIRA)
        found += [(one, run) for rate in rates if rate and (one := dominance(rate))]
    if not found:
        return claim.untold(part, "no false positives at shadow thresholds")
    telling = [(one, run) for one, run in found if one.chance(DOMINATES) * len(found) < CHANCE]
    if not telling:
        few = f"too few false positives in each of {len(found)} runs and attacks: chance may give one target half"
        return claim.untold(part, few)
    (share, rate), run = max(telling, key=lambda one: one[0].share)
    said = (
        f"largest share of {len(telling)} of {len(found)} runs and attacks with enough false positives: target "
        f"{rate['influence_target']:.0f} of {'/'.join(run.names.values())}, {rate['attack']}, mean FPR′ "
        f"{rate['mean']:.3f} %, without it {rate['mean'] - rate['influence']:.3f} %, median {rate['median']:.3f} %, at "
        f"{percent(rate['fpr'])} FPR; holds from a share of {DOMINATES:g}"
    )
    return claim.line(part, HOLDS if share > DOMINATES else FAILS, Estimate(share, np.nan), "share", said)
