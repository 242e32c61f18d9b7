"""Training that fails and data that changes: said in one sentence, and never a number from a mixture."""

import os
import subprocess

import numpy as np
import pytest
from pipeline import RECEIPT, RUN, STUDY, TABLE, Pipeline, wait_for

LIMITED = """#!/usr/bin/env python3
import resource, sys
from lira import cli  # with all libraries
from lira.shadows import jobs  # with all libraries
if sys.argv[1] == "train-shadows":
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + (64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
cli.main()
"""
WIDE = STUDY["architectures"]["fcn"] | {"hidden": [2048, 1024]}
SHORT = STUDY["regimes"]["baseline"] | {"epochs": 1}


def test_not_enough_memory_for_a_cohort(undisturbed, tmp_path, found):
    """64 MiB for two models of 9 MB, their gradients, momentum and activations."""
    wide = {"architectures": {"fcn": WIDE}, "regimes": {"baseline": SHORT}}
    pipeline = Pipeline(undisturbed.root, tmp_path / "study", **wide)
    program = tmp_path / "bin" / "lira"
    program.parent.mkdir()
    program.write_text(LIMITED)
    program.chmod(0o755)
    whole = pipeline.environment
    pipeline.environment = whole | {"PATH": f"{program.parent}{os.pathsep}{whole['PATH']}"}
    said = pipeline.fail("/".join(("results/faults", *RECEIPT)))
    assert "error: 2 models at a time do not fit into the memory of cpu: set a cohort smaller than 2" in said
    assert "Traceback" not in said and not pipeline.path(*RECEIPT).exists()
    found("Out of memory in a training job", "ends with the advice to set a smaller cohort, changes nothing", [0.0])


@pytest.mark.campaign
def test_with_the_memory_it_needs_it_goes_on(undisturbed, tmp_path):
    test_not_enough_memory_for_a_cohort(undisturbed, tmp_path, lambda *_: None)
    pipeline = Pipeline(undisturbed.root, tmp_path / "study", architectures={"fcn": WIDE}, regimes={"baseline": SHORT})
    other = Pipeline(undisturbed.root, tmp_path / "other", architectures={"fcn": WIDE}, regimes={"baseline": SHORT})
    pipeline.finish()
    other.finish()
    assert pipeline.tables() == other.tables()


def test_models_that_diverge(undisturbed, tmp_path, found):
    pipeline = undisturbed.copy(tmp_path / "study", without=["paper"])
    wild = STUDY["regimes"]["baseline"] | {"learning_rate": 1e30}
    pipeline.change(regimes={"baseline": wild})
    said = pipeline.fail()
    assert "has NaN, infinite or huge values, as after a diverged training" in said and "Traceback" not in said
    log = next(pipeline.path("logs").rglob("0-3.log")).read_text()
    assert "training diverged" in log
    assert not list(pipeline.path().glob("paper/tables/*.csv")) and not pipeline.path(*RUN, "scores.h5").exists()
    pipeline.change()
    pipeline.finish()
    assert pipeline.tables() == undisturbed.tables()
    found("Models that diverge", "named; no table until the recipe is mended", [0.0])


@pytest.mark.parametrize("back", [False, pytest.param(True, marks=pytest.mark.campaign)])
def test_a_dataset_file_that_changes_under_a_running_study(undisturbed, tmp_path, found, back):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 1, 8, 8).astype(np.uint8)
    path = tmp_path / "digits.npz"

    def write(images):
        np.savez(path, x=images, y=y)

    write(x)
    own = {"source": "file", "path": str(path), "kind": "image", "test": 100, "public": 1497}
    pipeline = Pipeline(undisturbed.root, tmp_path / "study", datasets={"digits": own})
    process = pipeline.start(TABLE)
    wait_for(lambda: list(pipeline.path(*RUN).rglob("*.h5")) or process.poll() is not None)
    write(x[::-1])
    done, said = pipeline.end(process)
    assert done, said
    before = pipeline.tables()
    plan = subprocess.run(pipeline.command("-n", TABLE), capture_output=True, text=True, check=True).stdout
    for rule in ("prepare_data", "train_shadows", "gather_shadows", "score_attacks", "tabulate_optimistic"):
        assert rule in plan
    if back:
        pipeline.finish()
        assert pipeline.tables() != before
        write(x)
        pipeline.finish()
        assert pipeline.tables() == before
    fault = f"A dataset file changed under a running study{', and back' if back else ''}"
    found(fault, "the run keeps to the old one, the next makes all anew", [0.0])
