"""From a CSV file with names and equal rows to what is said of each record: models, counts, tables, cards, notes."""

import h5py
import numpy as np
import pandas as pd
import pytest

from lira.attacks.lira import score_file
from lira.config import load_study
from lira.datasets import prepare_data
from lira.evaluation.calibration import calibrate_file
from lira.report.plot import plot
from lira.report.tabulate import preview, tabulate
from lira.shadows.gather import gather_shadows
from lira.shadows.jobs import train_shadows
from lira.storage.hdf5 import attributes
from lira.storage.run import Run

KEY = "ward/fcn/baseline"
NOTE = (
    "Exact duplicates (ward: 4 of 44 in the pool equal another one in it, 0 of the test set one in the pool): a model "
    "that holds an equal sample knows one that counts as a non-member."
)


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """Folder of a run, and the table that it is of."""
    folder = tmp_path_factory.mktemp("ward")
    rng, label = np.random.default_rng(0), np.arange(42) % 3
    rows = pd.DataFrame(rng.normal(size=(42, 4)) + label[:, None], columns=[*"abcd"])
    rows["sex"], rows["diagnosis"] = rng.choice(["f", "m"], 42), np.array(["benign", "malign", "élan"])[label]
    rows = pd.concat([rows, rows[:2]], ignore_index=True)
    rows.insert(0, "patient", [f"p-{row:03}" for row in range(44)])
    rows.to_csv(folder / "ward.csv", index=False)
    columns = {"label": "diagnosis", "id": "patient", "groups": "sex"}
    study = load_study(
        {
            "study": "s",
            "shadow_models": 4,
            "datasets": {"ward": {"source": "file", "path": str(folder / "ward.csv"), "kind": "tabular", **columns}},
            "architectures": {"fcn": {"family": "fcn", "hidden": [8]}},
            "regimes": {"baseline": {"epochs": 2, "batch_size": 8, "test_set": "nonmembers", "cohort": 4}},
            "runs": {KEY: {}},
        }
    )
    run, data = folder / "seed42", folder / "data.h5"
    prepare_data(study.dataset_of(KEY), None, 0, data)
    train_shadows(study.training_settings(KEY), study.describe_run(KEY, 42), data, 0, 3, run / "shards" / "0-3.json")
    receipts = [run / "shards" / "0-3.json"]
    gather_shadows(study.training_settings(KEY), study.describe_run(KEY, 42), receipts, data, run / "shadows.h5")
    score_file(run / "shadows.h5", run / "scores.h5")
    calibrate_file(run / "scores.h5", [0.1], [0.5], run / "metrics.csv", run / "samples.csv")
    return run, rows


def test_files_of_a_run_know_its_records(ward):
    run, rows = ward
    assert Run(run).about["id"].tolist() == rows["patient"].tolist()
    counts = pd.read_csv(run / "samples.csv")
    assert (
        counts["id"].tolist() == rows["patient"].tolist()
        and counts["class_name"].tolist() == rows["diagnosis"].tolist()
    )
    by_group = counts.groupby("group")["tp"].sum()
    assert by_group["f"] == counts["tp"][rows["sex"] == "f"].sum()
    with h5py.File(run / "scores.h5") as file:
        assert attributes(file)["duplicates"] == {"pool": 4} and "id" not in file


def test_tables_and_cards_name_the_record(ward, tmp_path):
    run, _ = ward
    tabulate("records", [run], tmp_path / "records.csv", sample=4)
    made = pd.read_csv(tmp_path / "records.csv").iloc[0]
    assert (made["record"], made["class"]) == (4, 1)
    assert (made["id"], made["class_name"], made["group"]) == ("p-004", "malign", Run(run).about["group"][4])
    assert "| p-004 | malign  |" in (tmp_path / "records.md").read_text()
    assert plot("records", [run], tmp_path / "card.pdf", sample=4, data=run.parent / "data.h5")


def test_tables_say_that_there_are_equal_samples(ward, tmp_path):
    run, _ = ward
    tabulate("utility", [run], tmp_path / "utility.csv")
    for suffix in (".md", ".html"):
        assert NOTE in (tmp_path / f"utility{suffix}").read_text()
    assert NOTE in preview("records", [run], sample=4)
    assert "Exact duplicates" in (tmp_path / "utility.tex").read_text()
