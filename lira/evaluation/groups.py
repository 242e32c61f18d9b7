"""Rates of groups of samples, by class or by the dataset's own groups, and whether they differ by more than chance.

Counts are those of every target at its shadow threshold. A sample is attacked once per target and a target once per
sample, so the variance of a rate is that of two-way clusters (Cameron, Gelbach and Miller 2011), and its interval is
the exact binomial one at the number of independent trials that has this variance (Korn and Graubard 1998), never more
than there are. A group with no hit, or with nothing but hits, has the design effect of the whole pool.

Whether groups differ is tested by giving the samples' groups to each other at random, which leaves every sample its own
detections. A group's p-value is that of a difference as large in any group (Westfall and Young 1993), in spreads that
permutation gives.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from lira.core.errors import DataError
from lira.core.validation import ArrayLike, check_scores
from lira.evaluation.bootstrap import clopper_pearson
from lira.evaluation.calibration import positive_predictive_value, thresholds_of
from lira.evaluation.roc import flagged
from lira.storage.csv_files import COLUMNS, read_csv, with_run, write_csv
from lira.storage.run import Run, read_asked, run_of

PERMUTATIONS = 999
METRICS = ("tpr", "fpr_achieved", "exposed")
WHOLE = ""
"""Name of the whole pool among groups; its p-value is that of any difference between groups."""


def rates_of_groups(
    scores: Annotated[ArrayLike, "target sample"],
    member: Annotated[ArrayLike, "target sample"],
    thresholds: Annotated[ArrayLike, "target"],
    groups: Annotated[ArrayLike, "sample"],
    priors: Sequence[float],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """Computes the rates of each group of samples, and of all together.

    Args:
        scores: One attack's scores; a NaN flags nothing.
        member: True where the sample trained the target.
        thresholds: Of each target; infinite where it flags nothing.
        groups: Name of each sample's group.
        priors: Shares of members among the attacked samples.
        permutations: Number of permutations of the groups.
        seed: Seed of the permutations.

    Returns:
        ``group samples metric prior value low high p_value``: a row per group, and first one for all samples with the
        group ``""``, for each metric: ``tpr``, ``fpr_achieved``, ``exposed`` (share of the samples that are flagged
        rightly on a target and wrongly on none) and, for each prior, ``ppv_pooled``. Fractions with 95 % intervals;
        that of the PPV follows from the ends of those of both rates. NaN where there is nothing to count.

    Raises:
        DataError: Shapes do not match, or a group has no name for every sample.
    """
    scores, member = check_scores(scores, member)
    names = np.asarray(groups).astype(str)
    if names.shape != member.shape[1:]:
        raise DataError(f"groups {names.shape} must have a name for each of the {member.shape[1]} samples")
    verdicts = flagged(scores, thresholds)
    known, place = np.unique(names, return_inverse=True)
    of_samples, rng = _counts(verdicts, member), np.random.default_rng(seed)
    totals = _sum(of_samples, place, len(known))
    permuted = [
        _sum(of_samples, rng.permutation(place), len(known)) for _ in range(permutations if len(known) > 1 else 0)
    ]
    with_all = np.concatenate([totals.sum(axis=2, keepdims=True), totals], axis=2)
    effects = [design_effects(verdicts & side, side, place, len(known)) for side in (member, ~member)]
    ends = dict(zip(METRICS, _intervals(with_all, [*effects, np.ones(len(known) + 1)]), strict=True))
    frames = []
    for metric, prior in [*((name, np.nan) for name in METRICS), *(("ppv_pooled", prior) for prior in priors)]:
        low, high = ends[metric] if metric in ends else _precision_ends(ends, prior)
        chance = _rate(metric, prior, np.array(permuted)) if permuted else np.empty((0, len(known)))
        values = _rate(metric, prior, with_all)
        rows = pd.DataFrame({"group": [WHOLE, *known], "samples": [len(names), *np.bincount(place)]})
        found = {"value": values, "low": low, "high": high, "p_value": largest_differences(values[1:], chance)}
        frames.append(rows.assign(metric=metric, prior=prior, **found))
    return pd.concat(frames, ignore_index=True)


def _counts(
    verdicts: Bool[np.ndarray, "target sample"], member: Bool[np.ndarray, "target sample"]
) -> Float[np.ndarray, "metric 2 sample"]:
    """Returns hits and trials of each sample, by metric: tp of members, fp of non-members, and exposed of one."""
    tp, fp, inside = (verdicts & member).sum(axis=0), (verdicts & ~member).sum(axis=0), member.sum(axis=0)
    outside, exposed = len(member) - inside, (tp > 0) & (fp == 0)
    return np.array([[tp, inside], [fp, outside], [exposed, np.ones(len(tp))]], dtype=np.float64)


def _sum(counts: np.ndarray, place: np.ndarray, groups: int) -> Float[np.ndarray, "metric 2 group"]:
    flat = [np.bincount(place, weights=row, minlength=groups) for row in counts.reshape(-1, counts.shape[-1])]
    return np.reshape(flat, (*counts.shape[:2], groups))


def _rate(
    metric: str, prior: float, totals: Float[np.ndarray, "*draw metric 2 group"]
) -> Float[np.ndarray, "*draw group"]:
    """Returns a metric of each group; NaN without a trial."""
    if metric == "ppv_pooled":
        tpr, fpr = (_rate(name, prior, totals) for name in METRICS[:2])
        return positive_predictive_value(tpr, fpr, prior)
    hits, trials = np.moveaxis(totals[..., METRICS.index(metric), :, :], -2, 0)
    return np.divide(hits, trials, out=np.full(hits.shape, np.nan), where=trials > 0)


def _intervals(totals: np.ndarray, effects: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields both ends of each metric's interval, with the number of trials divided by the design effect."""
    for (hits, trials), effect in zip(totals, effects, strict=True):
        low, high = clopper_pearson(hits / effect, trials / effect)
        yield np.where(trials > 0, low, np.nan), np.where(trials > 0, high, np.nan)


