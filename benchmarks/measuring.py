"""What the benchmarks measure on, and with."""

import time
from typing import NamedTuple

import numpy as np

from lira.shadows.membership import balanced_membership
from lira.storage import hdf5

RUN = {"study": "benchmark", "dataset": "cifar10", "architecture": "resnet18", "regime": "aof", "seed": 0}


class Size(NamedTuple):
    models: int
    samples: int
    views: int


def stopwatch(function, *arguments):
    """Result and time in seconds of a plain version."""
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def write_run(path, size, seed=0):
    """A run whose samples differ in difficulty and in how much a member's scores move."""
    rng = np.random.default_rng(seed)
    member = balanced_membership(size.samples, size.models, 0.5, seed)
    mean, gap = rng.normal(2, 3, size.samples), np.minimum(np.abs(rng.standard_t(2, size.samples)), 40)
    with hdf5.create(path, "shadows", RUN) as file:
        file["member"] = member
        phi = file.create_dataset("phi", tuple(size), np.float32, chunks=(size.models, 64, size.views))
        for start in range(0, size.samples, 1024):
            block = slice(start, min(start + 1024, size.samples))
            shape = (size.models, block.stop - start)
            common = rng.standard_normal(shape, np.float32) + mean[block] + gap[block] * member[:, block]
            phi[:, block] = common[:, :, None] + 0.3 * rng.standard_normal((*shape, size.views), np.float32)
    return path
