"""rl-institut/oemof-B3#206: text of the user with braces is no wildcard of a parameter."""

import subprocess

import numpy as np
import pytest
import yaml

from lira.shadows.membership import balanced_membership


@pytest.mark.parametrize("target", ["report", "all"])
def test_a_study_of_imported_scores_with_seeds_is_planned_to_its_report(request, tmp_path, target):
    for seed in (0, 1):
        member = balanced_membership(samples=40, models=8, fraction=0.5, seed=seed)
        np.savez(tmp_path / f"phi-{seed}.npz", phi=np.ones(member.shape), member=member)
    run = {"patients/clinic/baseline": {"scores": "phi-{seed}.npz", "seeds": [0, 1], "epochs": 40}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"study": "own", "runs": run}))
    words = ["snakemake", target, "-n", "-p", "--configfile", "own.yaml"]
    place = ["--snakefile", request.config.rootpath / "Snakefile"]
    done = subprocess.run([*words, *place], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("phi-{seed}.npz" in done.stdout + done.stderr) == (target == "report")
