"""The CSV files of a study: damaged, swapped and foreign ones are named, never taken for what they are not."""

import json
import shutil
import subprocess

import h5py
import pandas as pd
import pytest
from synthetic_study import agreement_folder, run_folder

from lira.core.errors import ConfigError, DataError, StoreError
from lira.evaluation.agreement import measure_agreement
from lira.evaluation.gate import judge
from lira.evaluation.ranks import measure_ranks
from lira.evaluation.summary import summarise_file
from lira.report.tabulate import tabulate
from lira.storage import hdf5
from lira.storage.comparison import Comparison
from lira.storage.csv_files import COLUMNS, NAMES, read_csv, write_csv
from lira.storage.run import RUN_KEYS, Run
from lira.storage.study import Study

OF_A_RUN = {"metrics", "samples", "controls", "null_samples", "null_gaps", "summary", "groups", "budgets"}
OF_A_RUN |= {"privacy", "attack_overlap", "null_attack_overlap", "record_calibration"}


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n3", 'a,b\n1,"2\n', "a\n1,2\n1,2,3\n", "a\n\xff\n"])
def test_a_damaged_one_is_named_with_its_remedy(tmp_path, content):
    file = tmp_path / "a.csv"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError, match=rf"a.csv is damaged \(.*: rm {file}, and run the same command again"):
        read_csv(file)


@pytest.mark.parametrize("name", ["NA", "N/A", "None", "null", "nan", "NaN", "002", "1e3", "inf", "True"])
def test_names_are_read_as_they_are_written_and_only_nothing_is_missing(tmp_path, name):
    written = pd.DataFrame({column: [name, None] for column in NAMES} | {"fpr": [None, 0.5], "rank": [3, 4]})
    write_csv(tmp_path / "a.csv", written)
    read = read_csv(tmp_path / "a.csv")
    for column in NAMES:
        assert read[column][0] == name and read[column].isna().tolist() == [False, True], column
    assert read["fpr"].isna().tolist() == [True, False] and read["fpr"][1] == 0.5 and read["rank"].tolist() == [3, 4]


@pytest.mark.parametrize("folder", [None, 5, b"runs"])
def test_what_is_no_folder_is_said(folder):
    for results in (Run, Study, Comparison):
        with pytest.raises(ConfigError, match=f"^folder is {folder!r}: allowed is a path$"):
            results(folder)
    with pytest.raises(ConfigError, match=f"^file is {folder!r}: allowed is a path$"), hdf5.read(folder, "shadows"):
        pass


def test_every_file_of_a_study_has_its_columns(study):
    found = {}
    for path in study.rglob("*.csv"):
        if path.stem in COLUMNS:
            columns = list(read_csv(path, path.stem))
            found[path.stem] = path.stem in OF_A_RUN
            assert columns[: len(RUN_KEYS)] == list(RUN_KEYS) or path.stem not in OF_A_RUN
            own = columns[len(RUN_KEYS) :] if path.stem in OF_A_RUN else columns
            assert own == [*COLUMNS[path.stem], *(["chosen"] if path.stem == "summary" else [])], path
    assert found.keys() == COLUMNS.keys() - {"audit"}  # the summary.csv of a given model, of which there is none here


@pytest.fixture
def run(study, tmp_path):
    """A copy of a run that may be spoilt."""
    return shutil.copytree(run_folder(study, "fcn", "aof"), tmp_path / "run")


def copy(source, target):
    """A file in another's place, with its checksum."""
    shutil.copy(source, target)
    shutil.copy(f"{source}.sha256", f"{target}.sha256")


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:1],
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], lines[-1].replace("1", "2")],
    ],
    ids=["no rows", "a row less", "a row twice", "another number"],
)
def test_one_that_is_not_as_it_was_written_is_refused(run, change):
    path = run / "summary.csv"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(StoreError, match=r"summary.csv is damaged \(its checksum is not that of summary.csv.sha256\)"):
        Run(run).table("summary.csv")


def test_the_checksum_is_one_that_sha256sum_knows(run):
    done = subprocess.run(
        ["sha256sum", "-c", "metrics.csv.sha256"], cwd=run, capture_output=True, text=True, check=True
    )
    assert done.stdout == "metrics.csv: OK\n"
    (run / "metrics.csv.sha256").unlink()
    assert len(Run(run).table("metrics.csv"))


