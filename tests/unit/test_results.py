"""The CSV files of a study: damaged, swapped and foreign ones are named, never taken for what they are not."""

import shutil

import pytest
from synthetic_study import agreement_folder, run_folder

from lira import tables
from lira.agreement import measure_agreement
from lira.errors import StoreError
from lira.results import COLUMNS, RUN_KEYS, Run, read_csv
from lira.summary import summarise_file

OF_A_RUN = {"metrics", "samples", "controls", "null_samples", "null_gaps", "summary"}


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n3", 'a,b\n1,"2\n', "a\n1,2\n1,2,3\n", "a\n\xff\n"])
def test_a_damaged_one_is_named_with_its_remedy(tmp_path, content):
    file = tmp_path / "a.csv"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError, match=rf"a.csv is damaged \(.*: rm {file}, and run the same command again"):
        read_csv(file)


def test_every_file_of_a_study_has_its_columns(study):
    found = {}
    for path in study.rglob("*.csv"):
        if path.stem in COLUMNS:
            columns = list(read_csv(path, path.stem))
            found[path.stem] = path.stem in OF_A_RUN
            assert columns[: len(RUN_KEYS)] == list(RUN_KEYS) or path.stem not in OF_A_RUN
            own = columns[len(RUN_KEYS) :] if path.stem in OF_A_RUN else columns
            assert [name for name in own if name != "null"] == COLUMNS[path.stem], path
    assert found.keys() == COLUMNS.keys()


@pytest.fixture
def run(study, tmp_path):
    """A copy of a run that may be spoilt."""
    return shutil.copytree(run_folder(study, "fcn", "aof"), tmp_path / "run")


def test_one_of_another_seed_is_not_taken_for_the_runs_own(study, run):
    other = run_folder(study, "fcn", "aof", 1)
    for name in sorted(OF_A_RUN):
        assert len(Run(run).table(f"{name}.csv"))
        shutil.copy(other / f"{name}.csv", run)
        with pytest.raises(StoreError, match=rf"{name}.csv is of digits/fcn/aof/1, not of digits/fcn/aof/0: rm"):
            Run(run).table(f"{name}.csv")


def test_one_of_another_kind_is_not_taken_for_it(study, run, tmp_path):
    shutil.copy(run / "samples.csv", run / "summary.csv")
    with pytest.raises(StoreError, match=r"summary.csv has no column attack, so it is not a summary.csv: rm"):
        tables.tabulate("optimistic", [run], tmp_path / "optimistic.csv")
    assert not list(tmp_path.glob("optimistic.*"))
    folder = shutil.copytree(agreement_folder(study), tmp_path / "agreement")
    shutil.copy(folder / "topq.csv", folder / "agreement.csv")
    with pytest.raises(StoreError, match=r"agreement.csv has no column fpr"):
        read_csv(folder / "agreement.csv", "agreement")


def test_steps_that_read_csv_files_refuse_those_of_another_run(study, run, tmp_path):
    other = run_folder(study, "fcn", "aof", 1)
    files = {"metrics": run / "metrics.csv", "controls": run / "controls.csv"}
    for name in files:
        wrong = files | {name: other / f"{name}.csv"}
        with pytest.raises(StoreError, match=f"{name}.csv is of digits/fcn/aof/1"):
            summarise_file(run / "scores.h5", wrong["metrics"], tmp_path / "summary.csv", wrong["controls"])
    shutil.copy(other / "samples.csv", run)
    with pytest.raises(StoreError, match=r"samples.csv is of digits/fcn/aof/1"):
        measure_agreement([run, other], [], [], [0.01], tmp_path / "agreement.csv")
    assert not list(tmp_path.glob("*.csv"))
