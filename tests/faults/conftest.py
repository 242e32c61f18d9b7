"""One undisturbed run to compare with."""

import random

import pytest
from pipeline import Pipeline


@pytest.fixture(scope="session")
def undisturbed(request, tmp_path_factory):
    """The study, finished; to read and to copy only."""
    pipeline = Pipeline(request.config.rootpath, tmp_path_factory.mktemp("undisturbed") / "study")
    pipeline.finish()
    return pipeline


@pytest.fixture
def rng(request):
    """Random, but the same in every run of a test."""
    return random.Random(request.node.name)
