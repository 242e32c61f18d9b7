"""What is read of a comparison, and what its folder must be."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from synthetic_study import RUNS, VARIANTS, agreement_folder, run_folder

from lira.core.errors import StoreError
from lira.evaluation.identical_runs import agreement_by_rank
from lira.evaluation.ranks import measure_ranks
from lira.report.runs import title_of, title_of_ranks
from lira.report.tables.rank_agreement import table
from lira.storage.comparison import Comparison

SENTENCE = r"compares the run runs/.*, which .* does not hold: give the folder results/<study>/agreement/.*<regime>"


@pytest.fixture
def comparison(study):
    return Comparison(agreement_folder(study))


def test_runs_have_their_labels_and_the_reference_is_first(study, comparison):
    assert comparison.is_stored and not Comparison(study).is_stored
    assert comparison.key == {"dataset": "digits", "architecture": "fcn", "regime": "aof"}
    seeds = {f"seed{seed}": run_folder(study, "fcn", "aof", seed) for seed in RUNS["fcn", "aof"]}
    variants = {label: run_folder(study, *key) for label, key in VARIANTS.items()}
    assert {label: run.folder for label, run in comparison.reference.items()} == seeds
    assert {label: run.folder for label, run in comparison.variants.items()} == variants
    assert [run.folder for run in comparison.runs] == [*seeds.values(), *variants.values()]


def test_pool_and_negatives_are_those_of_the_first_run(comparison):
    with comparison.runs[0].shadows() as file:
        member = file["member"][:]
    assert comparison.pool == member.shape[1]
    assert comparison.negatives == pytest.approx((~member).sum(axis=1).mean())


def test_tables_and_gaps_by_chance(study, comparison):
    assert set(comparison.table("agreement.csv")["variants"].dropna()) == set(VARIANTS)
    gaps = comparison.null_gaps("median")
    for run, found in zip(comparison.reference.values(), gaps, strict=True):
        np.testing.assert_array_equal(found, pd.read_csv(run.folder / "null_gaps.csv")["median"])
    assert len(gaps) == len(RUNS["fcn", "aof"])


def test_ranks_of_the_first_samples_are_beside_the_chance_of_these(study, comparison, tmp_path):
    assert comparison.ranked == comparison.pool
    copied = Comparison(agreement_folder(shutil.copytree(study, tmp_path / "copy")))
    measure_ranks([run.folder for run in copied.reference.values()], copied.folder, samples=50)
    assert copied.ranked == 50
    for run, found in zip(copied.reference.values(), copied.null_gaps("mean"), strict=True):
        np.testing.assert_array_equal(found, pd.read_csv(run.folder / "null_gaps.csv")["mean"][:50])
    row = next(row for row in agreement_by_rank(copied, ["mean"]) if row["q"] == 10)
    assert (row["size"], row["jaccard_null"]) == (5, pytest.approx(0.1 / 1.9))
    assert f"below 50 of {copied.pool:,}; flagged are all" in table(copied).notes[0]
    assert title_of_ranks(copied).endswith("AOF, samples below 50")
    assert title_of_ranks(comparison) == title_of(comparison)


def test_a_folder_outside_of_a_studys_results_is_named(study, tmp_path):
    """Also where the file system has too few folders above it to name a study."""
    copied = shutil.copytree(agreement_folder(study), tmp_path / "fcn" / "aof")
    for folder in (copied, copied.parents[1] / "aof"):
        if not folder.is_dir():
            shutil.copytree(copied, folder)
        with pytest.raises(StoreError, match=SENTENCE):
            Comparison(folder).reference  # noqa: B018


def test_a_folder_near_the_root_is_named(study, monkeypatch):
    listed = (agreement_folder(study) / "runs.json").read_text()
    comparison = Comparison("/aof")
    monkeypatch.setattr("pathlib.Path.is_file", lambda path: path.name == "runs.json")
    monkeypatch.setattr("pathlib.Path.read_text", lambda path, **_: listed)
    with pytest.raises(StoreError, match=SENTENCE):
        comparison.runs  # noqa: B018


@pytest.mark.parametrize("content", ["{", "[]", '{"reference": [], "variants": []}', '{"reference": [{"label": "a"}]}'])
def test_a_damaged_list_of_runs_is_named(tmp_path, content):
    (tmp_path / "runs.json").write_text(content)
    with pytest.raises(StoreError, match=r"runs.json is damaged \(.*\): rm"):
        Comparison(tmp_path).reference  # noqa: B018


def test_a_run_that_is_no_longer_there_is_named(study, tmp_path):
    folder = shutil.copytree(agreement_folder(study), tmp_path / "agreement" / "digits" / "fcn" / "aof")
    for run in json.loads((folder / "runs.json").read_text())["reference"]:
        shutil.copytree(study / run["folder"], tmp_path / run["folder"])
    assert len(Comparison(folder).reference) == len(RUNS["fcn", "aof"])
    with pytest.raises(StoreError, match=SENTENCE):
        Comparison(folder).variants  # noqa: B018


def test_a_folder_without_a_list_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"runs.json does not exist: run the rule that makes it"):
        Comparison(tmp_path).variants  # noqa: B018
