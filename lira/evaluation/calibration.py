"""Turns scores into rates at thresholds that an attacker could have chosen (paper, Tables 7–10 and 12).

``target`` mode takes each target's threshold from its own ROC (optimistic); ``shadow`` mode takes the median of the
other models' finite thresholds (realistic). The global attack has no shadow models, hence no shadow mode.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from lira.config.catalogue import ATTACKS, main_attack
from lira.core.errors import DataError, StoreError
from lira.core.threads import cores
from lira.core.validation import (
    OR_OFFICIAL,
    ArrayLike,
    Nonfinite,
    check_array,
    check_choice,
    check_fraction,
    check_fractions,
    check_scores,
    check_scores_by_attack,
)
from lira.evaluation.bootstrap import clopper_pearson, medians_of_others
from lira.evaluation.detections import count_detections
from lira.evaluation.roc import Ordered, flagged
from lira.storage.csv_files import COLUMNS, RATES, with_run, write_csv
from lira.storage.run import Run, counted_attacks, read_asked, run_of

FEW_FALSE_POSITIVES = 5


class Resolution(NamedTuple):
    """How many false positives stand behind a TPR at an FPR.

    Attributes:
        expected: number of false positives the FPR allows, alpha times the non-members.
        label: ``"TPR at 0 FP"`` below one false positive, ``"few FP"`` below five, else empty.
    """

    expected: float
    label: str


def resolution(fpr: float, negatives: float) -> Resolution:
    """Returns the number of false positives that ``fpr`` allows among ``negatives`` non-members, and its label.

    Raises:
        ConfigError: an FPR that is not a fraction.
    """
    check_fraction(fpr, "fpr", "a false positive rate")
    if negatives <= 0 or 1 / negatives > fpr:
        label = "TPR at 0 FP"
    else:
        label = "few FP" if FEW_FALSE_POSITIVES / negatives > fpr else ""
    return Resolution(fpr * negatives, label)


def shadow_thresholds(
    thresholds: Annotated[ArrayLike, "model"], centre: Literal["median", "mean"] = "median"
) -> Float[np.ndarray, " model"]:
    """Returns, per model, the median (or mean) of the *other* models' finite thresholds; inf where there is none."""
    check_choice(centre, "centre", ("median", "mean"))
    thresholds = check_array(thresholds, "thresholds", "models").astype(np.float64)
    if centre == "median":
        return medians_of_others(np.where(np.isfinite(thresholds), thresholds, np.inf)[:, np.newaxis])[:, 0]
    others = np.broadcast_to(thresholds, (thresholds.size, thresholds.size))[~np.eye(thresholds.size, dtype=bool)]
    others = others.reshape(thresholds.size, max(thresholds.size - 1, 0))
    finite = [row[np.isfinite(row)] for row in others]
    return np.array([row.mean() if row.size else np.inf for row in finite])


def positive_predictive_value(tpr, fpr, prior):
    """Returns the PPV at a prior: prior·TPR / (prior·TPR + (1 - prior)·FPR), NaN where nothing is flagged.

    Arrays broadcast.

    Raises:
        ConfigError: a value that is neither a fraction nor NaN.
        DataError: other values than numbers.
    """
    given = {"tpr": tpr, "fpr": fpr, "prior": prior}
    tpr, fpr, prior = (check_array(part, name).astype(np.float64) for name, part in given.items())
    for name, part in zip(given, (tpr, fpr, prior), strict=True):
        if (wrong := (part < 0) | (part > 1)).any():
            check_fraction(part[wrong][0], name)
    hits = prior * tpr
    flagged = hits + (1 - prior) * fpr
    return np.divide(hits, flagged, out=np.full(np.shape(flagged), np.nan), where=flagged != 0)[()]


def confusion(
    scores: Annotated[ArrayLike, "model sample"],
    member: Annotated[ArrayLike, "model sample"],
    thresholds: Annotated[ArrayLike, "model"],
) -> pd.DataFrame:
    """Counts each target's true and false verdicts at its threshold.

    A sample is flagged when its score reaches the threshold; a NaN score is not, an infinite threshold flags nothing.

    Returns:
        ``target threshold tp fp tn fn``, a row per target.

    Raises:
        DataError: shapes that do not match, or other values than numbers.
    """
    scores, member = check_scores(scores, member)
    verdicts = flagged(scores, thresholds)
    positives, inside = verdicts.sum(axis=1), member.sum(axis=1)
    tp = (verdicts & member).sum(axis=1)
    columns = {"target": np.arange(len(scores)), "threshold": thresholds, "tp": tp, "fp": positives - tp}
    return pd.DataFrame(columns | {"tn": member.shape[1] - inside - positives + tp, "fn": inside - tp})


