"""How the tests are shared out among processes: ``pytest -n 2``, or one after the other with ``pytest`` alone."""

import pytest

TOGETHER = ("slurm", "faults", "workflow")
"""Folders whose tests share something costly: a cluster, a finished study. The longest first."""


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):
        config.option.dist, config.option.loadscopereorder = "loadgroup", False


@pytest.hookimpl(tryfirst=True)  # the processes read the marks when it is their turn
def pytest_collection_modifyitems(items):
    def place(item):
        folder = item.path.parent.name
        return TOGETHER.index(folder) if folder in TOGETHER else len(TOGETHER)

    items.sort(key=place)
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder in TOGETHER else item.path.name))
