"""What one threshold for all records hides: the FPR of each record, and rates at a threshold of its own.

At a pooled threshold, records whose scores vary much without membership are flagged by many models that do not hold
them, others by none (cf. arXiv 2605.25819). From the scores of the other targets that do not hold a record, each score
gets a p-value of its own, and is flagged where that is at most the FPR:

======  ==============================================================================================================
rank    (1 + number of other OUT scores that reach it) / (n + 1): exact, but resolves no FPR below 1 / (n + 1)
smooth  upper tail of Student's t about their mean, with variances that borrow from all records, as
        ``offline_moderated`` has it of φ: resolves any FPR, as far as OUT scores are like a normal distribution
======  ==============================================================================================================
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lira.attacks.block import LARGEST, Reader
from lira.attacks.budget import in_pairs
from lira.attacks.definition import UNCUT
from lira.attacks.moderated import OFFLINE_MODERATED
from lira.attacks.streaming import score_each
from lira.core.validation import ArrayLike, check_choice, check_scores
from lira.evaluation.bootstrap import Draws, Rates, bootstrap_interval, resample_rates
from lira.evaluation.calibration import place_of, thresholds_of
from lira.evaluation.roc import flagged
from lira.storage.csv_files import COLUMNS, read_csv, with_run, write_csv
from lira.storage.run import counted_attacks, read_asked, run_of

Kind = Literal["pooled", "rank", "smooth"]
KINDS = ("pooled", "rank", "smooth")
FACTORS = (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Multiples of the nominal FPR above which records are counted."""

QUANTILES = (0.5, 0.9, 0.99, 1)
"""Shares of the records; the chance of the last is the median of the highest FPR of as many."""
ROUNDING = 1e-9
RECORD_DRAWS = 200


def record_p_values(
    scores: Annotated[ArrayLike, "target sample"], member: Annotated[ArrayLike, "target sample"], kind: Kind = "smooth"
) -> Float[np.ndarray, "target sample"]:
    """Returns the p-value of each score among the scores of the same record on the other targets that do not hold it.

    Args:
        scores: One attack's scores, a row per target; NaN scores have no p-value and count for no other.
        member: True where the sample trained the target.
        kind: ``"rank"`` or ``"smooth"``, see the module.

    Returns:
        One per score; NaN where no other target without the record has a score.

    Raises:
        DataError: The shapes do not match, or membership is neither 0 nor 1.
        ConfigError: The kind is unknown.
    """
    check_choice(kind, "kind", KINDS[1:])
    scores, member = check_scores(scores, member)
    scores = np.clip(scores.astype(np.float64), -LARGEST / 2, LARGEST / 2)
    return _ranked(scores, member) if kind == "rank" else _smooth(scores, member)


def _ranked(scores: np.ndarray, member: np.ndarray) -> np.ndarray:
    out = ~member & ~np.isnan(scores)
    found = np.full(scores.shape, np.nan)
    for sample in range(scores.shape[1]):
        others = np.sort(scores[out[:, sample], sample])
        count = others.size - out[:, sample]  # without the score itself, which always reaches itself
        reached = others.size - np.searchsorted(others, scores[:, sample], side="left") - out[:, sample]
        found[:, sample] = np.where(count > 0, (1 + reached) / (count + 1), np.nan)
    found[np.isnan(scores)] = np.nan
    return found


def _smooth(scores: np.ndarray, member: np.ndarray) -> np.ndarray:
    missing, surprise = np.isnan(scores), np.empty(scores.shape)
    reader = Reader(np.nan_to_num(scores)[..., None])
    score_each(reader, member | missing, {"smooth": OFFLINE_MODERATED}, {"smooth": surprise}, UNCUT)
    return np.where(missing, np.nan, np.exp(-surprise))


