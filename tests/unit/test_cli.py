"""The command line: steps import only what they need, and mistakes end in one line."""

import json
import subprocess
import sys

import pytest

from lira.config import load_study

ATTACK = ["score-attacks", "shadows.h5", "--output", "scores.h5", "--attack"]
CALIBRATE = ["calibrate-thresholds", "s.h5", "--fpr=0.1", "--prior=0.5"]
KEY = "digits/fcn/aof"
STUDY = {"study": "s", "shadow_models": 64, "runs": {KEY: {"cohort": 3}}, "datasets": {"digits": {"test": 500}}}
STUDY |= {"architectures": {"fcn": {"family": "fcn", "flatten": True}}, "regimes": {"aof": {}}}
SETTINGS = load_study(STUDY).training_settings(KEY).model_dump()
RUN = json.dumps({"study": "s", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 0})
SHADOWS = ["train-shadows", "--settings", json.dumps(SETTINGS), "--run", RUN, "--data=d.h5", "--output=s.h5"]
OF_A_WORD = ["train-shadows", "--settings", json.dumps(SETTINGS | {"shadow_models": "two"}), *SHADOWS[3:]]
HUGE = dict.fromkeys(("samples", "features", "classes"), 10**9)


def lira(*arguments):
    return subprocess.run(["lira", *arguments], capture_output=True, text=True, check=False)


def test_help_lists_a_command_per_step():
    done = lira("--help")
    assert done.returncode == 0
    for step in (
        *("download-data", "prepare-data", "train-shadows", "import-scores", "score-attacks", "calibrate-thresholds"),
        *("run-controls", "summarise-rates", "measure-agreement", "plot"),
    ):
        assert step in done.stdout


@pytest.mark.parametrize(
    "module",
    [
        *("cli", "config", "datasets", "shadows.gather", "attacks.lira", "report.tables", "report.figures"),
        *(f"evaluation.{step}" for step in ("calibration", "controls", "summary", "agreement", "ranks")),
    ],
)
def test_steps_that_do_not_train_import_no_torch(module):
    code = f"import sys, lira.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_training_imports_no_library_of_networks_it_does_not_build():
    code = "import sys, lira.shadows.jobs; sys.exit(bool({'timm', 'torchvision'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score-attacks", "missing.h5", "--output", "scores.h5"], "missing.h5 does not exist"),
        (
            ["summarise-rates", "scores.h5", "--metrics", "metrics.csv", "--output", "summary.csv"],
            "scores.h5 does not exist",
        ),
        (
            ["prepare-data", "--settings", "{", "--output", "data.h5"],
            "datasets is '{': allowed is a JSON object (Exp",
        ),
        (
            ["prepare-data", "--settings", "[]", "--output", "data.h5"],
            "datasets is []: input should be a valid dict",
        ),
        (
            [
                *("train-shadows", "--settings", "{}", "--run", "{}", "--data", "d.h5"),
                "--first=0",
                "--last=1",
                "--output=s.h5",
            ],
            "settings.recipe_version is missing",
        ),
        (
            ["prepare-data", "--settings", '{"test": 5000}', "--output", "data.h5"],
            "test: cannot set aside 5000 of 1797",
        ),
        (
            ["prepare-data", "--settings", '{"tset": 5}', "--output", "data.h5"],
            "datasets.tset is an unknown key",
        ),
        (
            ["download-data", "--settings", '{"source": "purchase100"}', "--output", "r.json"],
            "features_labels.npy",
        ),
        (
            ["prepare-data", "--settings", json.dumps({"source": "synthetic"} | HUGE), "--output", "d.h5"],
            "out of memory",
        ),
        (["import-scores", "none.npz", "--run", RUN, "--output", "s.h5"], "none.npz does not exist: an .npz or HDF5"),
        ([*SHADOWS, "--first=5", "--last=2"], "first 5 to last 2: the models of this run are 0 to 63, in order"),
        ([*SHADOWS, "--first=70", "--last=71"], "first 70 to last 71: the models of this run are 0 to 63"),
        ([*SHADOWS, "--first=60", "--last=64"], "first 60 to last 64: the models of this run are 0 to 63"),
        ([*SHADOWS, "--first=-1", "--last=2"], "first -1 to last 2: the models of this run are 0 to 63"),
        ([*SHADOWS, "--first=2", "--last=5"], "first 2 to last 5: a shard has whole cohorts, which are of 3 models"),
        ([*SHADOWS, "--first=3", "--last=6"], "first 3 to last 6: a shard has whole cohorts, which are of 3 models"),
        ([*SHADOWS, "--first=60", "--last=63"], "d.h5 does not exist: run the rule that makes it"),
        ([*OF_A_WORD, "--first=0", "--last=2"], "settings.shadow_models is 'two': input should be"),
        (["import-scores", "none.npz", "--run", "{}", "--output", "s.h5"], "run.study is missing"),
        (["score-attacks", "a.h5", "--output", "./a.h5"], "output: a.h5 is read, or another output already"),
        ([*CALIBRATE, "--metrics=m.csv", "--samples=./m.csv"], "output: m.csv is read, or another output already"),
        (
            ["measure-agreement", "samples.csv", "0/null_samples.csv", "--fpr=0.1", "--output=a.csv"],
            "samples: files of one name are compared, given are null_samples.csv, samples.csv",
        ),
        (
            ["measure-agreement", "0/metrics.csv", "1/metrics.csv", "--fpr=0.1", "--output=a.csv"],
            "metrics.csv does not say which samples a run flags",
        ),
        (["judge-study", "x.csv", "--margins", "[" * 100_000, "--output", "o"], "margins is '[[[["),
        (["judge-study", "x.csv", "--margins", '{"auc": -3}', "--output", "o"], "margins.auc is -3: input should be"),
        ([*ATTACK, "bar"], "attack is 'bar': allowed is the form NAME=package.module:function"),
        ([*ATTACK, "foo=bar"], "attack is 'foo=bar': allowed is the form NAME=package.module:function"),
        ([*ATTACK, "=os:getcwd"], "attack is '=os:getcwd': allowed is the form"),
        ([*ATTACK, "online=os:getcwd"], "attack is 'online': allowed is a name other than 'online', 'online_fixed'"),
        ([*ATTACK, "a=os:x", "--attack=a=os:y"], "attack is 'a': allowed is a name other than 'online'"),
        (
            ["tabulate", "nothing", "runs/metrics.csv", "--output", "t.csv"],
            "table is 'nothing': allowed are 'ablation', 'benchmarks'",
        ),
    ],
)
def test_a_mistake_ends_in_one_line_and_leaves_no_file(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = lira(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_none_is_wrong_usage():
    done = lira("pretrain-model", "--settings={}", "--data=d.h5", "--output=p.pt", "--device=tpu")
    assert done.returncode == 2 and all(name in done.stderr for name in ("--device", "tpu", "cpu", "cuda"))


@pytest.mark.parametrize(
    "option", ["--size=-1", "--size=0", "--seed=-1", "--seed=4294967296"], ids=lambda option: option.strip("-")
)
def test_numbers_out_of_range_are_wrong_usage(tmp_path, option):
    done = lira("prepare-data", "--settings={}", f"--output={tmp_path / 'data.h5'}", option)
    assert done.returncode == 2 and "Invalid value for" in done.stderr and option[2:6] in done.stderr
    assert not list(tmp_path.iterdir())
