"""The gate for releases, on runs and audits whose leakage is known."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm
from synthetic_study import run_folder
from typer.testing import CliRunner
from worlds import gaussian_world

from lira.attacks.lira import score_file
from lira.cli import app
from lira.core.errors import ConfigError, StoreError
from lira.evaluation.audits.files import audit_file
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.gate import Outcome, judge
from lira.evaluation.privacy import epsilon_bound
from lira.shadows.target import import_target
from lira.storage import hdf5
from lira.storage.csv_files import COLUMNS, write_csv
from lira.storage.run import Run


def test_a_run_is_compared_by_the_ends_of_its_intervals(study):
    folder = run_folder(study, "fcn", "baseline")
    rates = Run(folder).summary.query("mode == 'shadow' and metric == 'tpr' and fpr == 0.01 and attack != 'best'")
    wider = norm.ppf(1 - 0.025 / len(rates)) / norm.ppf(0.975)
    least, most = (rates["mean"] - wider * (rates["mean"] - rates["low"])).max(), rates["high"].max()
    assert len(rates) > 1 and least < rates["low"].max()
    assert judge(folder, max_tpr=least - 0.001).outcome == Outcome.EXCEEDED
    assert judge(folder, max_tpr=most + 0.001).outcome == Outcome.PASSES
    assert judge(folder, max_tpr=(least + most) / 2).outcome == Outcome.CANNOT_TELL
    said = judge(folder, max_tpr=most + 0.001).line
    assert said.startswith("passes: TPR at 1 % FPR is below") and f"{100 * most:.3g} %" in said
    said = judge(folder, max_tpr=least - 0.001).line
    assert f"at least {100 * least:.3g} % by" in said and f"lower 95 % end of {len(rates)} attacks at once" in said


def test_epsilon_is_exceeded_where_the_counts_refute_the_limit(study):
    folder = run_folder(study, "fcn", "baseline")
    rows = Run(folder).table("privacy.csv").query("fpr == 0.01")
    bounds = epsilon_bound(rows["tp"], rows["fn"], rows["fp"], rows["tn"], confidence=1 - 0.05 / len(rows))
    assert judge(folder, max_epsilon=bounds.max() - 0.01).outcome == Outcome.EXCEEDED
    assert judge(folder, max_epsilon=bounds.max() + 0.01).outcome == Outcome.CANNOT_TELL
    assert judge(folder, max_epsilon=50).outcome == Outcome.PASSES
    both = judge(folder, max_tpr=1, max_epsilon=bounds.max() - 0.01)
    assert both.outcome == Outcome.EXCEEDED and both.line.startswith("passes: TPR") and "; exceeded: ε" in both.line


def test_what_the_pool_does_not_resolve_cannot_be_told(study):
    found = judge(run_folder(study, "fcn", "tl"), max_tpr=0.5, at_fpr=0.001)
    assert found.outcome == Outcome.CANNOT_TELL
    assert "a target has 120 non-members, 1,000 are needed" in found.line


def test_an_fpr_of_zero_is_never_resolved(tmp_path):
    made_audit(tmp_path, {"online": 5}, fpr=0.0)
    found = judge(tmp_path, max_tpr=0.5)
    assert found.outcome == Outcome.CANNOT_TELL
    assert found.line == "cannot tell: TPR at 0 % FPR is not resolved: an FPR of 0 never is"
    assert judge(tmp_path, max_tpr=0.001).outcome == Outcome.EXCEEDED


def test_a_limit_that_all_of_twelve_attacks_keep_is_hardly_ever_exceeded(tmp_path):
    """By the 95 % interval of each, one of twelve would be above it in a fifth of the audits."""
    rng, exceeded = np.random.default_rng(0), 0
    for _ in range(200):
        made_audit(tmp_path, {f"attack{i}": rng.binomial(500, 0.1) for i in range(12)})
        exceeded += judge(tmp_path, max_tpr=0.1).outcome == Outcome.EXCEEDED
    assert exceeded <= 12


def test_a_single_attack_has_its_own_interval(tmp_path):
    made_audit(tmp_path, {"online": 70})
    least = binomtest(70, 500).proportion_ci(method="exact").low
    assert judge(tmp_path, max_tpr=least + 1e-4).outcome == Outcome.CANNOT_TELL
    found = judge(tmp_path, max_tpr=least - 1e-4)
    assert found.outcome == Outcome.EXCEEDED and found.line.endswith("by online, lower 95 % end of one attack")


def made_audit(folder, tp, fp=0, fpr=0.1):
    """Writes an audit of 500 members and 500 others, with so many true positives of each attack."""
    rates = [
        (name, fpr, metric, hits / 500) for name, n in tp.items() for metric, hits in (("tpr", n), ("fpr_achieved", fp))
    ]
    rows = pd.DataFrame(rates, columns=["attack", "fpr", "metric", "value"])
    write_csv(folder / "summary.csv", rows.reindex(columns=COLUMNS["audit"]), "0f")
    (folder / "audit.json").write_text(json.dumps({"members": 500, "records": 1000, "sha256": "0f"}))


def test_the_command_has_an_exit_code_for_each_outcome(study):
    folder = str(run_folder(study, "fcn", "baseline"))
    for limit, code in ((0.01, 3), (0.99, 0)):
        made = CliRunner().invoke(app, ["gate", folder, "--max-tpr", str(limit)])
        assert made.exit_code == code and len(made.output.splitlines()) == 1
    made = CliRunner().invoke(app, ["gate", folder, "--max-tpr", "0.99", "--at-fpr", "0.001"])
    assert made.exit_code == 4


def test_mistakes_are_told(study, tmp_path):
    with pytest.raises(ConfigError, match="no limit is given: give --max-tpr, --max-epsilon or both"):
        judge(run_folder(study, "fcn", "baseline"))
    with pytest.raises(ConfigError, match="at_fpr is 0.5: allowed are 0.001 and 0.01"):
        judge(run_folder(study, "fcn", "baseline"), max_tpr=0.1, at_fpr=0.5)
    with pytest.raises(StoreError, match="has neither a run's shadows.h5 nor an audit.json"):
        judge(tmp_path, max_tpr=0.1)
    folder = run_folder(tmp_path / "copy", "fcn", "baseline")
    shutil.copytree(run_folder(study, "fcn", "baseline"), folder)
    rows = pd.read_csv(folder / "privacy.csv")
    write_csv(folder / "privacy.csv", rows[rows["attack"] != "online"])
    with pytest.raises(
        StoreError, match="privacy.csv and summary.csv have other attacks or FPRs: run snakemake to the"
    ):
        judge(folder, max_tpr=0.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 16 models and 400 records."""
    folder = tmp_path_factory.mktemp("audited") / "runs" / "d" / "a" / "r" / "seed0"
    phi, member = gaussian_world(16, 400, 2.0)
    about = {"study": "s", "dataset": "d", "architecture": "a", "regime": "r", "seed": 0, "sha256": "0f", "recipe": {}}
    with hdf5.create(hdf5.folder_of(folder / "shadows.h5") / "shadows.h5", "shadows", about) as file:
        file["phi"], file["member"] = phi.astype(np.float32), member
    score_file(folder / "shadows.h5", folder / "scores.h5")
    calibrate_file(folder / "scores.h5", [0.05], [0.1], folder / "metrics.csv", folder / "samples.csv")
    return folder