def calibrate_by_record(
    scores: Annotated[ArrayLike, "target sample"],
    member: Annotated[ArrayLike, "target sample"],
    thresholds: dict[float, Float[np.ndarray, " target"]],
) -> pd.DataFrame:
    """Compares the pooled threshold with thresholds for each record.

    Args:
        scores: One attack's scores, none NaN.
        member: True where the sample trained the target.
        thresholds: Pooled ones by nominal FPR, one per target; an infinite one flags nothing.

    Returns:
        ``fpr kind metric at value low high chance``, a row per nominal FPR, :data:`KINDS` and metric:

        ``tpr``: mean over targets; its chance is the FPR achieved, as scores that say nothing flag both alike.
        ``fpr``: achieved, mean over targets; its chance is the nominal one.
        ``finest``: of ``rank``, the FPR below which some record cannot be flagged.
        ``dispersion``: variance of the records' FPRs over that of binomial counts of one rate.
        ``above``: share of the records whose FPR is above ``at`` times the nominal one.
        ``quantile``: FPR that the share ``at`` of the records does not exceed.

        Intervals (95 %) of the first two are those of :mod:`lira.evaluation.summary`, over targets and samples; of the
        last three over records, for the targets that there are. Their chance is that of binomial counts of the mean
        rate, with each record's own number of targets.

    Raises:
        DataError: Shapes do not match, a score is NaN, or as :func:`lira.evaluation.bootstrap.resample_rates`.
    """
    scores, member = check_scores(scores, member)
    draws, flags = Draws.of(member.shape[1], len(member), in_pairs=in_pairs(member)), {}
    _, again = resample_rates(scores, member, draws, list(thresholds), list(thresholds))
    p_values = {kind: record_p_values(scores, member, kind) for kind in ("rank", "smooth")}
    frames = []
    for fpr, threshold in thresholds.items():
        flags = {"pooled": flagged(scores, threshold)}
        flags |= {kind: values <= fpr * (1 + ROUNDING) for kind, values in p_values.items()}
        for kind, found in flags.items():
            resampled = again[fpr] if kind == "pooled" else _resample(found, member, draws)
            rows = [*_rates(found, member, resampled, draws, fpr), *_spread(found & ~member, ~member, fpr)]
            if kind == "rank":
                rows.append(("finest", np.nan, 1 / max(int((~member).sum(axis=0).min()), 1), np.nan, np.nan, np.nan))
            frames.append(pd.DataFrame(rows, columns=COLUMNS["record_calibration"][3:]).assign(fpr=fpr, kind=kind))
    return pd.concat(frames, ignore_index=True)[COLUMNS["record_calibration"][1:]]


def calibrate_records(scores: Path | str, metrics: Path | str, output: Path | str, attacks: Sequence[str] = ()) -> None:
    """Writes ``record_calibration.csv`` of a run: :func:`calibrate_by_record` at the shadow thresholds.

    Args:
        scores: ``scores.h5``.
        metrics: ``metrics.csv``, for the thresholds.
        output: The rows, with the run and the attack before them.
        attacks: As :func:`lira.evaluation.calibration.calibrate_file` takes them.

    Raises:
        StoreError: A file is missing, damaged, of another kind or of another run.
    """
    with read_asked(scores, "scores") as file:
        run, source = run_of(file)
        rates, member, frames = read_csv(metrics, "metrics", run, source), file["member"][:], []
        for attack in counted_attacks(sorted(file, key=place_of), attacks):
            thresholds = {float(fpr): thresholds_of(rates, attack, fpr) for fpr in rates["fpr"].unique()}
            frames.append(calibrate_by_record(file[attack][:], member, thresholds).assign(attack=attack))
    write_csv(output, with_run(pd.concat(frames, ignore_index=True)[COLUMNS["record_calibration"]], run), source)


Row = tuple[str, float, float, float, float, float]
"""Metric, what it is taken at, value, low, high, chance."""


