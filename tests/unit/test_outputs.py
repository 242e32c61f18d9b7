"""What commands are given as files: none writes over what it reads, nor over results, and what is missing is said."""

import json
from pathlib import Path
from shutil import copytree

import pytest
from synthetic_study import MAIN, run_folder
from typer.testing import CliRunner

from lira.cli import app
from lira.config import Architecture, Dataset, PretrainingSettings, Recipe, load_study
from lira.config.catalogue import RECIPE_VERSION
from lira.core.errors import ConfigError
from lira.report.tabulate import tabulate
from lira.storage.identity import digest_of

FILES = ("a", "b", "c", "d", "e")
SEED = ["--seed", "0"]
RATES = ["--rates", "e"]
"""Words of each command, with files it reads that it is then told to write."""
READS = {
    "prepare-data": ["a"],
    "pretrain-model": ["a", "--data", "b"],
    "train-shadows": ["a", *SEED, "--data", "b", "--pretrained", "c", "--first", "0", "--last", "0"],
    "rehearse-models": ["a", "--name", "d/a/r", "--data", "b"],
    "gather-shadows": ["a", "--spec", "b", *SEED, "--data", "c", "--pretrained", "d"],
    "import-scores": ["a", "--spec", "b", *SEED, "--data", "c"],
    "score-attacks": ["a", "--spec", "b"],
    "measure-overlap": ["a", "--metrics", "b", "--null", "c", *RATES],
    "calibrate-records": ["a", "--metrics", "b", *RATES],
    "summarise-rates": ["a", "--metrics", "b", "--controls", "c"],
    "measure-groups": ["a", "--metrics", "b"],
    "measure-budgets": ["a", "--spec", "b", "--budgets", "c", "--metrics", "d", *RATES],
    "measure-agreement": ["a", "--variant", "b", "--label", "v", "--fpr", "0.1"],
}
ALSO_READ = {
    "bound-privacy": (["metrics.csv"], ["metrics.csv", "controls.csv", "samples.csv", "null_samples.csv"]),
    "measure-groups": (["scores.h5", "--metrics", "m"], ["shadows.h5"]),
    "measure-agreement": (["samples.csv", "--fpr", "0.1"], ["shadows.h5"]),
}

SHOWN = {"tabulate": ".csv", "plot": ".pdf"}


def refused(folder, words, kept):
    """Runs a command that is to refuse an output, and returns what it says."""
    before = {file: file.read_bytes() for file in map(Path, kept)}
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ConfigError), (words, done.exception)
    assert {file: file.read_bytes() for file in before} == before
    return str(done.exception)


@pytest.mark.parametrize("command", READS)
def test_what_a_command_reads_it_does_not_write(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).write_text(name)
    specs = {"prepare-data": {"settings": Dataset().model_dump(), "size": None, "seed": 0}}
    read = [name for name in FILES if name in READS[command]]
    if command in specs:  # its own spec is read before what that names
        read = [spec(tmp_path, specs[command])]
    for name in read:
        words = [name if word == "a" and command in specs else word for word in READS[command]]
        said = refused(tmp_path, [command, *words, "--output", f"./{name}"], [name])
        assert said == f"output: {name} is read, or another output already: give it a path of its own"


