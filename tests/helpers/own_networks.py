"""Runs of networks of one's own, from the module that a user would write."""

import sys

import numpy as np
from receipts import read_models

from lira.config import load_study
from lira.datasets import prepare_data
from lira.shadows.jobs import train_shadows

WARD = """
import numpy as np
import torch
from torch import nn


def load():
    rng = np.random.default_rng(0)
    y = np.arange({samples}) % {classes}
    return {{"x": rng.normal(size=({samples}, 12)) + y[:, None], "y": y}}


"""


class Own:
    """A run of a module ``probe`` with functions ``load``, whose samples but 60 are the pool, and ``build``."""

    KIND = "tabular"

    def __init__(self, folder, monkeypatch, code, samples=261, classes=4, architecture=None, **recipe):
        (folder / "probe.py").write_text(WARD.format(samples=samples, classes=classes) + code)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        sys.modules.pop("probe", None)
        self.folder, self.key = folder, "d/a/r"
        self.study = load_study(
            {
                "study": "s",
                "shadow_models": 4,
                "shard_size": 4,
                "seeds": [0],
                "store_weights": True,
                "store_logits": True,
                "datasets": {"d": {"source": "probe:load", "kind": self.KIND, "test": 60}},
                "architectures": {"a": architecture or {"family": "probe:build"}},
                "regimes": {"r": {"epochs": 2, "batch_size": 16} | recipe},
                "runs": {self.key: {}},
            }
        )
        prepare_data(self.study.datasets["d"], None, 0, folder / "data.h5")

    def train(self, name="0-3", **options):
        """Trains all four models and returns their arrays."""
        output = self.folder / name / "0-3.json"
        made = self.study.training_settings(self.key), self.study.describe_run(self.key, 0)
        train_shadows(*made, self.folder / "data.h5", 0, 3, output, **options)
        return read_models(output)

    def said(self, raises):
        """Trains, and returns the sentence with which that is refused before any model is trained."""
        with raises as refused:
            self.train()
        assert not list((self.folder / "0-3").glob("*"))
        return str(refused.value)


def same(one, other):
    """Whether two runs' arrays agree bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
