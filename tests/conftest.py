"""Arrays are checked against their annotations (:mod:`array_types`), and tests shared out among processes.

``pytest -n 2`` shares them out, ``pytest`` alone runs one after the other.
"""

import pytest
from jaxtyping import install_import_hook

install_import_hook("lira", "array_types.check")

TOGETHER = ("slurm", "faults", "workflow")
"""Folders whose tests share something costly: a cluster, a finished study. The longest first."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            folder = file.split("/")[-2]
            return folder if folder in TOGETHER else file

    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(items):
    def place(item):
        folder = item.path.parent.name
        return TOGETHER.index(folder) if folder in TOGETHER else len(TOGETHER)

    items.sort(key=place)