def _precision_ends(ends: Mapping[str, tuple[np.ndarray, np.ndarray]], prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ends of a PPV: few hits and many false alarms, or the other way round."""
    (few, many), (least, most) = (ends[name] for name in METRICS[:2])
    return positive_predictive_value(few, most, prior), positive_predictive_value(many, least, prior)


def design_effects(
    hits: Bool[np.ndarray, "target sample"], trials: Bool[np.ndarray, "target sample"], place: np.ndarray, groups: int
) -> Float[np.ndarray, " group"]:
    """Returns the variance of the rate of all samples, then of each group, over that of independent trials; at least 1.

    Args:
        hits: True where a trial is a hit.
        trials: True where there is a trial.
        place: Group of each sample, from 0.
        groups: Number of groups.
    """
    effects = np.ones(groups + 1)
    for row in range(groups + 1):
        chosen = slice(None) if row == 0 else place == row - 1
        of, there = hits[:, chosen], trials[:, chosen]
        rate, number = of.sum() / max(there.sum(), 1), there.sum()
        if not 0 < of.sum() < number:
            effects[row] = effects[0]
            continue
        by_target, by_sample = (of.sum(axis=axis) - rate * there.sum(axis=axis) for axis in (1, 0))
        alone = number * rate * (1 - rate)
        effects[row] = max(1.0, (np.square(by_target).sum() + np.square(by_sample).sum() - alone) / alone)
    return effects


def largest_differences(
    values: Float[np.ndarray, " group"], chance: Float[np.ndarray, "permutation group"]
) -> Float[np.ndarray, " row"]:
    """Returns the p-value of any difference, then of each group's: its share of permutations with one as large."""
    p_values = np.full(1 + len(values), np.nan)
    some = ~np.isnan(values) & ~np.isnan(chance).any(axis=0) if len(chance) else np.zeros(len(values), dtype=bool)
    spread = chance.std(axis=0) if len(chance) else np.zeros(len(values))
    some &= spread > 0
    if some.any():
        centre = chance[:, some].mean(axis=0)
        ours = np.abs(values[some] - centre) / spread[some]
        theirs = (np.abs(chance[:, some] - centre) / spread[some]).max(axis=1)
        as_large = (theirs[:, None] >= np.append(ours.max(), ours) * (1 - 1e-12)).sum(axis=0)
        p_values[np.append(True, some)] = (1 + as_large) / (1 + len(chance))
    return p_values


def group_file(scores: Path | str, metrics: Path | str, output: Path | str) -> None:
    """Writes ``groups.csv`` of a run: :func:`rates_of_groups` by class and by group, as far as the run knows them.

    Args:
        scores: The run's ``scores.h5``, beside its ``shadows.h5`` and ``samples.csv``, which says of which attacks.
        metrics: The run's ``metrics.csv``.
        output: The file to write: ``attack fpr by`` before the rows; ``by`` is ``class`` or ``group``.

    Raises:
        StoreError: A file is missing, damaged, of another kind or of another run.
    """
    run, frames = Run(Path(scores).parent), []
    with read_asked(scores, "scores") as file:
        of_run, source = run_of(file)
        rates = read_csv(metrics, "metrics", of_run, source)
        member, priors = file["member"][:], sorted(rates["prior"].unique())
        for attack in run.attacks:
            values = file[attack][:]
            for fpr in run.fprs:
                for by, groups in groups_of(run).items():
                    found = rates_of_groups(values, member, thresholds_of(rates, attack, fpr), groups, priors)
                    frames.append(found.assign(attack=attack, fpr=fpr, by=by))
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    write_csv(output, with_run(frame.reindex(columns=COLUMNS["groups"]), of_run), source)


def groups_of(run: Run) -> dict[str, np.ndarray]:
    """Returns the class of each sample, by name where it has one, and its group, as far as they are known."""
    found, about = {}, run.about
    if "class_name" in about:
        found["class"] = about["class_name"].to_numpy()
    elif run.labels is not None:
        found["class"] = run.labels
    return found | ({"group": about["group"].to_numpy()} if "group" in about else {})
