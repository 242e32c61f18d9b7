"""What single targets and single runs do to a result: the same counted without them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lira.evaluation.robust import influence
from lira.storage.run import Run


def outlying_targets(run: Run, fpr: float) -> list[int]:
    """Targets whose achieved FPR raises the mean over targets by more than its standard error without them.

    Args:
        run: The run.
        fpr: Target FPR, thresholds from the shadow models.
    """
    rates = achieved(run, fpr)
    moved = influence(rates["fpr_achieved"].to_numpy())
    return [int(target) for target in rates["target"][moved.flagged & (moved.shift > 0)]]


def achieved(run: Run, fpr: float) -> pd.DataFrame:
    """Rows of ``metrics.csv`` of the online attack at shadow thresholds, one per target."""
    rows = run.targets("shadow")
    rows = rows[(rows["attack"] == "online") & (rows["fpr"] == fpr)]
    return rows.sort_values("target").reset_index(drop=True)


def detections(run: Run, fpr: float, without: Sequence[int] = ()) -> pd.DataFrame:
    """``tp fp`` per sample of the online attack at shadow thresholds, with some targets left out.

    Args:
        run: The run.
        fpr: Target FPR.
        without: Targets to leave out.
    """
    counts = run.counts(fpr)
    tp, fp = counts["tp"].to_numpy().copy(), counts["fp"].to_numpy().copy()
    if without:
        thresholds = achieved(run, fpr).set_index("target")["threshold"]
        with run.scores() as file:
            for target in without:
                if np.isfinite(thresholds[target]):
                    flagged, member = file["online"][target] >= thresholds[target], file["member"][target]
                    tp -= flagged & member
                    fp -= flagged & ~member
    return pd.DataFrame({"sample": np.arange(tp.size), "tp": tp, "fp": fp})