def calibrate(
    scores: Mapping[str, Annotated[ArrayLike, "model sample"]],
    member: Annotated[ArrayLike, "model sample"],
    fprs: Sequence[float],
    priors: Sequence[float],
    *,
    centre: Literal["median", "mean"] = "median",
    nonfinite: Nonfinite = "error",
) -> pd.DataFrame:
    """Computes the rates of every target at its own and at its shadow models' thresholds.

    Args:
        scores: scores of each attack, a row per target.
        member: True where the sample trained the target.
        fprs: false positive rates to calibrate to, as fractions.
        priors: shares of members among the attacked samples, as fractions.
        centre: of the other models' thresholds, as in :func:`shadow_thresholds`.
        nonfinite: ``"error"`` or ``"official"``, see :mod:`lira.evaluation.roc`.

    Returns:
        A row per attack, FPR, mode, target and prior: ``attack mode fpr prior target threshold tp fp tn fn tpr
        fpr_achieved ppv auc``. Rates are fractions; threshold is inf where there is none (nothing is flagged), ppv NaN
        where nothing is flagged.

    Raises:
        DataError: no scores, shapes that do not match, NaN scores, one target alone, or a target without members or
            non-members.
        ConfigError: FPRs or priors that are not a list of fractions, each once.
    """
    check_fractions(fprs, "fpr", "a false positive rate")
    check_fractions(priors, "prior", "a share of members")
    member = check_scores_by_attack(scores, member)
    if not scores or not member.size:
        raise DataError(f"scores of {len(scores)} attacks and member {member.shape}: one or more of each are needed")
    frames = []
    for attack, values in scores.items():
        values, _ = check_scores(values, member, of=f" of {attack}")
        with ThreadPoolExecutor(cores()) as pool:
            targets = list(pool.map(partial(_order_target, attack, values, member, nonfinite), range(len(member))))
            auc = list(pool.map(partial(_auc, nonfinite=nonfinite), targets, values))
        if len(targets) < 2 and attack != "global":
            raise DataError(
                "scores are of one target, whose shadow threshold is the median of other targets' thresholds: give the "
                "scores of all models, as leave_one_out returns them, or use threshold_at_fpr for its own threshold"
            )
        for fpr in fprs:
            own = np.array([np.inf if ordered.one_class else ordered.threshold(fpr) for ordered in targets])
            for mode in ("target",) if attack == "global" else ("target", "shadow"):
                thresholds = own if mode == "target" else shadow_thresholds(own, centre)
                if nonfinite == "official":
                    counts = confusion(values, member, thresholds)
                else:
                    counts = _confusion_of_ordered(targets, thresholds)
                rates = _rates(counts, priors).assign(
                    attack=attack, mode=mode, fpr=fpr, auc=np.repeat(auc, len(priors))
                )
                frames.append(rates)
    return pd.concat(frames, ignore_index=True)[RATES]


def calibrate_file(
    scores: Path | str,
    fprs: Sequence[float],
    priors: Sequence[float],
    metrics: Path | str,
    samples: Path | str,
    attacks: Sequence[str] = (),
) -> None:
    """Writes the rates of a run and its per-sample counts: ``scores.h5`` to ``metrics.csv`` and ``samples.csv``.

    Args:
        scores: file of encoding ``scores``.
        fprs: as in :func:`calibrate`.
        priors: as in :func:`calibrate`.
        metrics: the rows of :func:`calibrate` after the run's dataset, architecture, regime and seed; at shadow
            thresholds with the exact 95 % interval of each target's rates, ``tpr_low tpr_high fpr_low fpr_high``; and
            ``expected_fp resolution``.
        samples: per attack and FPR the rows of :func:`count_detections` at shadow thresholds, with what
            ``shadows.h5`` beside the scores says of each sample (:meth:`lira.storage.run.Run.about`).
        attacks: those of ``samples``, named in its column ``attack``; ``online``, or else the first attack with shadow
            models, without that column, if none is given. Those that are not scored are left out.

    Raises:
        StoreError: ``scores`` is missing, damaged, of another kind, or without an attack with shadow models.
        DataError: as :func:`calibrate`.
    """
    with read_asked(scores, "scores") as file:
        run, source = run_of(file)
        member = file["member"][:]
        values = {attack: file[attack] for attack in sorted(file, key=place_of) if attack != "member"}
        if not main_attack(values):
            raise StoreError(
                f"{scores} has no scores of the online attack, nor of another with shadow models, which the counts per "
                "sample are of: score one"
            )
        if lone := np.flatnonzero(member.all(axis=1) | ~member.any(axis=1)).tolist():
            raise DataError(
                f"{scores}: model {lone[0]} holds all samples of the pool, or none, and so do {len(lone) - 1:,} more: "
                "no ROC has them as targets; attack the others alone (lira score-attacks --targets), or import those "
                "that hold none with never_held: true and audit a model by them (targets: in the study file)"
            )
        try:
            rates = calibrate(values, member, fprs, priors)  # which reads one attack at a time
        except DataError as error:
            raise DataError(f"{scores}: {error}") from error
        counts = [
            count_detections(values[name][:], member, thresholds_of(rates, name, fpr)).assign(attack=name, fpr=fpr)
            for name in counted_attacks(values, attacks)
            for fpr in fprs
        ]
    write_csv(metrics, with_run(with_resolution(with_intervals(rates)), run), source)
    found = pd.concat(counts)[[*(["attack"] if attacks else []), *COLUMNS["samples"]]]
    if (Path(scores).parent / "shadows.h5").is_file():
        found = found.join(Run(Path(scores).parent).about, on="sample")
    write_csv(samples, with_run(found, run), source)


