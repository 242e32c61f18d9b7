"""One undisturbed run to compare with, and the table of what a campaign found."""

import random

import pytest
from pipeline import Pipeline

FOUND = pytest.StashKey()


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


@pytest.fixture
def found(request):
    """Takes down a fault: its name, what came of it, and for each try the seconds of work that were lost."""

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
