import json

import numpy as np
import pytest
from reference import DATA, arrays

from lira.shadows.logits import scaled_logit

STORED = arrays("scores/scores_cases.npz")
OFFERED = [
    case["name"]
    for case in json.loads((DATA / "scores/scores_cases.json").read_text())
    if len(case["logits_shape"]) == 3 or case["logits_shape"][1:2] == [1]
]


def case(name):
    """Logits without the reference's unit axis, labels cut to the rows there are, scores."""
    logits, labels, scores = (STORED[f"{name}__{part}"] for part in ("logits", "labels", "scores"))
    return logits.reshape(len(logits), *logits.shape[-2:]), labels[: len(logits)], scores


@pytest.mark.parametrize("name", [name for name in OFFERED if not name.startswith(("extreme", "nonfinite"))])
def test_scaled_logit(name):
    logits, labels, scores = case(name)
    tolerance = 2e-6 if logits.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(scaled_logit(logits, labels), scores, rtol=0, atol=tolerance)


def test_extreme_float64_logits():
    logits, labels, scores = case("extreme_f64")
    np.testing.assert_allclose(scaled_logit(logits, labels), scores, rtol=0, atol=1e-10)


def test_extreme_float32_logits_differ_where_float32_underflows():
    """The reference exponentiates in float32, which loses margins beyond 87; ours is float64 throughout."""
    logits, labels, scores = case("extreme_f32")
    ours = scaled_logit(logits, labels)
    apart = np.abs(ours - scores) > 1e-5
    assert apart.sum() == 11
    assert (np.abs(scores[apart]) > 87).all()
    np.testing.assert_allclose(ours, scores, rtol=0, atol=0.76)
    np.testing.assert_allclose(ours, scaled_logit(logits.astype(np.float64), labels), rtol=0, atol=1e-10)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nonfinite_logits():
    logits, labels, scores = case("nonfinite_f64")
    np.testing.assert_allclose(scaled_logit(logits, labels), scores, rtol=0, atol=1e-10)