def with_intervals(rates: pd.DataFrame) -> pd.DataFrame:
    """Adds the exact binomial intervals ``tpr_low tpr_high fpr_low fpr_high`` to rows of :func:`calibrate`.

    They are empty in target mode: there the threshold was chosen on the scores that the rates count.
    """
    shadow = (rates["mode"] == "shadow").to_numpy()
    for name, hits, misses in (("tpr", "tp", "fn"), ("fpr", "fp", "tn")):
        ends = clopper_pearson(rates[hits], rates[hits] + rates[misses])
        for end, bound in zip(("low", "high"), ends, strict=True):
            rates = rates.assign(**{f"{name}_{end}": np.where(shadow, bound, np.nan)})
    return rates


def with_resolution(rates: pd.DataFrame) -> pd.DataFrame:
    """Adds ``expected_fp resolution`` (see :func:`resolution`) to rows of :func:`calibrate`."""
    found = [resolution(row.fpr, row.fp + row.tn) for row in rates[["fpr", "fp", "tn"]].itertuples()]
    expected, label = zip(*found, strict=True) if found else ((), ())
    return rates.assign(expected_fp=expected, resolution=label)


def place_of(attack: str) -> int:
    """Returns the place of an attack in files and tables; those that the suite does not know come last."""
    return ATTACKS.index(attack) if attack in ATTACKS else len(ATTACKS)


def thresholds_of(rates: pd.DataFrame, attack: str, fpr: float) -> Float[np.ndarray, " target"]:
    """Returns the shadow thresholds of an attack at an FPR, from rows of :func:`calibrate`."""
    rows = rates[(rates["attack"] == attack) & (rates["mode"] == "shadow") & (rates["fpr"] == fpr)]
    return rows.drop_duplicates("target").sort_values("target")["threshold"].to_numpy()


def _order_target(attack: str, scores: np.ndarray, member: np.ndarray, nonfinite: Nonfinite, target: int) -> Ordered:
    name = f"target {target} under {attack}"
    return Ordered.of(scores[target], member[target], nonfinite=nonfinite, name=name, otherwise=OR_OFFICIAL)


def _confusion_of_ordered(targets: Sequence[Ordered], thresholds: np.ndarray) -> pd.DataFrame:
    """Counts as :func:`confusion` does, from scores that are sorted already."""
    found = [ordered.detections(threshold) for ordered, threshold in zip(targets, thresholds, strict=True)]
    tp, fp = np.array(found, dtype=np.int64).reshape(-1, 2).T
    inside = np.array([ordered.inside.size for ordered in targets], dtype=np.int64)
    outside = np.array([ordered.outside.size for ordered in targets], dtype=np.int64)
    columns = {"target": np.arange(len(targets)), "threshold": thresholds, "tp": tp, "fp": fp}
    return pd.DataFrame(columns | {"tn": outside - fp, "fn": inside - tp})


def _auc(ordered: Ordered, scores: np.ndarray, nonfinite: Nonfinite) -> float:
    undefined = nonfinite == "official" and (ordered.one_class or not np.isfinite(scores).all())
    return np.nan if undefined else ordered.auc


def _rates(counts: pd.DataFrame, priors: Sequence[float]) -> pd.DataFrame:
    tpr = counts["tp"] / (counts["tp"] + counts["fn"])
    counts = counts.assign(tpr=tpr, fpr_achieved=counts["fp"] / (counts["fp"] + counts["tn"]))
    rows = counts.loc[counts.index.repeat(len(priors))].assign(prior=np.tile(priors, len(counts)))
    return rows.assign(ppv=positive_predictive_value(rows["tpr"], rows["fpr_achieved"], rows["prior"].to_numpy()))
