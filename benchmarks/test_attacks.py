"""Five leave-one-out attacks on every model, ``shadows.h5`` to ``scores.h5``, against one target at a time."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from measuring import Size, stopwatch, write_run
from plain.attacks import attack_target

from lira.attacks.lira import UNCUT, score_file
from lira.attacks.registry import ATTACKS
from lira.evaluation.budgets import measure_budgets
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5

PLAIN_TARGETS = (0, 101)
OTHERS = [*ATTACKS][5:]
MEASURE = """
import re, sys
from lira.attacks.lira import score_file
score_file(*sys.argv[1:3], **({"attacks": sys.argv[3:]} if sys.argv[3:] else {}))
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read()).group(1))
"""


def test_leave_one_out(size, shadows, timed, report, bandwidth, sorting, tmp_path):
    output = tmp_path / "scores.h5"
    _, ours = timed(score_file, shadows, output)
    with hdf5.read(shadows, "shadows") as file:
        phi, member = file["phi"][:].astype(np.float64), file["member"][:]
    per_target = []
    with hdf5.read(output, "scores") as file:
        for target in PLAIN_TARGETS:
            expected, seconds = stopwatch(attack_target, phi, member, target, True)
            per_target.append(seconds)
            for attack, values in expected.items():
                np.testing.assert_allclose(file[attack][target], values, rtol=1e-9, atol=1e-10, err_msg=attack)
    share = f"{4 * phi.size / 1e6:.0f} MB: {4 * phi.size / ours / bandwidth:.1%} of bandwidth"
    share += f", {phi.size / ours / sorting:.1%} of sorting"
    whole, name = np.mean(per_target) * size.models, f"attacks {size.models}x{size.samples}x{size.views}"
    report(name, ours, whole, share, plain_per_target=np.mean(per_target), bytes_read=4 * phi.size)


@pytest.mark.parametrize("chosen", [None, Size(64, 4000, 2)], ids=["", "small"])
@pytest.mark.parametrize("attack", OTHERS)
def test_other_attacks(attack, chosen, size, timed, report, tmp_path):
    """Each by itself, as a multiple of the time of the paper's five together; the uncut five too."""
    size = chosen or size
    shadows = write_run(tmp_path / "shadows.h5", size)
    _, five = stopwatch(score_file, shadows, tmp_path / "five.h5")
    _, uncut = stopwatch(partial(score_file, definition=UNCUT), shadows, tmp_path / "uncut.h5")
    _, ours = timed(partial(score_file, attacks=[attack]), shadows, tmp_path / "scores.h5", rounds=2)
    share = f"{ours / five:.2f} of the five together; these uncut {uncut / five:.2f}"
    report(f"{attack} {'x'.join(map(str, size))}", ours, None, share, five=five, uncut=uncut)


@pytest.mark.parametrize("attacks", [[], *([name] for name in OTHERS)], ids=lambda attacks: "".join(attacks) or "five")
def test_peak_memory(attacks, size, shadows, timed, report, tmp_path):
    command = [sys.executable, "-c", MEASURE, str(shadows), str(tmp_path / "scores.h5"), *attacks]
    done, ours = timed(lambda: subprocess.run(command, capture_output=True, text=True, check=True), rounds=1)
    peak = int(done.stdout) * 1024
    name = f"{''.join(attacks) or 'five attacks'}, process and all"
    report(name, ours, None, f"peak memory {peak / 2**30:.2f} GiB", peak_bytes=peak)


@pytest.mark.parametrize("balanced", ["pairs", "sample"])
def test_budgets(balanced, size, shadows, timed, report):
    """One draw of 4, 8, 16 and 32 shadow models each, all attacks; a study makes ten of them."""
    with hdf5.read(shadows, "shadows") as file:
        member = file["member"][:]
        member = (
            balanced_membership(member.shape[1], len(member), 0.5, 0, generator="nested")
            if balanced == "pairs"
            else member
        )
        draw = partial(measure_budgets, attacks=[*ATTACKS], repeats=1)
        _, ours = timed(draw, file["phi"], member, [4, 8, 16, 32], [0.001, 0.01], rounds=1)
    report(f"budgets, {balanced} {'x'.join(map(str, size))}", ours, None, f"{len(ATTACKS)} attacks")


CURVE = [Size(1, 1, 1), Size(1, 2, 1), Size(1, 4, 1), Size(1, 1, 3), Size(1, 1, 9), Size(2, 1, 1), Size(4, 1, 1)]


@pytest.mark.parametrize("less", CURVE, ids=lambda less: "x".join(map(str, less)))
def test_scaling(size, less, timed, report, tmp_path):
    """Linear in samples, in views, and in models up to a logarithm: seconds per million values stay put."""
    size = Size(*(whole // part for whole, part in zip(size, less, strict=True)))
    shadows = write_run(tmp_path / "shadows.h5", size)
    _, ours = timed(score_file, shadows, tmp_path / "scores.h5")
    values = size.models * size.samples * size.views
    report(f"scaling {'x'.join(map(str, size))}", ours, None, f"{1e9 * ours / values:.1f} ns per value", values=values)
