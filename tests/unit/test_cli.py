"""The command line: steps import only what they need, and mistakes end in one line."""

import json
import subprocess
import sys

import pytest

from lira.config import load_study
from lira.storage.identity import digest_of

STUDY = {"study": "s", "shadow_models": 64, "runs": {"digits/fcn/aof": {"cohort": 3}}}
STUDY |= {"datasets": {"digits": {"test": 500}}, "architectures": {"fcn": {"family": "fcn", "flatten": True}}}
RUN = load_study(STUDY | {"regimes": {"aof": {}}}).run_spec("digits/fcn/aof").model_dump()
RATES = {"fprs": [0.1], "priors": [0.5]}
OWN = {"offline": "two-sided", "own": {}, "code": {}}
DATA = {"settings": {}, "size": None, "seed": 0}
HUGE = dict.fromkeys(("samples", "features", "classes"), 10**9)


@pytest.fixture
def written(tmp_path_factory):
    """Writes specs that stand among words."""
    folder = tmp_path_factory.mktemp("specs")

    def write(words):
        for word in words:
            if isinstance(word, dict):
                file = folder / f"asked.{digest_of(word)}.json"
                file.write_text(json.dumps(word))
                yield str(file)
            else:
                yield word

    return lambda words: list(write(words))


def shadows(first, last, asked=RUN):
    return ["train-shadows", asked, "--seed=0", "--data=d.h5", "--output=s.json", f"--first={first}", f"--last={last}"]


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


