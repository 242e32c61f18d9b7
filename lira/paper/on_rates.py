"""The paper's claims on rates over targets, each tested on the study's own results.

Cells of one run share its targets: the error of a mean over cells is the mean of their errors, as if they moved
together.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lira.evaluation.estimates import Estimate, log_ratio, mean_of, mean_ratio
from lira.evaluation.outliers import chance_of_largest
from lira.evaluation.rates import baseline_of, rates_at_own_thresholds
from lira.paper.comparison import margin_of, published_rate, unlike
from lira.paper.equivalence import FAILS, HOLDS, UNKNOWN, exceeds
from lira.paper.lines import line, size
from lira.paper.overlap import ENOUGH, FIT, FIT_FPR, carries, comparable_fit, own_fit, published_fit
from lira.paper.overlap import FPR as PUBLISHED_FPR
from lira.paper.published import published
from lira.paper.results import Benchmark, Results, estimate
from lira.report.labels import percent

LIRA = ("online", "online_fixed", "offline", "offline_fixed")
REDUCTIONS = {"aof": ("AOF", 6.2, "2.4–18"), "tl": ("TL", 28.0, "up to 191")}
"""Of each regime: its name, the paper's mean reduction and its range, in the text."""

FPRS = {1e-5: "1e-5", 1e-3: "1e-3"}
"""Of the paper's tables, as their columns name them."""

MODES = ("target", "shadow")
REALISTIC = 0.1
"""Largest prior of the claim on PPV."""

DOMINATES = 0.5
"""Share of a mean that a single target makes, from which the mean is said to rest on it."""

CHANCE = 0.05
"""Largest probability, over all targets and cells, that a target has so many of the false positives by chance."""


class Cell(NamedTuple):
    """A TPR of a regime's run and that of its baseline; rows of ``optimistic.rates`` and their runs."""

    against: Mapping
    cell: Mapping

    @property
    def place(self) -> tuple[str, str, float]:
        """Dataset, attack and FPR."""
        return self.cell["dataset"], self.cell["attack"], self.cell["fpr"]

    @property
    def ratio(self) -> Estimate:
        """Logarithm of the reduction; NaN where either TPR is 0."""
        return log_ratio(*(Estimate(of["tpr_mean"], of["tpr_standard_error"]) for of in self))

    def gap(self, name: str) -> str:
        """Why the regime of this name has no reduction here; empty if it has one."""
        if self.against["tpr_mean"] == 0:
            return "TPR of 0 of the baseline"
        if self.cell["tpr_mean"] == 0:
            return f"TPR of 0 after {name}, so that the reduction is understated"
        return "no known error" if np.isnan(self.ratio.error) else ""

    def unlike(self, tables: Mapping[tuple, float]) -> str:
        """Why it is not compared with the paper's tables; empty if it is."""
        if self.place not in tables:
            return "not in the tables"
        return next(filter(None, (unlike(of["run"], of) for of in (self.cell, self.against))), "")

    def published(self, tables: Mapping[tuple, float]) -> Estimate:
        """The reduction of the paper's tables, with the error that their ± give it."""
        rows = published("optimistic").rows.set_index(["dataset", "regime", "attack"])
        column, parts = f"tpr_at_fpr_{FPRS[self.cell['fpr']]}", []
        for of in self:
            ours = of["run"].rate(of["attack"], "target", of["fpr"], "tpr")
            parts.append(published_rate(rows.loc[of["dataset"], of["regime"], of["attack"]], column, ours))
        return Estimate(tables[self.place], tables[self.place] * log_ratio(*parts).error)


