import json

import numpy as np
import pytest
from reference import DATA, arrays

from lira.shadows.membership import balanced_membership

STORED = json.loads((DATA / "keep/keep_cases.json").read_text())
MATRICES = arrays("keep/keep_cases.npz")


@pytest.mark.parametrize("case", STORED["cases"], ids=lambda case: case["name"])
def test_membership_matrix(case):
    member = balanced_membership(case["dataset_size"], case["num_shadow_models"], case["pkeep"], case["seed"])
    assert member.dtype == bool
    np.testing.assert_array_equal(member, MATRICES[case["name"]])


@pytest.mark.parametrize("case", STORED["errors"], ids=lambda case: str(case["num_shadow_models"]))
def test_too_few_models(case):
    with pytest.raises(ValueError, match=r"models is -?\d: allowed are whole numbers from 1"):
        balanced_membership(10, case["num_shadow_models"], 0.5, 0)
