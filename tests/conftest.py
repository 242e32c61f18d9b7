"""Arrays are checked against their annotations (:mod:`array_types`), and tests shared out among processes.

``pytest -n 2`` shares them out, ``pytest`` alone runs one after the other. What came of the faults and changes that
tests cause is printed in the end.
"""

import pytest
from jaxtyping import install_import_hook

install_import_hook("lira", "array_types.check")

FOUND = pytest.StashKey()

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


@pytest.fixture
def found(request):
    """Takes down a fault or a change: its name, what came of it, and the seconds of work lost in each try."""

    def take(fault, outcome, seconds):
        request.config.stash.setdefault(FOUND, []).append((fault, outcome, seconds))

    return take


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(FOUND, [])
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line("| Fault | Tries | Outcome | Minutes lost per try, mean (longest) |")
    terminalreporter.write_line("|---|---|---|---|")
    for fault, outcome, seconds in rows:
        mean, longest = sum(seconds) / len(seconds) / 60, max(seconds) / 60
        terminalreporter.write_line(f"| {fault} | {len(seconds)} | {outcome} | {mean:.2f} ({longest:.2f}) |")
