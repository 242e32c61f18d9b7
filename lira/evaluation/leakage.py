"""Whether the models of a run leak, which attack shows it, how many records are exposed, and whether again by seed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lira.core.errors import StoreError
from lira.evaluation.audits.answer import LEAKS, NO_LEAK, UNKNOWN, Verdict
from lira.evaluation.audits.doubts import FEW_MODELS
from lira.evaluation.best import BEST
from lira.evaluation.bootstrap import LEVEL, of_one_target
from lira.evaluation.calibration import resolution
from lira.evaluation.detections import highly_vulnerable
from lira.evaluation.rates import RatesOverTargets
from lira.evaluation.stability import measure_stability
from lira.storage.csv_files import rows_at
from lira.storage.run import RUN_KEYS, Run, of_one_pool

CHANCE = 50.0
"""AUC of an attack that knows nothing, in percent."""


def resolved_fpr(runs: Sequence[Run]) -> float:
    """Returns the smallest FPR at which a false positive is expected in every run; else the largest that all have.

    Raises:
        StoreError: They have no FPR in common, as where one is of a study that was changed since.
    """
    fprs = sorted(set[float].intersection(*(set(run.fprs) for run in runs)))
    if not fprs:
        said = "; ".join(f"{run.folder}: {', '.join(f'{fpr:g}' for fpr in run.fprs)}" for run in runs)
        raise StoreError(f"runs have no FPR in common ({said}): run snakemake, or remove those the study no longer has")
    fewest = min(run.negatives for run in runs)
    return next((fpr for fpr in fprs if resolution(fpr, fewest).label != "TPR at 0 FP"), fprs[-1])


def leakage(run: Run, fpr: float) -> dict[str, Any]:
    """Returns what attacks find in one run, and the verdict.

    The AUC is that of the attack for which a leak is surest, whose interval is corrected for all attacks (Bonferroni).
    At thresholds it is the best attack, chosen for each target on the other targets (:mod:`lira.evaluation.best`), so
    that the choice flatters nothing; where there is nothing to choose, it is the only one.

    Args:
        run: The run.
        fpr: Target FPR; thresholds are those of the targets' shadow models.

    Returns:
        ``answer``, ``models``, ``diverged`` (how many of them failed to train), ``resolution`` of the FPR, ``prior``
        (the smallest), ``surest`` (the attack of the AUC), and in percent ``auc tpr fpr_achieved ppv``, each with
        ``_low`` and ``_high``, the 95 % interval over targets and samples; of an AUC, TPR or FPR in which all targets
        are alike, that of one of them. NaN where it is not known.
    """
    rates = RatesOverTargets(run)
    prior = min(rates.priors)
    found: dict[str, Any] = {"models": run.models, "diverged": run.diverged, "prior": prior, "resolution": ""}
    found |= _surest(rates, run)
    places: dict[str, tuple] = {
        "tpr": (fpr, "tpr"),
        "fpr_achieved": (fpr, "fpr_achieved"),
        "ppv": (fpr, "ppv_pooled", prior),
    }
    for name, place in places.items():
        rows = (rates.find(attack, "shadow", *place) for attack in (BEST, *rates.attacks))
        row: Mapping[str, Any] = next(filter(None, rows), {})
        found |= {name: row.get("mean", np.nan)} | {f"{name}_{end}": row.get(end, np.nan) for end in ("low", "high")}
        found |= {"resolution": row["resolution"]} if name == "tpr" and row else {}
    for name, side in (("tpr", "members"), ("fpr_achieved", "others")):
        if np.isnan(found[f"{name}_low"]) and not np.isnan(found[name]):
            found |= _ends(name, of_one_target(found[name] / 100, _sides(run)[side]))
    return {"answer": verdict(found)} | found


def _surest(rates: RatesOverTargets, run: Run) -> dict[str, Any]:
    """Returns the AUC of the attack whose lower end is the highest, all ends being right at once, and its name."""
    from scipy.special import ndtri

    every = {attack: rates.find(attack, "target", None, "auc") for attack in rates.attacks if attack != BEST}
    rows = {attack: row for attack, row in every.items() if row and not np.isnan(row["mean"])}
    level, surest = 1 - (1 - LEVEL) / max(len(rows), 1), {"surest": "", "auc": np.nan} | _ends("auc", (np.nan, np.nan))
    for attack, row in rows.items():
        mean, error = row["mean"] / 100, row["standard_error"] / 100
        if np.isnan(error):
            ends = of_one_target(mean, min(_sides(run).values()), level)
        else:
            ends = np.clip(mean + np.array([-1, 1]) * ndtri((1 + level) / 2) * error, 0, 1)
        one = {"surest": attack, "auc": row["mean"]} | _ends("auc", ends)
        surest = surest if surest["auc_low"] >= one["auc_low"] else one
    return surest


def _ends(name: str, ends: Iterable[Any]) -> dict[str, float]:
    return {f"{name}_{end}": 100 * float(value) for end, value in zip(("low", "high"), ends, strict=True)}


def _sides(run: Run) -> dict[str, float]:
    """Returns how many members and how many others a target has."""
    return {"members": run.pool - run.negatives, "others": run.negatives}


def verdict(found: Mapping[str, Any]) -> Verdict:
    """Tells whether a run leaks, each run with at most 5 % error: two looks, each at the lower end of a 95 % interval.

    Args:
        found: From :func:`leakage`. It leaks if an AUC lies above 50 %, or the TPR above the FPR that the shadow
            thresholds give, by the ends of both intervals. Few models, of which LiRA's AUC lies below 50 % by chance
            alone, and models most of which failed to train cannot show that it does not.
    """
    if found["auc_low"] > CHANCE or found["tpr_low"] > found["fpr_achieved_high"]:
        return LEAKS
    unsure = found["models"] < FEW_MODELS or 2 * found["diverged"] > found["models"]
    return UNKNOWN if unsure or np.isnan([found["auc_low"], found["tpr_low"]]).all() else NO_LEAK


def exposure(seeds: Sequence[Run], fpr: float) -> dict[str, float]:
    """Counts the records that a run exposes, and how far its seeds agree on them.

    A record is exposed if it is flagged on at least one target that holds it and on none that does not (tp ≥ 1,
    fp = 0), by the attack of the run's records.

    Args:
        seeds: Runs that differ by seed only, the first of them the run; those of another pool are left out.
        fpr: Target FPR; thresholds are those of the targets' shadow models.

    Returns:
        ``exposed`` of the first seed; ``exposed_null``, where membership is permuted; and the mean Jaccard of two seeds
        in percent with 95 % interval, ``again again_low again_high``, and ``again_null``, that of sets drawn at random.
    """
    first = seeds[0]
    seeds = of_one_pool(seeds)
    null = rows_at(first.by_attack(first.table("null_samples.csv"), None), fpr, first.folder / "null_samples.csv")
    sets = np.stack([highly_vulnerable(run.counts(fpr)) for run in seeds])
    found = {"exposed": int(sets[0].sum()), "exposed_null": int(highly_vulnerable(null).sum())}
    names = ("again", "again_low", "again_high", "again_null")
    if len(seeds) < 2:
        return found | dict.fromkeys(names, np.nan)
    stable = measure_stability(sets)
    values = (stable.across, stable.low, stable.high, stable.chance)
    return found | {name: 100 * value for name, value in zip(names, values, strict=True)}


def by_recipe(runs: Sequence[Run]) -> list[list[Run]]:
    """Groups runs that differ by seed only, in the order given."""
    found: dict[tuple, list[Run]] = {}
    for run in runs:
        found.setdefault(tuple(run.key[name] for name in RUN_KEYS[:3]), []).append(run)
    return [*found.values()]