def reductions(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """AOF and TL cut the TPR: over four LiRA attacks and all FPRs of every benchmark."""
    rows = [cell | {"run": run} for run in results.benchmarks() for cell in rates_at_own_thresholds(run.run)]
    data = pd.DataFrame(rows) if rows else pd.DataFrame(columns=["regime", "attack"])
    for regime, (name, stated, spread) in REDUCTIONS.items():
        claim, found = f"{name} cuts the TPR", []
        for _, cell in data[(data["regime"] == regime) & data["attack"].isin(LIRA)].iterrows():
            against = baseline_of(cell, data)
            found += [] if against is None else [Cell(against, cell)]
        left = left_out(Counter(cell.gap(name) for cell in found), "cells")
        known = [cell for cell in found if not cell.gap(name)]
        if not known:
            yield line(claim, "direction", UNKNOWN, None, "reduction", f"no cell with a baseline{left}")
            continue
        ratios, centre = np.exp([cell.ratio.value for cell in known]), mean_of([cell.ratio for cell in known])
        cells = f"{(ratios > 1).sum()} of {len(ratios)} cells above 1, {ratios.min():.2g}–{ratios.max():.2g}×{left}"
        low, high = (float(end) for end in np.exp(centre.interval()))
        geometric = Estimate(float(np.exp(centre.value)), np.nan)
        said = f"geometric mean {geometric.value:.2f}×, {cells}"
        tested = line(claim, "direction", exceeds(centre, 0.0), geometric, "reduction", said)
        yield tested | {"low": low, "high": high}
        mean = mean_ratio([cell.ratio for cell in known])
        numbers = f"mean {mean.value:.2f}×, {cells}; the text's range {spread}×"
        yield size(claim, "size, the text's", mean, Estimate(stated, 0.0), margins, "reduction", numbers)
        yield _as_tables(claim, regime, known, margins)


def left_out(reasons: Mapping[str, int], things: str) -> str:
    """What to say of those that were left out, by why; empty if none was."""
    said = [f"{count} {things} ({reason})" for reason, count in reasons.items() if reason and count]
    return f"; left out: {', '.join(said)}" if said else ""


def _as_tables(claim: str, regime: str, cells: Sequence[Cell], margins: Mapping) -> dict:
    """Size against the paper's tables, over the cells that both have and that have a verdict there."""
    part, tables = "size, the tables'", of_tables(regime)
    left = left_out(Counter(cell.unlike(tables) for cell in cells), "cells")
    both = [cell for cell in cells if not cell.unlike(tables)]
    if not both:
        return line(claim, part, UNKNOWN, None, "reduction", f"no cell as in the paper's tables{left}")
    mean, theirs = mean_ratio([cell.ratio for cell in both]), [cell.published(tables) for cell in both]
    least, most = (end(one.value for one in theirs) for end in (min, max))
    numbers = (
        f"mean {mean.value:.2f}× over {len(both)} cells of the tables, their range there {least:g}–{most:g}×{left}"
    )
    return size(claim, part, mean, mean_of(theirs), margins, "reduction", numbers)


def of_tables(regime: str) -> dict[tuple[str, str, float], float]:
    """Reductions of the LiRA attacks in the paper's own Tables 3-6, by dataset, attack and FPR."""
    rows = published("optimistic").rows
    rows = rows[(rows["regime"] == regime) & rows["attack"].isin(LIRA)]
    return {
        (row["dataset"], row["attack"], fpr): row[f"reduction_at_fpr_{name}"]
        for row in rows.to_dict("records")
        for fpr, name in FPRS.items()
    }


def precision(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """Shadow thresholds cut the PPV at realistic priors, against target thresholds at the same prior and FPR; online.

    Without a false positive the PPV of target thresholds is 100 % whatever the model: such runs cannot tell the
    direction. The size is the fall from 100 %, over the runs that the paper's tables have.
    """
    runs = results.benchmarks()
    for prior in sorted({prior for run in runs for prior in run.rates.priors if prior <= REALISTIC}):
        claim = f"Shadow thresholds at π = {percent(prior)} cut the PPV"
        for fpr in sorted({fpr for run in runs for fpr in run.rates.fprs}):
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
    mean, lower = mean_of(falls), sum(fall.value > 0 for fall in falls)
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
    rows, part, column = published("calibrated").rows, "size, the tables'", f"ppv_{100 * prior:g}pct"
    if f"{column}_mean" not in rows:
        return
    stated = rows[rows["attack"] == "online"].set_index(["dataset", "regime"])
    found = {run: run.rate("online", "shadow", PUBLISHED_FPR, "ppv", prior) for run in runs}
    why = {run: _fall_unlike(run, rate, stated.index) for run, rate in found.items()}
    left = left_out(Counter(why.values()), "runs")
    both = {run: rate for run, rate in found.items() if not why[run]}
    if not both:
        none = f"no run as in the paper's tables at {percent(PUBLISHED_FPR)} FPR{left}"
        yield line(claim, part, UNKNOWN, None, "ppv", none)
        return
    none_false, shadow = Estimate(100.0, 0.0), mean_of([estimate(rate) for rate in both.values()])
    theirs = mean_of([published_rate(stated.loc[_place(run)], column, rate) for run, rate in both.items()])
    numbers = f"{100 - shadow.value:.1f} points below 100 %, mean of {len(both)} runs of the tables{left}"
    yield size(claim, part, none_false - shadow, none_false - theirs, margins, "ppv", numbers)


def _fall_unlike(run: Benchmark, rate: Mapping | None, places: Container[tuple]) -> str:
    """Why a run's PPV is not compared with the paper's tables; empty if it is."""
    if _place(run) not in places:
        return "not in the tables"
    if rate is None or np.isnan(rate["standard_error"]):
        return "no PPV with a known error"
    return unlike(run, rate)


def _place(run: Benchmark) -> tuple[str, str]:
    return run.key["dataset"], run.key["regime"]


def loss_ratio(results: Results, margins: Mapping[str, float]) -> Iterator[dict]:
    """The loss ratio predicts the TPR at 0.1 % FPR, or at the largest FPR of the study; its sizes are the fit's."""
    claim, fprs = "The loss ratio predicts the TPR", results.runs[0].rates.fprs
    fpr = FIT_FPR if FIT_FPR in fprs else fprs[-1]
    count, ours = own_fit(results, fpr)
    if count < ENOUGH:
        yield line(claim, "direction", UNKNOWN, None, "correlation", f"{count} runs are too few, it needs {ENOUGH}")
        return
    verdicts = {exceeds(ours[name], 0.0) for name in ("r", "ρ")}
    said = f"Pearson r {ours['r'].value:.2f} (log x), Spearman ρ {ours['ρ'].value:.2f}, "
    said += f"{count} runs at {percent(fpr)} FPR"
    yield line(claim, "direction", verdicts.pop() if len(verdicts) == 1 else UNKNOWN, ours["r"], "correlation", said)
    obstacles, count, ours = comparable_fit(results)
    if obstacles or not ours:
        few = obstacles or f"{count} runs at {percent(FIT_FPR)} FPR"
        yield line(claim, "size", UNKNOWN, None, "correlation", f"{few}: too few")
        return
    for name, theirs in published_fit().items():
        few = carries(theirs, margin_of(FIT[name], theirs.value, margins))
        said = f"{name} {ours[name].value:.2f}, {count} runs as the paper's{f'; {few}' if few else ''}"
        yield size(claim, f"size, {name}", ours[name], theirs, margins, FIT[name], said)


def single_target(results: Results) -> Iterator[dict]:
    """Suspicion: one broken target makes the mean FPR′ of a regime.

    A cell can tell if chance would not give one target that many of its false positives, or ``DOMINATES`` of them.
    """
    claim, found = "A single target makes a mean FPR′", []
    for run in results.benchmarks():
        for attack in LIRA:
            rate = run.rate(attack, "shadow", run.rates.fprs[0], "fpr_achieved")
            if rate and rate["mean"] > 0 and rate["influence"] > 0:
                named = f"{rate['influence_target']:.0f}" in rate["influential"].split()
                found.append((named * rate["influence"] / rate["mean"], attack, rate, run))
    if not found:
        yield line(claim, "direction", UNKNOWN, None, "share", "no false positives at shadow thresholds")
        return
    telling = [one for one in found if chance_of_largest(one[2], DOMINATES) * len(found) < CHANCE]
    if not telling:
        few = f"too few false positives in each of {len(found)} runs and attacks: chance may give one target half"
        yield line(claim, "direction", UNKNOWN, None, "share", few)
        return
    share, attack, rate, run = max(telling, key=lambda one: one[0])
    place = f"{'/'.join(run.key[name] for name in ('dataset', 'architecture', 'regime'))}, {attack}"
    numbers = f"largest share of {len(telling)} of {len(found)} runs and attacks with enough false positives: "
    numbers += f"target {rate['influence_target']:.0f} of {place}, mean FPR′ "
    numbers += f"{rate['mean']:.3f} %, without it {rate['mean'] - rate['influence']:.3f} %, median "
    numbers += f"{rate['median']:.3f} %, at {percent(run.rates.fprs[0])} FPR; holds from a share of {DOMINATES:g}"
    yield line(claim, "direction", HOLDS if share > DOMINATES else FAILS, Estimate(share, np.nan), "share", numbers)
