"""The claim that a regime protects, judged by the best attack: the paper's is about LiRA.

Where LiRA loses more than the best attack, part of its loss is the attack's and not the model's gain. The best attack
of each target is chosen on the other targets (:mod:`lira.evaluation.best`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lira.evaluation.best import BEST
from lira.evaluation.estimates import Estimate, mean_of
from lira.evaluation.rates import rates_at
from lira.evaluation.reductions import Reduction, find_reductions
from lira.paper.equivalence import Claim, exceeds
from lira.paper.on_rates import REALISTIC, REDUCTIONS, kept, why_no_reduction
from lira.paper.results import Benchmark, Results, estimate
from lira.report.labels import percent

LIRA = "online"
PLACES = {"target": "own thresholds", "shadow": "shadow thresholds"}


def judge_protection(results: Results) -> Iterator[dict]:
    """Tests that AOF and TL cut what the best attack finds, by as much as what LiRA finds, and what its flags mean."""
    runs = results.benchmarks()
    found = {mode: _reductions(runs, mode) for mode in PLACES}
    for regime, (name, *_) in REDUCTIONS.items():
        claim = Claim(f"{name} protects against the best attack", {})
        for mode, place in PLACES.items():
            of_regime = [one for one in found[mode] if one.row["regime"] == regime]
            yield from _judge_cut(claim, of_regime, place)
        of_regime = [one for one in found["shadow"] if one.row["regime"] == regime and one.row["attack"] == BEST]
        for prior in sorted({prior for run in runs for prior in run.rates.priors if prior <= REALISTIC}):
            yield _judge_precision(claim, of_regime, prior)


def _reductions(runs: Sequence[Benchmark], mode: str) -> list[Reduction]:
    rows = [row | {"run": run} for run in runs for row in rates_at(run, mode) if row["attack"] in (LIRA, BEST)]
    return [one for one in find_reductions(pd.DataFrame(rows)) if one] if rows else []


def _judge_cut(claim: Claim, cells: Sequence[Reduction], place: str) -> Iterator[dict]:
    """Tests the reduction by the best attack, and by how much it is less than LiRA's, in the same cells."""
    by_place: dict[tuple, dict[str, Reduction]] = {}
    for one in cells:
        key = tuple(str(one.row[name]) for name in ("dataset", "architecture", "fpr"))
        by_place.setdefault(key, {})[one.row["attack"]] = one
    best, left = kept([(of[BEST], why_no_reduction(of[BEST])) for of in by_place.values() if BEST in of], "cells")
    part, compared = f"direction, {place}", f"as much as against LiRA, {place}"
    if not best:
        yield claim.untold(part, f"no cell with a baseline and several attacks{left}")
        yield claim.untold(compared, f"no cell with a baseline and several attacks{left}")
        return
    yield _line(claim, part, mean_of([one.logarithm for one in best]), f"over {len(best)} cells{left}")
    both = [of for of in by_place.values() if {LIRA, BEST} <= {*of} and not any(map(why_no_reduction, of.values()))]
    if not both:
        yield claim.untold(compared, f"no cell with a reduction by LiRA and by the best attack{left}")
        return
    lira, ours = (mean_of([of[name].logarithm for of in both]) for name in (LIRA, BEST))
    factors = f"geometric means {np.exp(ours.value):.2f}× by the best attack, {np.exp(lira.value):.2f}× by LiRA, online"
    yield _line(claim, compared, ours - lira, f"{factors}, over {len(both)} cells; below 1, LiRA overstates it")


def _line(claim: Claim, part: str, logarithm: Estimate, said: str) -> dict:
    centre, (low, high) = Estimate(float(np.exp(logarithm.value)), np.nan), map(float, np.exp(logarithm.interval()))
    line = claim.line(part, exceeds(logarithm, 0.0), centre, "reduction", f"{centre.value:.2f}×, {said}")
    return line | {"low": low, "high": high}


def _judge_precision(claim: Claim, cells: Sequence[Reduction], prior: float) -> dict:
    """Tests that a flag of the best attack means less than without the regime: the fall of the pooled PPV in points."""
    part = f"PPV at π = {percent(prior)}"
    pairs = [[_pooled(row, prior) for row in one] for one in cells]
    falls = [before - after for before, after in pairs if before and after]
    if not falls:
        return claim.untold(part, "no cell with a baseline and several attacks of which the PPV has a known error")
    mean = mean_of(falls)
    said = f"{abs(mean.value):.1f} points {'lower' if mean.value > 0 else 'higher'} than of the baseline, mean of "
    return claim.line(part, exceeds(mean, 0.0), mean, "points", f"{said}{len(falls)} cells; of all targets' counts")


def _pooled(row: Mapping[str, Any], prior: float) -> Estimate | None:
    find: Callable = row["run"].rates.find
    rate = find(BEST, "shadow", row["fpr"], "ppv_pooled", prior)
    return None if rate is None or np.isnan(rate["standard_error"]) else estimate(rate)
