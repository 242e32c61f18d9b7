"""The smoke study and a user's own study, each run once for all tests that look at its results."""

import shutil

import pytest
from project import Project, make_project
from workspace import Workspace


@pytest.fixture(scope="session")
def finished(request, tmp_path_factory):
    workspace = Workspace(request.config.rootpath, tmp_path_factory.mktemp("smoke"))
    workspace.output = workspace.run("--cores", "2", "report", "all")
    return workspace


@pytest.fixture(scope="session")
def made(request, tmp_path_factory):
    return make_project(request.config.rootpath, tmp_path_factory.mktemp("own"))


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "copy", symlinks=True)
    return Project(made.root, tmp_path / "copy")
