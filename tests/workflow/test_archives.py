"""A results folder of an earlier version goes on: its shadow models are taken over, and the same comes of them."""

import os
import subprocess

import numpy as np
from archives import unpack
from array_files import read_arrays

OF_THEIR_VERSION = """
import lira.config.sections, lira.config.study
lira.config.sections.RECIPE_VERSION = lira.config.study.RECIPE_VERSION = 6
"""
"""Python's start of all jobs: the archived models are of this recipe version, and those of another are trained anew."""

RUNS = ["digits/fcn/baseline/seed0", "digits/fcn/tl/seed0", "digits/resnet/aof/seed0", "elsewhere/net/given/seed0"]


def test_nothing_of_an_old_results_folder_is_trained_again(request, tmp_path):
    old, results = unpack("1.1", tmp_path / "old"), unpack("1.1", tmp_path / "study")
    (tmp_path / "sitecustomize.py").write_text(OF_THEIR_VERSION)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}

    def snakemake(*arguments):
        place = ["--snakefile", request.config.rootpath / "Snakefile", "--configfile", "study.yaml", "--cores", "2"]
        files = [f"results/archive/runs/{run}/metrics.csv" for run in RUNS]
        words = ["snakemake", *files, *arguments, *place]
        place = {"cwd": tmp_path / "study", "env": environment}
        done = subprocess.run(words, capture_output=True, text=True, check=False, **place)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    snakemake()
    logs = [path.read_text() for path in results.glob("logs/train_shadows/**/*.log")]
    assert len(logs) == 6 and all(" 0 to train" in log for log in logs)
    pretrained = "pretrained/digits/fcn.pt"  # made again, as it does not say how it was made
    assert (results / pretrained).read_bytes() == (old / pretrained).read_bytes()
    for run in RUNS:
        for name in ("shadows.h5", "scores.h5"):
            now, then = (read_arrays(folder / "runs" / run / name) for folder in (results, old))
            now.pop("utility/best_epoch", None)  # which files of that time lack
            assert now.keys() == then.keys()
            for array, values in now.items():
                np.testing.assert_array_equal(values, then[array])
        assert (results / "runs" / run / "metrics.csv").read_bytes() == (
            old / "runs" / run / "metrics.csv"
        ).read_bytes()
        shards = [
            sorted(path.read_bytes() for path in folder.glob(f"runs/{run}/shards/*.h5")) for folder in (results, old)
        ]
        assert shards[0] == shards[1] and len(shards[0]) == (0 if "given" in run else 2)
    assert "Nothing to be done" in snakemake("--dry-run")