@pytest.mark.parametrize(("name", "changed"), [("own", {"mine": "0f"}), ("definition", {"offline": "one-sided"})])
def test_tables_of_attacks_that_were_defined_otherwise_are_not_taken_for_those_of_the_scores(run, name, changed):
    with h5py.File(run / "scores.h5", "r+") as file:
        file.attrs[name] = json.dumps(json.loads(file.attrs[name]) | changed)
        file.attrs[hdf5.CHECKSUM] = hdf5._checksum(file.attrs)
    for table in ("metrics", "samples", "summary", "groups", "budgets", "privacy", "controls", "record_calibration"):
        with pytest.raises(StoreError, match=rf"{table}.csv was made from other attacks than its run now has: rm"):
            Run(run).table(f"{table}.csv")
    with pytest.raises(StoreError, match="was made from other attacks"):
        judge(run, max_tpr=0.5)
    (run / "scores.h5").unlink()  # of which nothing is known then
    assert len(Run(run).table("metrics.csv"))


@pytest.mark.parametrize("name", ["shadows.h5", "scores.h5"])
def test_an_hdf5_file_of_another_run_is_not_taken_for_it(study, tmp_path, name):
    other = shutil.copytree(study, tmp_path / "study")
    place, foreign = run_folder(other, "fcn", "aof"), run_folder(other, "fcn", "aof", 1)
    shutil.copy(foreign / name, place)
    with pytest.raises(StoreError, match=rf"{name} is of another run \(.*digits.*fcn.*aof.*1.*\): rm"):
        measure_ranks([place, foreign], tmp_path / "ranks")
    assert not (tmp_path / "ranks").exists()


def test_runs_that_cannot_be_compared_are_refused(study, tmp_path):
    first, second = (run_folder(study, "fcn", "aof", seed) for seed in (0, 1))
    output = tmp_path / "agreement.csv"
    for call in (
        lambda runs: measure_agreement(runs, [], [], [0.01], output),
        lambda runs: measure_ranks(runs, tmp_path),
    ):
        with pytest.raises(DataError, match="the run .*seed0 is given more than once"):
            call([first, second, first / ".." / "seed0"])
        other = shutil.copytree(second, tmp_path / "other" / "seed1")
        with h5py.File(other / "shadows.h5", "r+") as file:
            file["labels"][0] += 1
        with pytest.raises(DataError, match="have different pools: compare runs of one pool"):
            call([first, other])
        shutil.rmtree(tmp_path / "other")
    with pytest.raises(DataError, match=r"2 variants have the labels \['a', 'a'\]: each variant needs one of its own"):
        measure_agreement([first], [second, second], ["a", "a"], [0.01], output)
    assert not list(tmp_path.iterdir())


def test_one_of_another_seed_is_not_taken_for_the_runs_own(study, run):
    other = run_folder(study, "fcn", "aof", 1)
    for name in sorted(OF_A_RUN):
        assert len(Run(run).table(f"{name}.csv"))
        copy(other / f"{name}.csv", run / f"{name}.csv")
        with pytest.raises(StoreError, match=rf"{name}.csv is of digits/fcn/aof/1, not of digits/fcn/aof/0: rm"):
            Run(run).table(f"{name}.csv")


def test_one_of_another_kind_is_not_taken_for_it(study, run, tmp_path):
    copy(run / "samples.csv", run / "summary.csv")
    with pytest.raises(StoreError, match=r"summary.csv has no column attack, so it is not a summary.csv: rm"):
        tabulate("optimistic", [run], tmp_path / "optimistic.csv")
    assert not list(tmp_path.glob("optimistic.*"))
    folder = shutil.copytree(agreement_folder(study), tmp_path / "agreement")
    copy(folder / "topq.csv", folder / "agreement.csv")
    with pytest.raises(StoreError, match=r"agreement.csv has no column fpr"):
        read_csv(folder / "agreement.csv", "agreement")


def test_steps_that_read_csv_files_refuse_those_of_another_run(study, run, tmp_path):
    other = run_folder(study, "fcn", "aof", 1)
    files = {"metrics": run / "metrics.csv", "controls": run / "controls.csv"}
    for name in files:
        wrong = files | {name: other / f"{name}.csv"}
        with pytest.raises(StoreError, match=f"{name}.csv is of digits/fcn/aof/1"):
            summarise_file(run / "scores.h5", wrong["metrics"], tmp_path / "summary.csv", wrong["controls"])
    copy(other / "samples.csv", run / "samples.csv")
    with pytest.raises(StoreError, match=r"samples.csv is of digits/fcn/aof/1"):
        measure_agreement([run, other], [], [], [0.01], tmp_path / "agreement.csv")
    assert not list(tmp_path.glob("*.csv"))