@pytest.mark.parametrize(("strength", "outcome"), [(8.0, Outcome.EXCEEDED), (0.0, Outcome.PASSES)])
def test_an_audit_is_judged_by_its_own_counts(run, tmp_path, strength, outcome):
    with Run(run).shadows() as file:
        phi, member = file["phi"][:].astype(np.float64), file["member"][:]
    outside = np.where(member[..., None], np.nan, phi)
    trained = np.random.default_rng(5).random(phi.shape[1]) < 0.5
    given = np.nanmean(outside, axis=0) + strength * trained[:, None]
    np.savez(tmp_path / "given.npz", phi=given, member=trained)
    import_target(tmp_path / "given.npz", run / "shadows.h5", tmp_path / "made" / "target.h5")
    audit_file(tmp_path / "made" / "target.h5", run, tmp_path / "made", [0.05], [0.1])
    found = judge(tmp_path / "made", max_tpr=0.3)
    assert found.outcome == outcome, found.line
    assert "record" not in found.line


def test_an_audit_without_members_has_no_rates(run, tmp_path):
    with Run(run).shadows() as file:
        np.savez(tmp_path / "given.npz", phi=file["phi"][0])
    import_target(tmp_path / "given.npz", run / "shadows.h5", tmp_path / "made" / "target.h5")
    audit_file(tmp_path / "made" / "target.h5", run, tmp_path / "made", [0.05], [0.1])
    with pytest.raises(StoreError, match="was made without a list of members, so it has no rates"):
        judge(tmp_path / "made", max_tpr=0.3)
