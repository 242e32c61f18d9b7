"""How many threads to use."""

import os


def cores() -> int:
    """Threads to use: one for each core this process may run on, at most ``OMP_NUM_THREADS``.

    Snakemake sets that to the threads of a job, which shares the machine with the others.
    """
    most = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # further numbers are of nested threads
    return min(available(), int(most)) if most.isdecimal() and int(most) else available()


def available() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
