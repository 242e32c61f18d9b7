"""What the suite ships against what a user would write, in one run: ``pytest benchmarks [--paper-size]``.

Each benchmark checks that both give the same numbers. The table at the end says how long each took, their ratio, what
was read or sorted, and which share of this machine's own speed at that (all cores, measured in the same run) was
reached. No time is ever asserted.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from measuring import Size, write_run

from lira.attacks.lira import score_file
from lira.core.threads import available, cores

LINES = pytest.StashKey[list[tuple]]()


def pytest_addoption(parser):
    parser.addoption("--paper-size", action="store_true", help="256 models, 50,000 samples, 18 views: minutes more")


def pytest_configure(config):
    config.stash[LINES] = []
    os.environ["OMP_NUM_THREADS"] = str(available())  # whatever a shell says that runs tests, too


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash[LINES]
    if lines:
        terminalreporter.section("ours against plain")
        terminalreporter.write_line(f"{'':34}{'ours':>10}{'plain':>12}{'ratio':>9}  share of this machine's speed")
        for name, ours, plain, share in lines:
            ratio = f"{plain / ours:8.1f}x" if plain else f"{'':9}"
            plain = f"{plain:10.2f} s" if plain else f"{'':12}"
            terminalreporter.write_line(f"{name:34}{ours:8.3f} s{plain}{ratio}  {share}")


@pytest.fixture(scope="session")
def size(request):
    return Size(256, 50_000 if request.config.getoption("--paper-size") else 5_000, 18)


@pytest.fixture
def report(request, benchmark):
    """Adds a line to the table, and the same to the benchmark's own record."""

    def add(name, ours, plain=None, share="", **info):
        benchmark.extra_info.update({"ours": ours, "plain": plain, "share": share, **info})
        request.config.stash[LINES].append((name, ours, plain, share))

    return add


@pytest.fixture
def timed(benchmark):
    """Runs a function some times after a warm-up and gives its result and its best time in seconds."""

    def run(function, *arguments, rounds=3):
        times = []

        def once():
            start = time.perf_counter()
            result = function(*arguments)
            times.append(time.perf_counter() - start)
            return result

        result = benchmark.pedantic(once, rounds=rounds, warmup_rounds=1)
        return result, min(times)

    return run


@pytest.fixture(scope="session")
def shadows(size, tmp_path_factory):
    """shadows.h5 of the benchmark's size."""
    return write_run(tmp_path_factory.mktemp("run") / "shadows.h5", size)


@pytest.fixture(scope="session")
def scores(shadows):
    """scores.h5 of the same run."""
    output = shadows.with_name("scores.h5")
    score_file(shadows, output)
    return output


def _on_all_cores(function):
    """Best time of a function that runs once on each core at the same time."""
    times = []
    with ThreadPoolExecutor(cores()) as pool:
        for _ in range(3):
            start = time.perf_counter()
            list(pool.map(function, range(cores())))
            times.append(time.perf_counter() - start)
    return min(times)


@pytest.fixture(scope="session")
def bandwidth():
    """Bytes per second that all cores together read from memory."""
    arrays = [np.ones(2**23) for _ in range(cores())]
    return sum(array.nbytes for array in arrays) / _on_all_cores(lambda core: arrays[core].max())


@pytest.fixture(scope="session")
def sorting():
    """float32 values per second that all cores together sort, in rows of 128 from the cache."""
    rows = [np.random.default_rng(core).random((512, 128), dtype=np.float32) for core in range(cores())]
    return 20 * sum(row.size for row in rows) / _on_all_cores(lambda core: [np.sort(rows[core]) for _ in range(20)])


@pytest.fixture(scope="session")
def row_sorting(size):
    """float64 values per second that all cores together sort, in rows of one target's samples."""
    rows = [np.random.default_rng(core).random((8, size.samples)) for core in range(cores())]
    return sum(row.size for row in rows) / _on_all_cores(lambda core: np.sort(rows[core]))
