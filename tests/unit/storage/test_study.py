"""What the folder of a study's results holds: runs, comparisons, and the data of a run."""

import shutil

import pytest
from synthetic_study import RUNS, agreement_folder, data_file, run_folder

from lira.core.errors import ConfigError, StoreError
from lira.storage.run import Run
from lira.storage.study import Study


def test_runs_and_comparisons_of_a_dataset(study):
    found = Study(study)
    assert found.datasets == ["digits"]
    every = {run_folder(study, *key, seed) for key, seeds in RUNS.items() for seed in seeds}
    assert {run.folder for run in found.calibrated_runs("digits")} == every
    assert [comparison.folder for comparison in found.comparisons("digits")] == [agreement_folder(study)]
    assert not found.comparisons("cifar10") and not found.calibrated_runs("cifar10")


def test_a_record_is_followed_in_the_runs_of_the_first_comparison(study):
    (comparison,) = Study(study).comparisons("digits")
    followed = [run.folder for run in Study(study).runs_to_follow()]
    assert followed == [run.folder for run in comparison.runs]
    assert [run.folder for run in Study(study).runs_to_follow("digits")] == followed


def test_without_a_comparison_it_is_followed_in_the_runs_of_the_lowest_seed(study, tmp_path):
    for seed in (1, 2):
        shutil.copytree(run_folder(study, "fcn", "aof", seed), run_folder(tmp_path, "fcn", "aof", seed))
    assert [run.folder for run in Study(tmp_path).runs_to_follow()] == [run_folder(tmp_path, "fcn", "aof", 1)]
    for run in Study(tmp_path).calibrated_runs("digits"):
        (run.folder / "samples.csv").unlink()
    with pytest.raises(ConfigError, match="has no calibrated run of digits yet: finish it with snakemake"):
        Study(tmp_path).runs_to_follow()


def test_which_dataset_is_meant_must_be_clear(study, tmp_path):
    with pytest.raises(ConfigError, match="dataset of .* is 'cifar10': allowed is 'digits'"):
        Study(study).runs_to_follow("cifar10")
    with pytest.raises(ConfigError, match="has no runs: give a folder results/<study> with finished ones"):
        Study(study / "data").runs_to_follow()
    for dataset in ("a", "b"):
        (tmp_path / "runs" / dataset).mkdir(parents=True)
    with pytest.raises(ConfigError, match="dataset of .* is None: allowed are 'a' and 'b'"):
        Study(tmp_path).runs_to_follow()


def test_the_data_of_a_run_are_its_datasets_smallest_of_its_split(study, tmp_path):
    run = Run(run_folder(study, "fcn", "aof"))
    assert Study(study).data_of(run) == data_file(study)
    assert Study(tmp_path).data_of(run) is None
    sizes = {
        "digits-b-train-split0": 0,  # of the dataset digits-b
        "digits-train-split0": 3,
        "digits-32px-train-split0": 2,
        "digits-train-split1": 1,  # of another seed
    }
    (tmp_path / "data").mkdir()
    for name, size in sizes.items():
        (tmp_path / "data" / f"{name}.h5").write_bytes(bytes(size))
    assert Study(tmp_path).data_of(run).stem == "digits-32px-train-split0"
    other = Run(run_folder(study, "fcn", "aof", 2))  # of a seed that no split is made for
    assert Study(tmp_path).data_of(other).stem == "digits-train-split1"


def test_a_damaged_list_of_compared_runs_is_named(study, tmp_path):
    other = shutil.copytree(study, tmp_path / "study")
    (agreement_folder(other) / "runs.json").write_text("{")
    with pytest.raises(StoreError, match=r"runs.json is damaged .*: rm"):
        Study(other).runs_to_follow()
