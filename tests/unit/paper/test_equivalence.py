import numpy as np
import pytest

from lira.paper.equivalence import Estimate, equivalence, exceeds


@pytest.mark.parametrize(
    ("difference", "error", "verdict"),
    [
        (0.5, 0.2, "agrees"),
        (-0.5, 0.2, "agrees"),
        (0.5, 0.31, "cannot tell"),
        (1.5, 0.2, "differs"),
        (-1.5, 0.2, "differs"),
        (1.2, 0.2, "cannot tell"),
        (0.0, 2.0, "cannot tell"),
        (0.0, np.nan, "cannot tell"),
    ],
)
def test_equivalence(difference, error, verdict):
    assert equivalence(Estimate(difference, error), 1.0) == verdict


def test_errors_of_both_count():
    difference = Estimate(3.0, 0.3) - Estimate(1.0, 0.4)
    assert difference == pytest.approx((2.0, 0.5))
    assert exceeds(difference, 1.0) == "holds"
    assert exceeds(difference, 1.5) == "cannot tell"
    assert exceeds(difference, 3.0) == "does not hold"
