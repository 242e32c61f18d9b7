"""The smoke study, run once for all tests that look at its results."""

import pytest
from workspace import Workspace


@pytest.fixture(scope="session")
def finished(request, tmp_path_factory):
    workspace = Workspace(request.config.rootpath, tmp_path_factory.mktemp("smoke"))
    workspace.output = workspace.run("--cores", "2", "report", "all")
    return workspace