@pytest.mark.parametrize("option", ["--debug", "LIRA_DEBUG"])
def test_the_traceback_is_there_if_asked_for(option, written, tmp_path, monkeypatch):
    monkeypatch.setenv("LIRA_DEBUG", str(int(option == "LIRA_DEBUG")))
    words = ["score-attacks", str(tmp_path / "none.h5"), "--output=o.h5", "--spec", *written([OWN])]
    done = lira(*[option] * (option == "--debug"), *words)
    assert "Traceback" in done.stderr and done.stderr.splitlines()[-1].startswith("error: ")
    monkeypatch.setenv("LIRA_DEBUG", "0")
    assert "Traceback" not in lira(*words).stderr


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
        (["score-attacks", "missing.h5", "--spec", OWN, "--output", "scores.h5"], "missing.h5 does not exist"),
        (
            ["summarise-rates", "scores.h5", "--metrics", "metrics.csv", "--output", "summary.csv"],
            "scores.h5 does not exist",
        ),
        (
            ["download-data", "--settings", "{", "--output", "data.json"],
            "datasets is '{': allowed is a JSON object (Exp",
        ),
        (
            ["download-data", "--settings", "[]", "--output", "data.json"],
            "datasets is []: input should be a mapping",
        ),
        (shadows(0, 1, {"study": "s"}), "spec.protocol is missing"),
        (["prepare-data", "none.json", "--output", "data.h5"], "none.json does not exist: run the rule that makes it"),
        (
            ["prepare-data", DATA | {"settings": {"test": 5000}}, "--output", "data.h5"],
            "test: cannot set aside 5000 of 1797",
        ),
        (
            ["prepare-data", DATA | {"settings": {"tset": 5}}, "--output", "data.h5"],
            "spec.settings.tset is an unknown key",
        ),
        (
            ["download-data", "--settings", '{"source": "purchase100"}', "--output", "r.json"],
            "features_labels.npy",
        ),
        (
            ["prepare-data", DATA | {"settings": {"source": "synthetic"} | HUGE}, "--output", "d.h5"],
            "out of memory",
        ),
        (
            ["import-scores", "none.npz", "--spec", RUN, "--seed=0", "--output", "s.h5"],
            "none.npz does not exist: an .npz or HDF5",
        ),
        (shadows(5, 2), "first 5 to last 2: the models of this run are 0 to 63, in order"),
        (shadows(70, 71), "first 70 to last 71: the models of this run are 0 to 63"),
        (shadows(60, 64), "first 60 to last 64: the models of this run are 0 to 63"),
        (shadows(-1, 2), "first -1 to last 2: the models of this run are 0 to 63"),
        (shadows(2, 5), "first 2 to last 5: a shard has whole cohorts, which are of 3 models"),
        (shadows(3, 6), "first 3 to last 6: a shard has whole cohorts, which are of 3 models"),
        (shadows(60, 63), "d.h5 does not exist: run the rule that makes it"),
        (
            shadows(0, 2, RUN | {"training": RUN["training"] | {"shadow_models": "two"}}),
            "spec.training.shadow_models is 'two': input should be",
        ),
        (shadows(0, 2, RUN | {"training": None}), "digits/fcn/aof: its scores are imported, not trained"),
        (
            ["score-attacks", "a.h5", "--spec=s", "--output", "./a.h5"],
            "output: a.h5 is read, or another output already",
        ),
        (
            ["calibrate-thresholds", "s.h5", "--rates=r", "--metrics=m.csv", "--samples=./m.csv"],
            "output: m.csv is read, or another output already",
        ),
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
        (
            ["calibrate-thresholds", "s.h5", "--rates", RATES | {"fprs": [2]}, "--metrics=m.csv", "--samples=s.csv"],
            "spec.fprs.0 is 2: input should be less than 1",
        ),
        (
            ["tabulate", "nothing", ".", "--output", "t.csv"],
            "table is 'nothing': allowed are 'ablation', 'answer'",
        ),
        (
            ["tabulate", "utility", "runs/metrics.csv", "--output", "t.csv"],
            "runs/metrics.csv does not exist: give a file of a run, or its folder",
        ),
    ],
)
def test_a_mistake_ends_in_one_line_and_leaves_no_file(tmp_path, monkeypatch, written, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = lira(*written(arguments))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_a_terminal_cannot_show_is_written_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.chdir(tmp_path)
    done = lira("gate", "--help")
    assert done.returncode == 0 and r"\u03b5" in done.stdout and "Traceback" not in done.stderr
    done = lira("gate", "ε", "--max-tpr=1")
    assert done.returncode == 1 and done.stderr.startswith(r"error: \u03b5 has neither")


def test_a_device_that_is_none_is_wrong_usage():
    done = lira("pretrain-model", "s.json", "--data=d.h5", "--output=p.pt", "--device=tpu")
    assert done.returncode == 2 and all(name in done.stderr for name in ("--device", "tpu", "cpu", "cuda"))


@pytest.mark.parametrize("option", ["--seed=-1", "--seed=4294967296"], ids=lambda option: option.strip("-"))
def test_numbers_out_of_range_are_wrong_usage(tmp_path, option):
    done = lira(
        "train-shadows", "s.json", f"--output={tmp_path / '0-1.json'}", "--data=d.h5", "--first=0", "--last=1", option
    )
    assert done.returncode == 2 and "Invalid value for" in done.stderr and option[2:6] in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("field", "value"), [("size", -1), ("size", 0), ("seed", -1), ("seed", 2**32)])
def test_a_spec_with_a_number_out_of_range_is_refused(tmp_path, written, field, value):
    done = lira(*written(["prepare-data", DATA | {field: value}, f"--output={tmp_path / 'data.h5'}"]))
    assert done.returncode == 1 and f"spec.{field} is {value}: input should be" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_spec_that_was_changed_by_hand_is_refused(tmp_path):
    spec = tmp_path / f"rates.{digest_of(RATES)}.json"
    spec.write_text(json.dumps(RATES | {"fprs": [0.2]}))
    done = lira("calibrate-thresholds", "s.h5", f"--rates={spec}", "--metrics=m.csv", "--samples=s.csv")
    assert done.returncode == 1 and f"{spec} is damaged or was changed by hand: rm {spec}" in done.stderr
