"""Cards of records: counts and PPV against numbers computed another way, and which records are shown."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from synthetic_study import FPRS, PRIORS, RUNS, run_folder
from typer.testing import CliRunner

from lira.cli import app
from lira.core.errors import ConfigError
from lira.report.figures._pictures import Pictures
from lira.report.records import counts, most_exposed, worth
from lira.report.tables.records import table
from lira.storage import hdf5
from lira.storage.run import Run
from lira.storage.study import Study

SEEDS = [("fcn", "aof", seed) for seed in RUNS["fcn", "aof"]]


@pytest.fixture
def folders(study):
    return [run_folder(study, *key) for key in SEEDS]


def test_ppv_is_that_of_the_records_own_rates():
    found = worth(pd.DataFrame({"tp": [3, 0, 0], "fp": [1, 0, 2], "tn": [31, 32, 30], "fn": [29, 32, 32]}), PRIORS)
    assert found["ppv_0.5"][0] == pytest.approx(3 / 4)
    assert found["ppv_0.01"][0] == pytest.approx(0.01 * 3 / (0.01 * 3 + 0.99 * 1))
    assert np.isnan(found.loc[1, ["ppv_0.5", "least_0.5"]]).all()
    assert found["ppv_0.5"][2] == found["least_0.5"][2] == 0


def test_the_least_ppv_holds_as_often_as_it_says():
    """Over all outcomes of 20 and 20 models with known rates, the truth lies at or above it 95 % of the time."""
    tp, fp = (values.ravel() for values in np.meshgrid(np.arange(21), np.arange(21)))
    for tpr, fpr in ((0.3, 0.05), (0.1, 0.1), (0.9, 0.01)):
        weight = binom.pmf(tp, 20, tpr) * binom.pmf(fp, 20, fpr)
        found = worth(pd.DataFrame({"tp": tp, "fp": fp, "tn": 20 - fp, "fn": 20 - tp}), [0.1])
        truth = 0.1 * tpr / (0.1 * tpr + 0.9 * fpr)
        assert weight[found["least_0.1"].fillna(0) <= truth + 1e-12].sum() >= 0.95
        told = found.dropna()
        assert (told["least_0.1"] <= told["ppv_0.1"] + 1e-12).all()


def test_counts_and_phi_are_those_of_the_run(folders):
    data = table(folders, sample=7, fpr=FPRS[1]).data
    for folder, row in zip(folders, data.itertuples(), strict=True):
        run = Run(folder)
        samples = run.table("samples.csv").query(f"sample == 7 and fpr == {FPRS[1]}").iloc[0]
        assert (row.tp, row.fp, row.tn, row.fn) == tuple(samples[["tp", "fp", "tn", "fn"]])
        with run.shadows() as file:
            phi, member = file["phi"][:, 7].mean(axis=1), file["member"][:, 7]
        assert row.phi_in_mean == pytest.approx(phi[member].mean(), rel=1e-5)
        assert row.phi_out_std == pytest.approx(phi[~member].std(ddof=1), rel=1e-5)


def test_the_most_exposed_are_found_by_most_runs_then_most_often(folders):
    found = counts([Run(folder) for folder in folders], FPRS[1])
    chosen = most_exposed(found, 5)
    key = {
        j: (-sum(rows["fp"][j] == 0 and rows["tp"][j] > 0 for rows in found), -sum(rows["tp"][j] for rows in found))
        for j in range(240)
    }
    assert chosen == sorted(key, key=lambda j: (*key[j], j))[:5]
    shown = table(folders, count=5)
    assert list(dict.fromkeys(shown.data["record"])) == chosen
    assert "most exposed of the whole pool" in shown.notes[-1]
    assert not any("most exposed" in note for note in table(folders, sample=chosen[0]).notes)


def test_the_command_prints_the_card_and_draws_it(study, tmp_path):
    done = CliRunner().invoke(app, ["record", str(study), "7", "--fpr", "0.01", "--output", str(tmp_path / "card.xyz")])
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