def _rates(flags: np.ndarray, member: np.ndarray, resampled: Rates, draws: Draws, fpr: float) -> Iterator[Row]:
    held = (flags & member).sum(axis=1) / member.sum(axis=1), (flags & ~member).sum(axis=1) / (~member).sum(axis=1)
    chance = held[1].mean(), fpr
    for name, values, again, by_chance in zip(("tpr", "fpr"), held, resampled, chance, strict=True):
        mean = float(values.mean())
        low, high, _ = bootstrap_interval(mean, draws.mean(again), draws.variance(values, again))
        yield name, np.nan, mean, low, high, float(by_chance)


def _resample(flags: np.ndarray, member: np.ndarray, draws: Draws) -> Rates:
    """Draws the rates of fixed flags."""
    inside = member.astype(np.float32) @ draws.samples.astype(np.float32)  # whole numbers, exact below 2^24
    parts = []
    for side, drawn in ((member, inside), (~member, draws.samples.sum(axis=0, dtype=np.int64) - inside)):
        hits = np.stack([draws.samples[row].sum(axis=0, dtype=np.int64) for row in flags & side])
        with np.errstate(invalid="ignore"):
            parts.append(hits / drawn.astype(np.float64))
    return Rates(*parts)


def _spread(
    wrong: Bool[np.ndarray, "target sample"], asked: Bool[np.ndarray, "target sample"], fpr: float
) -> Iterator[Row]:
    hits, trials = wrong.sum(axis=0), asked.sum(axis=0)
    hits, trials = hits[trials > 0], trials[trials > 0]
    rate = hits.sum() / max(trials.sum(), 1)
    generator = np.random.default_rng(0)
    drawn = (generator.integers(hits.size, size=hits.size) for _ in range(RECORD_DRAWS if hits.size else 0))
    again = np.array([_measures(hits[of] / trials[of], hits[of], trials[of], fpr) for of in drawn])
    values = _measures(hits / trials, hits, trials, fpr)
    low, high = np.quantile(again, [0.025, 0.975], axis=0) if len(again) else np.full((2, len(values)), np.nan)
    names = [("dispersion", np.nan), *(("above", at) for at in FACTORS), *(("quantile", at) for at in QUANTILES)]
    for (name, at), *numbers in zip(names, values, low, high, _by_chance(trials, rate, fpr), strict=True):
        value, lower, upper, chance = map(float, numbers)
        yield name, float(at), value, lower, upper, chance


def _measures(rates: np.ndarray, hits: np.ndarray, trials: np.ndarray, fpr: float) -> Float[np.ndarray, " measure"]:
    if not rates.size:
        return np.full(1 + len(FACTORS) + len(QUANTILES), np.nan)
    mean = hits.sum() / trials.sum()
    with np.errstate(invalid="ignore"):
        dispersion = ((hits - trials * mean) ** 2).sum() / (trials.sum() * mean * (1 - mean))
    above = [(rates > at * fpr * (1 + ROUNDING)).mean() for at in FACTORS]
    return np.array([dispersion, *above, *np.quantile(rates, QUANTILES, method="inverted_cdf")])


def _by_chance(trials: Int[np.ndarray, " sample"], rate: float, fpr: float) -> list[float]:
    """Returns :func:`_measures` where every record is flagged at the same rate by each target."""
    from scipy.stats import binom

    if not trials.size:
        return [np.nan] * (1 + len(FACTORS) + len(QUANTILES))
    sizes, times = np.unique(trials, return_counts=True)
    rates = np.concatenate([np.arange(size + 1) / size for size in sizes])
    weights = np.concatenate([binom.pmf(np.arange(n + 1), n, rate) * k for n, k in zip(sizes, times, strict=True)])
    order = np.argsort(rates, kind="stable")
    upto = np.cumsum(weights[order]) / trials.size
    above = [float(weights[rates > at * fpr * (1 + ROUNDING)].sum() / trials.size) for at in FACTORS]
    reached = (rates[order][np.searchsorted(upto, at - ROUNDING).clip(max=upto.size - 1)] for at in QUANTILES[:-1])
    highest = upto**trials.size  # distribution of the highest of as many records
    return [1.0, *above, *reached, float(rates[order][np.searchsorted(highest, 0.5)])]
