"""Data in the graph: a preparation per view, raw files looked for once, the user's own files, imported scores."""

import os
import re
import subprocess

import h5py
import numpy as np
import pytest
import yaml

from lira.config import load_study

VIEWS = {
    "study": "views",
    "shadow_models": 4,
    "shard_size": 4,
    "datasets": {"cifar10": {"source": "cifar10"}, "purchase100": {"source": "purchase100", "seed": "run"}},
    "architectures": {"resnet": {"family": "resnet"}, "fcn": {"family": "fcn"}},
    "regimes": {"baseline": {}, "tl": {"image_size": 144}},
    "runs": {
        "cifar10/resnet/baseline": {"seeds": [1, 2]},
        "cifar10/resnet/tl": {},
        "purchase100/fcn/baseline": {"seeds": [1, 2]},
    },
}


@pytest.fixture
def snakemake(request, tmp_path):
    """Runs Snakemake on a study in a folder of its own."""

    def run(study, *arguments):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
        place = ["--snakefile", request.config.rootpath / "Snakefile", "--directory", tmp_path]
        command = ["snakemake", *arguments, *place, "--configfile", tmp_path / "study.yaml", "--quiet", "host"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def planned(summary):
    """Output files that are to be made, by rule."""
    jobs = {}
    for line in summary.stdout.splitlines()[1:]:
        file, _, rule, *_, plan = line.split("\t")
        if plan == "update pending":
            jobs.setdefault(rule, set()).add(file)
    return jobs


def test_a_preparation_per_view_and_raw_files_once(snakemake):
    jobs = planned(snakemake(VIEWS, "--summary"))
    data = "results/views/data"
    assert jobs["download_data"] == {f"{data}/cifar10.json", f"{data}/purchase100.json"}
    assert jobs["prepare_data"] == {
        f"{data}/cifar10-train-split0.h5",
        f"{data}/cifar10-144px-train-split0.h5",
        f"{data}/purchase100-train-split1.h5",
        f"{data}/purchase100-train-split2.h5",
    }
    dry = snakemake(VIEWS, "-n", "--printshellcmds").stdout
    trained = re.findall(r"train-shadows \S+/(\w+)\.\w+\.json --seed (\d+) --data \S+/(\S+)\.h5 ", dry)
    assert ("tl", "42", "cifar10-144px-train-split0") in trained
    assert ("baseline", "2", "purchase100-train-split2") in trained
    shown = re.findall(r"plot (\S+) .*--data (results/views/data/purchase\S+)", dry)
    assert shown == [("records", "results/views/data/purchase100-train-split1.h5")]  # whose other seed has another pool
    assert not re.search(r"(plot|tabulate) records \S*purchase\S*seed2", dry)
    assert re.search(r"plot in_out .*--data results/views/data/cifar10-train-split0.h5", dry)


def test_missing_raw_files_stop_the_study_with_one_line(snakemake, tmp_path):
    done = snakemake(VIEWS, "--cores", "1", "results/views/data/purchase100-train-split1.h5")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "error: data/purchase/features_labels.npy does not exist: put features_labels.npy of Purchase-100" in said
    assert "[197324, 601]" in said and "Traceback" not in said
    assert not list((tmp_path / "results").rglob("*.h5"))


def test_another_raw_file_is_seen_though_it_is_older(snakemake, tmp_path):
    """Also by triggers that do not see that a setting is another."""
    record, raw = "results/views/data/purchase100.json", tmp_path / "data" / "purchase" / "features_labels.npy"
    raw.parent.mkdir(parents=True)
    np.lib.format.open_memmap(raw, "w+", np.uint8, (197_324, 601))  # a sparse file

    def jobs(study):
        dry = snakemake(study, record, "-n", "--rerun-triggers", "mtime").stdout
        return {*re.findall(r"^\w+_data(?= )", dry, re.MULTILINE)}

    assert snakemake(VIEWS, record, "--cores", "1").returncode == 0
    assert jobs(VIEWS) == set()
    os.utime(raw, (0, 0))
    assert jobs(VIEWS) == {"download_data"}
    assert snakemake(VIEWS, record, "--cores", "1").returncode == 0
    others = {"purchase100": {"source": "location30", "test": 1000}}
    assert jobs(VIEWS | {"datasets": VIEWS["datasets"] | others}) == {"download_data"}


def test_every_example_in_the_documentation_runs(request, snakemake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (request.config.rootpath / "docs" / "data.md").read_text()
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "docs/data.md", "exec"), names)
    studies = {
        study["study"]: study for study in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    }
    assert set(studies) == {"own-data", "own-table", "own-function", "own-scores"}
    for name, classes in (("own-data", 3), ("own-table", 3), ("own-function", 2)):
        view = next(iter(load_study(studies[name]).views()))
        target = f"results/{name}/data/{'-'.join(view)}.h5"
        done = snakemake(studies[name], "--cores", "1", target)
        assert done.returncode == 0, done.stdout + done.stderr
        with h5py.File(tmp_path / target) as file:
            assert file.attrs["classes"] == classes and {"pool", "test"} <= set(file)
        dry = snakemake(studies[name], "-n")
        assert dry.returncode == 0 and "prepare_data" not in dry.stdout
    np.savez("patients.npz", x=np.ones((9, 2)), y=np.arange(9) % 3, x_test=np.ones((3, 2)), y_test=np.arange(3))
    assert "prepare_data" in snakemake(studies["own-data"], "-n").stdout
    tables = "results/own-scores/paper/tables"
    made = [f"{tables}/{name}.csv" for name in ("benchmarks", "utility", "rank_agreement-patients-clinic-baseline")]
    done = snakemake(studies["own-scores"], "--cores", "2", *made)
    assert done.returncode == 0, done.stdout + done.stderr
    benchmarks = (tmp_path / made[0]).with_suffix(".md").read_text()
    assert "| 40 |" in re.sub(" +", " ", benchmarks) and "0, 1" in benchmarks and "–" in benchmarks
    assert "–" in (tmp_path / made[1]).with_suffix(".md").read_text()


def test_imported_and_trained_runs_stand_side_by_side(request, snakemake, tmp_path):
    smoke = yaml.safe_load((request.config.rootpath / "studies" / "smoke.yaml").read_text())
    smoke["runs"]["digits/elsewhere/aof"] = {"scores": "scores-{seed}.npz", "seeds": [3, 4]}
    smoke["agreement"]["digits/fcn/baseline"].append("digits/elsewhere/aof")
    lacking = snakemake(smoke, "-n")
    assert lacking.returncode != 0
    assert "Missing input files for rule import_scores" in lacking.stdout and "scores-3.npz" in lacking.stdout
    for seed in (3, 4):
        np.savez(tmp_path / f"scores-{seed}.npz", phi=np.ones((2, 3)), member=np.eye(2, 3))
    jobs = planned(snakemake(smoke, "--summary"))
    folder = "results/smoke/runs/digits/elsewhere/aof"
    assert jobs["import_scores"] == {f"{folder}/seed3/shadows.h5", f"{folder}/seed4/shadows.h5"}
    assert len(jobs["gather_shadows"]) == 4 and not any("elsewhere" in output for output in jobs["train_shadows"])
    assert f"{folder}/seed3/samples.csv" in jobs["calibrate_thresholds"]
    refused = snakemake(smoke, "--cores", "1", f"{folder}/seed3/shadows.h5")
    assert (
        "error: scores-3.npz is of 3 samples, the pool of results/smoke/data/digits" in refused.stdout + refused.stderr
    )
    assert not (tmp_path / folder).exists() or not list((tmp_path / folder).rglob("*.h5"))
