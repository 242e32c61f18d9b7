"""The best of several attacks: each target is judged by the attack that does best on the other targets.

A user asks what the strongest attack finds, but the largest of several noisy rates flatters it. Chosen on other targets
than it is judged on, the choice costs nothing (leave-one-out cross-validation). At every FPR it is the attack with the
highest mean TPR at the other targets' own thresholds, at both kinds of thresholds; for the AUC, that with the highest
mean AUC. Attacks without shadow models are in the choice by AUC alone, as they have no shadow thresholds. Intervals
take the choice as given.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from lira.evaluation.bootstrap import Rates

BEST = "best"
"""Name of the best attack among the attacks of ``summary.csv``."""


def best_attacks(values: Mapping[str, Float[np.ndarray, " target"]]) -> list[str]:
    """Returns, for each target, the attack with the largest mean over the other targets; of equals, the first.

    Args:
        values: What is to be large, by attack: its value for each target.
    """
    table = np.array(list(values.values()))
    others = table.sum(axis=1, keepdims=True) - table
    names = list(values)
    return [names[place] for place in others.argmax(axis=0)]


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
    """Rates of each target's best attack in each bootstrap draw, gathered attack by attack.

    Args:
        chosen: From :func:`choices`.
        shape: Numbers of targets and draws.
    """

    def __init__(self, chosen: Mapping[float | None, list[str]], shape: tuple[int, int]):
        self.chosen = {fpr: np.array(names) for fpr, names in chosen.items()}
        self.auc = np.empty(shape)
        self.rates = {
            (mode, fpr): Rates(np.empty(shape), np.empty(shape))
            for fpr in chosen
            if fpr is not None
            for mode in ("target", "shadow")
        }

    def take(self, attack: str, mode: str, fpr: float, rates: Rates) -> None:
        """Takes the rates of the targets whose best attack this is."""
        if (mode, fpr) in self.rates:
            mine = self.chosen[fpr] == attack
            for into, values in zip(self.rates[mode, fpr], rates, strict=True):
                into[mine] = values[mine]

    def take_auc(self, attack: str, auc: Float[np.ndarray, "target draw"]) -> None:
        """Takes the AUC of the targets whose best attack this is."""
        if self.chosen:
            mine = self.chosen[None] == attack
            self.auc[mine] = auc[mine]
