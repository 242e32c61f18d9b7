"""The claim on the loss ratio: at which FPR its direction is tested."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lira.config.margins import Margins
from lira.paper import on_fit


@pytest.mark.parametrize(("fprs", "tested"), [([0.001, 0.1], "0.1 %"), ([0.0001, 0.01, 0.1], "10 %")])
def test_the_direction_is_tested_at_the_papers_fpr_or_else_at_the_largest(monkeypatch, fprs, tested):
    points = pd.DataFrame({"loss_ratio": np.geomspace(1, 50, 12), "tpr": np.linspace(1, 5, 12)})
    asked = []
    monkeypatch.setattr(on_fit, "loss_ratios", lambda runs, fpr: asked.append(fpr) or points)
    run = SimpleNamespace(rates=SimpleNamespace(fprs=fprs), obstacles=lambda *place: ["another dataset"])
    direction, size = on_fit.judge_fit(SimpleNamespace(runs=[run]), Margins().model_dump())
    assert asked[0] == float(tested.split()[0]) / 100 and f"12 runs at {tested} FPR" in direction["numbers"]
    assert direction["verdict"] == "holds" and size["verdict"] == "cannot tell"
