"""What several modules of tests read."""

import pytest
from synthetic_study import make_study


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A study of made-up results, to read only."""
    return make_study(tmp_path_factory.mktemp("study"))
