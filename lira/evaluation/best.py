"""The best of several attacks: each target is judged by the attack that does best on the other targets.

A user asks what the strongest attack finds, but the largest of several noisy rates flatters it. Chosen on other targets
than it is judged on, the choice costs nothing (leave-one-out cross-validation). At every FPR it is the attack with the
highest mean TPR at the other targets' own thresholds, at both kinds of thresholds; for the AUC, that with the highest
mean AUC. Attacks without shadow models are in the choice by AUC alone, as they have no shadow thresholds. For
intervals it is chosen anew in every draw of the samples: where attacks are about equal, that is most of the error.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lira.evaluation.bootstrap import Rates

BEST = "best"
"""Name of the best attack among the attacks of ``summary.csv``."""


def best_attacks(values: Mapping[str, Float[np.ndarray, " target"]]) -> list[str]:
    """Returns, for each target, the attack with the largest mean over the other targets; of equals, the first.

    Args:
        values: What is to be large, by attack: its value for each target.
    """
    names = list(values)
    return [names[place] for place in _best_place([*values.values()])]


def choices(metrics: pd.DataFrame, among: Sequence[str] | None = None) -> dict[float | None, list[str]]:
    """Returns the best attack of each target at each FPR, and under ``None`` by AUC; nothing among a single attack.

    Args:
        metrics: From :func:`lira.evaluation.calibration.calibrate`.
        among: Attacks to choose from; by default all, of which those without shadow models have no part in an FPR's.
    """
    rows = metrics.drop_duplicates(["attack", "mode", "fpr", "target"])
    own = rows[rows["mode"] == "target"].sort_values("target")
    every = [name for name in dict.fromkeys(own["attack"]) if among is None or name in among]
    able = {*rows.loc[rows["mode"] == "shadow", "attack"]}

    def of_each(column: str, found: pd.DataFrame, attacks: Sequence[str]) -> dict[str, np.ndarray]:
        return {name: found.loc[found["attack"] == name, column].to_numpy() for name in attacks}

    chosen: dict[float | None, list[str]] = {}
    if len(attacks := [name for name in every if name in able]) > 1:
        chosen |= {fpr: best_attacks(of_each("tpr", found, attacks)) for fpr, found in own.groupby("fpr")}
    if len(every) > 1:
        first = own[own["fpr"] == own["fpr"].iloc[0]]
        chosen[None] = best_attacks(of_each("auc", first, every))
    return chosen


def rows_of(metrics: pd.DataFrame, chosen: Sequence[str]) -> pd.DataFrame:
    """Returns the rows of each target's best attack."""
    best = pd.Series(chosen)
    return metrics[metrics["attack"] == metrics["target"].map(best)]


def counted(chosen: Sequence[str]) -> str:
    """Writes how many targets are judged by each attack: ``online 12, base 4``."""
    return ", ".join(f"{name} {count}" for name, count in Counter(chosen).most_common())


class Resampled:
    """Rates of each target's best attack in each bootstrap draw of the samples, in which it is chosen anew.

    Args:
        chosen: From :func:`choices`.
    """

    def __init__(self, chosen: Mapping[float | None, list[str]]):
        self.chosen = chosen
        self._auc: list[np.ndarray] = []
        self._rates: dict[tuple[str, float], dict[str, Rates]] = {}

    def take(self, attack: str, mode: str, fpr: float, rates: Rates) -> None:
        """Takes the rates of one attack."""
        if fpr in self.chosen:
            self._rates.setdefault((mode, fpr), {})[attack] = rates

    def take_auc(self, auc: Float[np.ndarray, "target draw"]) -> None:
        """Takes the AUC of one attack."""
        if self.chosen:
            self._auc.append(auc)

    def auc(self) -> Float[np.ndarray, "target draw"]:
        """Returns the AUC of the best."""
        return _of_each(self._auc, _best_place(self._auc))

    def rates(self, fpr: float) -> dict[str, Rates]:
        """Returns the rates of the best at each kind of thresholds."""
        modes = {mode: found for (mode, at), found in self._rates.items() if at == fpr}
        own = modes["target"]
        able = [name for name in own if all(name in found for found in modes.values())]
        place = _best_place([own[name].tpr for name in able])
        return {
            mode: Rates(*(_of_each(values, place) for values in zip(*(found[name] for name in able), strict=True)))
            for mode, found in modes.items()
        }


def _best_place(values: Sequence[Float[np.ndarray, "target ..."]]) -> Int[np.ndarray, "target ..."]:
    """Returns the place of the attack that is best on the other targets; a target without a value has no say."""
    totals = np.stack([np.nansum(of_attack, axis=0) for of_attack in values])
    best, most = np.zeros(values[0].shape, dtype=np.intp), np.full(values[0].shape, -np.inf)
    for place, of_attack in enumerate(values):
        others = totals[place] - np.nan_to_num(of_attack)
        better = others > most
        best[better], most[better] = place, others[better]
    return best


def _of_each(values: Sequence[np.ndarray], place: Int[np.ndarray, "target draw"]) -> Float[np.ndarray, "target draw"]:
    found = np.empty(place.shape)
    for number, of_attack in enumerate(values):
        np.copyto(found, of_attack, where=place == number)
    return found
