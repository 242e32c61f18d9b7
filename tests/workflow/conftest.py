"""The smoke study and a user's own study, each run once for all tests that look at its results."""

import os
import shutil

import pytest
from project import Project, make_project
from workspace import Workspace

PROGRAMS = ("chromium", "chromedriver")


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


@pytest.fixture(scope="session")
def browser():
    """Chromium that finds no host and writes down what it asks for and what goes wrong."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing and not os.environ.get("LIRA_NEEDS_CHROMIUM"):
        pytest.skip(f"no {' and '.join(missing)} here: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()
