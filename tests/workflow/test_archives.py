"""A results folder of an earlier version goes on: its shadow models are taken over, and the same comes of them."""

import os
import subprocess

import numpy as np
import torch
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
    # made again, as it does not say how it was made; where a processor rounds otherwise, what starts from it is new
    now, then = (folder / "pretrained" / "digits" / "fcn.pt" for folder in (results, old))
    torch.testing.assert_close(*(torch.load(file, weights_only=True) for file in (now, then)), rtol=1e-4, atol=1e-5)
    kept = [run for run in RUNS if "/tl/" not in run or now.read_bytes() == then.read_bytes()]
    logs = [path.read_text() for run in kept for path in results.glob(f"logs/train_shadows/{run}/*.log")]
    assert len(logs) == 2 * len(kept) - 2 and all(" 0 to train" in log for log in logs)
    for run in kept:
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