def spec(folder, asked):
    file = folder / f"asked.{digest_of(asked)}.json"
    file.write_text(json.dumps(asked))
    return str(file.relative_to(Path.cwd()))


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command in ALSO_READ for name in ALSO_READ[command][1]]
)
def test_what_lies_beside_and_is_read_too(command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("results")
    assert " is read, or" in refused(tmp_path, [command, *ALSO_READ[command][0], "--output", name], [name])


@pytest.mark.parametrize("option", ["--log", "--runtime"])
def test_what_a_job_says_of_itself_replaces_nothing_that_it_reads(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).write_text(name)
    words = ["train-shadows", *READS["train-shadows"], "--output", "o.json", option, "c"]
    assert " is read, or" in refused(tmp_path, words, FILES)


@pytest.mark.parametrize("option", ["spec", "rates", "shadows.h5"])
def test_neither_does_a_calibration(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rates", "spec", "shadows.h5"):
        Path(name).write_text("results")
    command = ["run-controls", "shadows.h5", "--spec", "spec", "--rates", "rates", "--controls", option]
    words = [*command, "--samples", "s", "--gaps", "g"]
    assert " is read, or" in refused(tmp_path, words, [option])
    if option != "spec":
        words = ["calibrate-thresholds", "scores.h5", "--rates", "rates", "--metrics", option, "--samples", "s"]
        assert " is read, or" in refused(tmp_path, words, [option])


def test_the_users_own_data_and_weights_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.npz").write_text("mine")
    own = Dataset(source="file", kind="tabular", path="mine.npz").model_dump()
    asked = spec(tmp_path, {"settings": own, "size": None, "seed": 0})
    assert " is read, or" in refused(tmp_path, ["prepare-data", asked, "--output", "mine.npz"], ["mine.npz"])
    network = Architecture(family="timm", name="resnet18", weights="mine.npz")
    settings = PretrainingSettings(recipe_version=RECIPE_VERSION, architecture=network, recipe=Recipe())
    words = ["pretrain-model", spec(tmp_path, settings.model_dump()), "--data", "b", "--output", "mine.npz"]
    assert " is read, or" in refused(tmp_path, words, ["mine.npz"])
    study = {
        "study": "s",
        "shadow_models": 8,
        "datasets": {"digits": {"test": 500}},
        "runs": {"digits/t/r": {"start": "pretrained"}},
    }
    study |= {"architectures": {"t": network.model_dump(include={"family", "name", "weights"})}, "regimes": {"r": {}}}
    run = load_study(study).run_spec("digits/t/r").model_dump()
    words = ["train-shadows", spec(tmp_path, run), *READS["train-shadows"][1:], "--output", "mine.npz"]
    assert " is read, or" in refused(tmp_path, words, ["mine.npz"])


@pytest.fixture
def own_run(study, tmp_path):
    """A copy of a run's folder, which a test may lose."""
    return Path(copytree(run_folder(study, *MAIN[0]), tmp_path / "runs" / "digits" / "fcn" / "baseline" / "seed0"))


@pytest.mark.parametrize("ending", [".csv", ".md", ".tex", ".html"])
def test_a_table_is_not_written_over_what_it_shows(own_run, ending):
    files = [own_run / "summary.csv"]
    words = ["tabulate", "answer", str(files[0]), "--output", str(own_run / f"summary{ending}")]
    assert str(own_run) in refused(own_run, words, files) and not (own_run / "summary.html").exists()


def test_nor_over_other_results(own_run, study):
    said = (
        rf"output is .*metrics.md: {own_run}/metrics.csv is of the results in that folder: give another name or folder"
    )
    with pytest.raises(ConfigError, match=said):
        tabulate("answer", [run_folder(study, *MAIN[0])], own_run / "metrics.md")
    words = ["score-attacks", str(own_run / "shadows.h5"), "--output", "o.h5", "--targets", "0"]
    assert "results in that folder" in refused(
        own_run, [*words, "--table", str(own_run / "summary.md")], [own_run / "summary.csv"]
    )
    tabulate("answer", [own_run], own_run / "my_answer.md")


def test_a_table_that_was_copied_elsewhere_is_safe_too(own_run, tmp_path):
    copied = tmp_path / "copied.csv"
    copied.write_text("a copy")
    words = ["tabulate", "answer", str(copied), "--output", str(tmp_path / "copied.md")]
    assert " is read, or" in refused(tmp_path, words, [copied])


def test_a_figure_replaces_no_data(own_run, tmp_path):
    data = tmp_path / "data.png"
    data.write_text("data")
    words = ["plot", "roc", str(own_run / "scores.h5"), "--data", str(data), "--output", str(tmp_path / "data.pdf")]
    assert " is read, or" in refused(tmp_path, words, [data])


@pytest.mark.parametrize(
    "command", [["tabulate", "answer"], ["plot", "roc"], ["measure-ranks"], ["judge-study", "--margins", "{}"]]
)
def test_a_file_that_is_missing_is_no_folder(command, tmp_path):
    missing = tmp_path / "summary.csv"
    done = CliRunner().invoke(
        app, [*command, str(missing), "--output", str(tmp_path / f"o{SHOWN.get(command[0], '')}")]
    )
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == f"{missing} does not exist: give a file of a run, or its folder"
