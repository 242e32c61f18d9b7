"""How many threads to use."""

import os


def cores() -> int:
    """Returns the threads to use: one per available core, at most ``OMP_NUM_THREADS``, which Snakemake sets per job."""
    most = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # further numbers are for nested threads
    return min(available(), int(most)) if most.isdecimal() and int(most) else available()


def available() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
