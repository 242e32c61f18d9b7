"""Readers of the golden data, and how the official code reads a ROC."""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from lira.evaluation.calibration import positive_predictive_value
from lira.evaluation.roc import summarise_roc

DATA = Path(__file__).parent / "data"
CASES = {case["name"]: case for case in json.loads((DATA / "attacks/cases.json").read_text())}
FINITE_CASES = [name for name in CASES if name not in ("nan2", "nonfinite12")]
FPRS = (1e-5, 1e-3, 1e-2)
PRIORS = (0.01, 0.1, 0.5)
ATTACK_NAMES = {
    "LiRA (online)": "online",
    "LiRA (online, fixed var)": "online_fixed",
    "LiRA (offline)": "offline",
    "LiRA (offline, fixed var)": "offline_fixed",
    "Global threshold": "global",
}
SCORE = {"rtol": 1e-9, "atol": 1e-10}


def nonfinite(case):
    """The option under which a case of the reference has its stored result."""
    return "error" if case in FINITE_CASES else "official"


@cache
def arrays(name):
    with np.load(DATA / name) as file:
        return {key: file[key] for key in file.files}


def table(name):
    path = DATA / name
    path = path if path.exists() else path.with_name(path.name + ".gz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pd.read_csv(path, float_precision="round_trip")


def inputs(case):
    """Phi float64 [M, N, A] and member [M, N]."""
    stored = arrays(f"attacks/{case}/inputs.npz")
    return stored["scores"].astype(np.float64), stored["keep"]


def loo_scores(case):
    """The stored leave-one-out scores per attack, in the order of the reference."""
    stored = dict(arrays(f"attacks/{case}/loo_scores.npz"))
    if "global" not in stored:
        stored["global"] = inputs(case)[0].mean(axis=2)
    return {attack: stored[attack] for attack in ATTACK_NAMES.values()}


def official_curve(scores, member):
    """FPR, TPR and thresholds of the official ROC: of finite scores, without points where neither count bends."""
    finite = np.isfinite(scores)
    scores, member = scores[finite], member[finite]
    if member.all() or not member.any():
        return np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0])
    return roc_curve(member, scores, drop_intermediate=True)


def official_points(scores, member, fprs, prior):
    """What the official leave-one-out tables read off each target's own ROC: a row per target, attack and FPR."""
    rows = []
    for attack, values in scores.items():
        for target, of_target in enumerate(zip(values, member, strict=True)):
            achieved, tpr, thresholds = official_curve(*of_target)
            whole = summarise_roc(*of_target, nonfinite="official")
            for fpr in fprs:
                last = np.searchsorted(achieved, fpr, side="right") - 1
                ppv = np.nan_to_num(positive_predictive_value(tpr[last], achieved[last], prior))
                rows.append((attack, target, fpr, achieved[last], thresholds[last], tpr[last], ppv, *whole))
    columns = ["attack", "target", "fpr", "fpr_achieved", "threshold", "tpr", "ppv", "auc", "balanced_accuracy"]
    return pd.DataFrame(rows, columns=columns)
