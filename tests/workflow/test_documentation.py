"""What the pages say is what happens: their files are written and their commands run, in the order they come."""

import os
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from lira.config import load_study

COPIED = ("lira", "rules", "profiles", "slurm", "envs", "studies", "Snakefile")
NAMED = re.compile(r"^(?:# )(\S+\.\w+)\n")


@pytest.fixture
def follow(request, tmp_path):
    """Does what a page says in a copy of the repository, and returns what its commands print."""
    root = request.config.rootpath
    for name in COPIED:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, tmp_path / name)

    def follow(page):
        printed = []
        text = (root / "docs" / page).read_text()
        for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if language == "sh":
                printed.append(run(block, tmp_path))
            elif named := NAMED.match(block):
                path = tmp_path / named[1]
                path.parent.mkdir(exist_ok=True)
                path.write_text(block)
        return printed

    return follow


def run(command, folder):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    }
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_extend(follow, tmp_path, monkeypatch):
    follow("extend.md")
    results = tmp_path / "results" / "extended"
    rates = pd.read_csv(results / "paper" / "tables" / "optimistic.csv")
    assert set(rates["attack"]) == {"online", "online_fixed", "offline", "offline_fixed", "global", "centred", "best"}
    assert set(rates["regime"]) == {"baseline", "smooth"} and set(rates["dataset"]) == {"wards"}
    assert "| centred" in (results / "paper" / "tables" / "optimistic.md").read_text()
    place = results / "runs" / "wards" / "narrow" / "smooth" / "seed0"
    monkeypatch.syspath_prepend(tmp_path)
    from centred import scores

    with h5py.File(place / "shadows.h5") as shadows, h5py.File(place / "scores.h5") as stored:
        assert '"dropout": 0.3' in shadows.attrs["recipe"]
        np.testing.assert_array_equal(stored["centred"][:], scores(shadows["phi"][:], shadows["member"][:]))
    assert "centred" in set(pd.read_csv(place / "controls.csv")["attack"])
    for drawn in (tmp_path / "detections.pdf", results / "paper" / "figures" / "detections.pdf"):
        assert drawn.read_bytes().startswith(b"%PDF")
    sys.modules.pop("centred")


def test_readme(follow, request, tmp_path):
    (said,) = follow("../README.md")
    start = "This model leaks: at the shadow models' threshold for 10 % false alarms the attack online_fixed flags "
    assert f"\n> {start}" in (request.config.rootpath / "README.md").read_text() and f"\n{start}" in f"\n{said}"
    assert "\nPage: audits/predictions/audit.html\n" in said
    run("snakemake --cores 1 results/own_model/targets/own/audit.html --configfile studies/own_model.yaml", tmp_path)
    for name in ("summary.csv", "records.csv", "groups.csv", "audit.html"):
        here, there = (tmp_path / folder / name for folder in ("audits/predictions", "results/own_model/targets/own"))
        assert here.read_bytes() == there.read_bytes(), name


def test_estimators(follow, tmp_path):
    follow("estimators.md")
    results = tmp_path / "results" / "cancer"
    rates = pd.read_csv(results / "paper" / "tables" / "optimistic.csv")
    assert set(rates["architecture"]) == {"forest", "boosting", "logistic"}
    leaks = rates[rates["attack"] == "online_fixed"].set_index("architecture")["auc_mean"]
    assert leaks["forest"] > 60 and leaks["forest"] > leaks["logistic"]
    share = {}
    for name in ("forest", "boosting", "logistic"):
        with h5py.File(results / "runs/cancer" / name / "baseline/seed0/shadows.h5") as shadows:
            share[name] = shadows["utility/clipped"][:].mean()
            assert shadows["phi"].shape == (16, 500, 1) and np.isfinite(shadows["phi"][:]).all()
            assert (shadows["utility/test_accuracy"][:] > 0.85).all()
    assert share["forest"] > 0.3 and share["boosting"] == share["logistic"] == 0
    note = f"Trained (cancer forest baseline 0): {100 * share['forest']:.3g} % of the values of φ are of probabilities"
    assert note in (results / "paper" / "tables" / "optimistic.md").read_text()


def test_reproduce(follow, tmp_path):
    cost, dry = follow("reproduce.md")
    study = load_study(tmp_path / "studies" / "mini.yaml")
    runs = sum(len(study.seeds_of(key)) for key in study.runs)
    assert re.search(rf"^total +{runs} +{runs * study.shadow_models} ", cost, re.MULTILINE)
    assert int(re.search(r"^train_shadows +(\d+)$", dry, re.MULTILINE)[1]) >= runs
    assert "Traceback" not in dry and not (tmp_path / "results").exists()
