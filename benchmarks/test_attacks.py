"""Five leave-one-out attacks on every model, ``shadows.h5`` to ``scores.h5``, against one target at a time."""

import subprocess
import sys

import numpy as np
import plain
import pytest
from conftest import Size, stopwatch, write_run

from lira import store
from lira.attacks import score_file

PLAIN_TARGETS = (0, 101)
MEASURE = """
import re, sys
from lira.attacks import score_file
score_file(*sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read()).group(1))
"""


def test_leave_one_out(size, shadows, timed, report, bandwidth, sorting, tmp_path):
    output = tmp_path / "scores.h5"
    _, ours = timed(score_file, shadows, output)
    with store.read(shadows, "shadows") as file:
        phi, member = file["phi"][:].astype(np.float64), file["member"][:]
    per_target = []
    with store.read(output, "scores") as file:
        for target in PLAIN_TARGETS:
            expected, seconds = stopwatch(plain.attack_target, phi, member, target)
            per_target.append(seconds)
            for attack, values in expected.items():
                np.testing.assert_allclose(file[attack][target], values, rtol=1e-9, atol=1e-10, err_msg=attack)
    share = f"{4 * phi.size / 1e6:.0f} MB: {4 * phi.size / ours / bandwidth:.1%} of bandwidth"
    share += f", {phi.size / ours / sorting:.1%} of sorting"
    whole, name = np.mean(per_target) * size.models, f"attacks {size.models}x{size.samples}x{size.views}"
    report(name, ours, whole, share, plain_per_target=np.mean(per_target), bytes_read=4 * phi.size)


def test_peak_memory(size, shadows, timed, report, tmp_path):
    command = [sys.executable, "-c", MEASURE, str(shadows), str(tmp_path / "scores.h5")]
    done, ours = timed(lambda: subprocess.run(command, capture_output=True, text=True, check=True), rounds=1)
    peak = int(done.stdout) * 1024
    report("attacks, process and all", ours, None, f"peak memory {peak / 2**30:.2f} GiB", peak_bytes=peak)


BASE = Size(64, 4096, 8)
CURVE = [BASE._replace(samples=samples) for samples in (1024, 4096, 16384)]
CURVE += [BASE._replace(views=views) for views in (2, 18)]
CURVE += [BASE._replace(models=models) for models in (32, 128, 256)]


@pytest.mark.parametrize("size", CURVE, ids=lambda size: "x".join(map(str, size)))
def test_scaling(size, timed, report, tmp_path):
    """Linear in samples, in views, and in models up to a logarithm: seconds per million values stay put."""
    shadows = write_run(tmp_path / "shadows.h5", size)
    _, ours = timed(score_file, shadows, tmp_path / "scores.h5")
    values = size.models * size.samples * size.views
    report(f"scaling {'x'.join(map(str, size))}", ours, None, f"{1e9 * ours / values:.1f} ns per value", values=values)
