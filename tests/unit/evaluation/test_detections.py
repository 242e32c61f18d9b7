import numpy as np
import pytest

from lira.core.errors import DataError
from lira.evaluation.detections import count_detections, highly_vulnerable, support_qualified


def test_counts():
    rng = np.random.default_rng(0)
    scores, member = rng.normal(size=(7, 30)), rng.random((7, 30)) < 0.5
    thresholds = np.array([0.0, 0.5, -0.5, 1.0, np.inf, 0.2, -np.inf])
    found = count_detections(scores, member, thresholds)
    flagged = (scores >= thresholds[:, None]) & np.isfinite(thresholds)[:, None]
    assert found["sample"].tolist() == list(range(30))
    for name, cell in (("tp", flagged & member), ("fp", flagged & ~member), ("tn", ~flagged & ~member)):
        assert found[name].tolist() == cell.sum(axis=0).tolist()
    assert (found[["tp", "fp", "tn", "fn"]].sum(axis=1) == 7).all()
    order = sorted(range(30), key=lambda sample: (found["fp"][sample], -found["tp"][sample], sample))
    assert found.sort_values("rank")["sample"].tolist() == order


def test_sets():
    scores = np.array([[2.0, 2, 0, 0], [2, 0, 2, 0], [2, 0, 0, 2]])
    member = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0]], dtype=bool)
    found = count_detections(scores, member, np.ones(3))
    assert found["tp"].tolist() == [3, 1, 1, 0]
    assert found["fp"].tolist() == [0, 0, 0, 1]
    assert highly_vulnerable(found).tolist() == [True, True, True, False]
    assert support_qualified(found, 2).tolist() == [True, False, False, False]
    assert support_qualified(found, 0, zero_fp=False).tolist() == [True] * 4


def test_nan_scores_name_the_target():
    scores, member = np.zeros((3, 4)), np.ones((3, 4), dtype=bool)
    scores[2, 1] = np.nan
    with pytest.raises(DataError, match="scores of target 2 are NaN"):
        count_detections(scores, member, np.zeros(3))
    assert count_detections(scores, member, np.zeros(3), nonfinite="official")["tp"].tolist() == [3, 2, 3, 3]


def test_wrong_shapes():
    with pytest.raises(DataError, match=r"thresholds \(2,\) \[models\]"):
        count_detections(np.zeros((3, 4)), np.ones((3, 4), dtype=bool), np.zeros(2))
