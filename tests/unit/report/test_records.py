"""Cards of records: which are shown, in the table, on the cards and by the command."""

import numpy as np
import pytest
from synthetic_study import FPRS, RUNS, run_folder
from typer.testing import CliRunner

from lira.cli import app
from lira.core.errors import ConfigError
from lira.evaluation.records import counts, most_exposed
from lira.report.figures._pictures import Pictures
from lira.report.tables.records import table
from lira.storage import hdf5
from lira.storage.run import Run
from lira.storage.study import Study

SEEDS = [("fcn", "aof", seed) for seed in RUNS["fcn", "aof"]]


@pytest.fixture
def runs(study):
    return [Run(run_folder(study, *key)) for key in SEEDS]


def test_the_most_exposed_are_shown_and_said_to_be_picked(runs):
    found = counts(runs, FPRS[1])
    shown, named = table(runs, count=5), table(runs, sample=3)
    assert list(dict.fromkeys(shown.data["record"])) == most_exposed(found, 5)
    assert "most exposed of the whole pool" in shown.notes[-1]
    assert not any("most exposed" in note for note in named.notes)


def test_the_command_prints_the_card_and_draws_it(study, tmp_path):
    done = CliRunner().invoke(app, ["record", str(study), "7", "--fpr", "0.01", "--output", str(tmp_path / "card.png")])
    assert done.exit_code == 0, done.output
    assert done.output.count("| 7 ") == len(Study(study).runs_to_follow())
    assert "FCN AOF seed 0" in done.output and "PPV (%) at π = 1 %" in done.output
    assert {path.name for path in tmp_path.iterdir()} == {"card.pdf", "card.png"}
    assert done.output.endswith(f"Card: {tmp_path / 'card.pdf'} and {tmp_path / 'card.png'}\n")
    missing = CliRunner().invoke(app, ["record", str(study), "240"])
    assert isinstance(missing.exception, ConfigError) and "0 to 239" in str(missing.exception)


def test_features_are_shown_as_a_grid(tmp_path):
    from matplotlib.figure import Figure

    with hdf5.create(tmp_path / "table.h5", "data", {"scale": 1.0}) as file:
        file["pool/x"], file["pool/y"] = np.arange(10.0).reshape(2, 5), [0, 1]
    axes = Figure().subplots()
    Pictures(tmp_path / "table.h5", tabular=True).draw(axes, 1)
    shown = axes.images[0].get_array()
    np.testing.assert_array_equal(np.ma.filled(shown, np.nan), [[5, 6, 7], [8, 9, np.nan], [np.nan] * 3])
