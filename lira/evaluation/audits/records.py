"""What an audit says of single records, and of classes and groups of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from lira.config.catalogue import DELTA
from lira.evaluation.audits.rates import OfShadows
from lira.evaluation.detections import highly_vulnerable
from lira.evaluation.groups import rates_of_groups
from lira.evaluation.records import worth
from lira.evaluation.roc import flagged
from lira.storage.csv_files import COLUMNS, COUNTS


def judge_records(
    shadows: OfShadows, target: Float[np.ndarray, " sample"], fprs: Sequence[float]
) -> dict[str, Shaped[np.ndarray, " sample"]]:
    """Returns each record's ``score``, ``p_value`` and, per FPR, ``flagged_<fpr>`` (0 or 1) under one attack.

    The p-value is the rank among the shadow models that do not hold the record, (1 + those that score as high or
    higher) / (1 + their number); NaN without such a model.
    """
    outside = ~shadows.member
    number = outside.sum(axis=0)
    as_high = ((shadows.scores >= target) & outside).sum(axis=0)
    found = {"score": target, "p_value": np.where(number > 0, (1 + as_high) / (1 + number), np.nan)}
    for fpr, threshold in zip(fprs, shadows.medians, strict=True):
        found[f"flagged_{fpr:g}"] = flagged(target[np.newaxis], [threshold])[0].astype(int)
    return found


def describe_records(
    truth: Bool[np.ndarray, " sample"] | None,
    named: Mapping[str, Shaped[np.ndarray, " sample"]],
    judged: Mapping[str, Shaped[np.ndarray, " sample"]],
    counts: Mapping[float, Sequence[pd.DataFrame]],
    priors: Sequence[float],
    delta: float = DELTA,
) -> pd.DataFrame:
    """Returns a row per record.

    Args:
        truth: The given model's membership, if it is known.
        named: ``id``, ``class`` and ``group``, as far as they are known.
        judged: From :func:`judge_records`, under the attack's name and ``_``.
        counts: Per FPR and seed of the run, how often the main attack flags each record (``tp fp tn fn``).
        priors: Shares of members.
        delta: δ of the bounds on ε.

    Returns:
        ``sample``, what is known of it, ``member`` (0 or 1) if known, ``judged``, and at each FPR, with the ending
        ``_at_<fpr>``: counts over the shadow models of all seeds, ``ppv_<prior>`` and its lower bound
        ``least_<prior>`` and ``epsilon`` as :func:`lira.evaluation.records.worth` has them, the latter right for all
        records at all these FPRs together (Bonferroni), and ``exposed``: the share of the seeds that find the record
        highly vulnerable (fp = 0, tp ≥ 1).
    """
    samples = len(next(iter(judged.values())))
    parts = [pd.DataFrame({"sample": np.arange(samples)} | dict(named))]
    if truth is not None:
        parts.append(pd.DataFrame({"member": truth.astype(int)}))
    parts.append(pd.DataFrame(dict(judged)))
    for fpr, seeds in counts.items():
        found = worth(sum(rows[COUNTS].reset_index(drop=True) for rows in seeds), priors, delta, samples * len(counts))
        found["exposed"] = np.mean([highly_vulnerable(rows) for rows in seeds], axis=0)
        parts.append(found.add_suffix(f"_at_{fpr:g}"))
    return pd.concat(parts, axis=1)


def rates_by(
    attack: str,
    target: Float[np.ndarray, " sample"],
    truth: Bool[np.ndarray, " sample"] | None,
    thresholds: Mapping[float, float],
    named: Mapping[str, Shaped[np.ndarray, " sample"]],
    priors: Sequence[float],
) -> pd.DataFrame:
    """Returns the rates of classes and of groups at each FPR, as :func:`lira.evaluation.groups.rates_of_groups` does.

    Returns:
        Columns of ``groups.csv``; no rows without truth, or where neither classes nor groups are known.
    """
    frames = []
    for fpr, threshold in thresholds.items():
        for by in ("class", "group"):
            if truth is not None and by in named:
                of_one = target[np.newaxis], truth[np.newaxis], [threshold]
                rates = rates_of_groups(*of_one, named[by], priors)
                frames.append(rates[rates["metric"] != "exposed"].assign(attack=attack, fpr=fpr, by=by))
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return found.reindex(columns=COLUMNS["groups"])
