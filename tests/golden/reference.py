"""Readers of the golden data."""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

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
