"""Some models as the targets and all others as their shadow models, from file to file and on the command line."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner
from worlds import gaussian_world

from lira.attacks.lira import Definition, held_out, leave_one_out, score_file
from lira.attacks.registry import ATTACKS
from lira.cli import app
from lira.core.errors import ConfigError, DataError, StoreError
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.roc import summarise_roc, threshold_at_fpr
from lira.evaluation.single_target import single_target
from lira.evaluation.summary import summarise_file
from lira.report.labels import show
from lira.report.single import single_roc
from lira.storage import hdf5
from lira.storage.identity import digest_of

RUN = {"study": "test", "dataset": "digits", "architecture": "fcn", "regime": "aof", "seed": 3}


@pytest.fixture
def world(tmp_path):
    phi, member = gaussian_world(12, 120, 2.0, views=2)
    with hdf5.create(tmp_path / "shadows.h5", "shadows", RUN) as file:
        file["phi"], file["member"] = phi, member
    return phi, member, tmp_path / "shadows.h5"


def scores_of(path):
    with hdf5.read(path, "scores") as file:
        return {name: file[name][:] for name in file}, hdf5.attributes(file)


@pytest.mark.parametrize("cut", [False, True])
def test_the_file_has_the_scores_of_held_out(world, tmp_path, cut):
    phi, member, shadows = world
    score_file(shadows, tmp_path / "s.h5", attacks=[*ATTACKS], definition=Definition(cut=cut), targets=[9, 0, 5])
    found, attributes = scores_of(tmp_path / "s.h5")
    assert attributes["targets"] == [9, 0, 5]
    np.testing.assert_array_equal(found.pop("member"), member[[9, 0, 5]])
    expected = held_out(phi, member, [9, 0, 5], [*ATTACKS], definition=Definition(cut=cut))
    assert {*found} == {*expected}
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name], scores, err_msg=name)


def test_one_target_has_its_leave_one_out_scores(world, tmp_path):
    phi, member, shadows = world
    score_file(shadows, tmp_path / "s.h5", definition=Definition(), targets=[4])
    for name, scores in leave_one_out(phi, member).items():
        np.testing.assert_allclose(scores_of(tmp_path / "s.h5")[0][name][0], scores[4], rtol=1e-9, atol=1e-10)


def test_ones_own_attack_sees_one_target_beside_the_shadow_models(world, tmp_path, monkeypatch):
    _, member, shadows = world
    (tmp_path / "counted.py").write_text(
        "import numpy as np\n\n\ndef scores(phi, member):\n    return phi.mean(axis=2) + 1000 * member.sum(axis=0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    score_file(shadows, tmp_path / "s.h5", attacks=["global"], own={"counted": "counted:scores"}, targets=[2, 7])
    found, _ = scores_of(tmp_path / "s.h5")
    for row, target in enumerate((2, 7)):
        others = np.delete(member, [2, 7], axis=0).sum(axis=0) + member[target]
        np.testing.assert_allclose(found["counted"][row], found["global"][row] + 1000 * others)


def test_where_a_side_is_missing_the_other_attacks_are_scored_and_the_log_says_why(tmp_path, caplog):
    phi, member = gaussian_world(8, 60, 2.0)
    member[:, 0] = np.arange(8) < 2
    with hdf5.create(tmp_path / "shadows.h5", "shadows", RUN) as file:
        file["phi"], file["member"] = phi, member
    with caplog.at_level(logging.WARNING):
        score_file(tmp_path / "shadows.h5", tmp_path / "s.h5", targets=[0, 1])
    found, attributes = scores_of(tmp_path / "s.h5")
    assert {*found} == {"member", "offline", "offline_fixed", "global"}
    said = "sample 0 has no IN score among the 6 shadow models"
    assert said in attributes["not_scored"]["online"] and said in caplog.text
    with pytest.raises(DataError, match=said):
        score_file(tmp_path / "shadows.h5", tmp_path / "s.h5", attacks=["online"], targets=[0, 1])


def test_what_is_no_target_is_refused(world, tmp_path):
    for targets in ([12], [-1], [3, 3], []):
        with pytest.raises(DataError, match="targets are"):
            score_file(world[2], tmp_path / "s.h5", targets=targets)
    assert not (tmp_path / "s.h5").exists()


def test_the_calibration_of_such_a_file_is_refused_in_one_sentence(world, tmp_path):
    score_file(world[2], tmp_path / "s.h5", targets=[0, 5])
    said = "has scores of models 0, 5 alone, as score-attacks --targets writes them: thresholds from shadow models need"
    with pytest.raises(StoreError, match=said):
        calibrate_file(tmp_path / "s.h5", [0.1], [0.5], tmp_path / "m.csv", tmp_path / "c.csv")
    with pytest.raises(StoreError, match=said):
        summarise_file(tmp_path / "s.h5", tmp_path / "m.csv", tmp_path / "summary.csv")


def test_the_command_writes_the_file_and_prints_the_table(world, tmp_path):
    _, member, shadows = world
    words = ["score-attacks", str(shadows), "--output", str(tmp_path / "s.h5"), "--targets", "1,8", "--fpr", "0.1"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.output.splitlines() if line[:1] == "|"]
    cells = dict(zip(lines[0], lines[2], strict=True))
    scores = scores_of(tmp_path / "s.h5")[0]["online"].ravel()
    pooled = scores, member[[1, 8]].ravel()
    assert cells["Attack"] == "LiRA (online)" and len(lines) == 2 + 5
    assert cells["AUC (%)"] == f"{100 * summarise_roc(*pooled).auc:.2f}"
    assert cells["TPR (%) at 10 % FPR"].startswith(f"{100 * threshold_at_fpr(*pooled, 0.1).tpr:.3f} (")
    assert "Targets 1, 8 in one ROC" in told.output
    for more, said in (
        (["--targets", "1;8"], "allowed are whole numbers separated by commas"),
        ([], "are of what --targets prints"),
        (["--figure", str(tmp_path / "s.h5")], "a figure is written as .pdf, .png: end it so"),
    ):
        refused = CliRunner().invoke(app, [*words[:4], *more, "--fpr", "0.1"])
        assert isinstance(refused.exception, ConfigError) and said in str(refused.exception)


def test_the_command_writes_the_table_and_the_roc_of_all_targets_together(world, tmp_path):
    _, member, shadows = world
    words = ["score-attacks", str(shadows), "--output", str(tmp_path / "s.h5"), "--targets", "1,8", "--fpr", "0.1"]
    files = ["--table", str(tmp_path / "table.csv"), "--figure", str(tmp_path / "roc.pdf")]
    told = CliRunner().invoke(app, [*words, *files])
    assert told.exit_code == 0, told.output
    assert {path.name for path in tmp_path.iterdir()} >= {"table.csv", "table.html", "table.tex", "roc.pdf", "roc.png"}
    assert (tmp_path / "table.md").read_text().startswith(told.output.strip()[:200])
    scores, pooled = scores_of(tmp_path / "s.h5")[0], member[[1, 8]].ravel()
    found = pd.read_csv(tmp_path / "table.csv").set_index("attack")
    lines = {line.get_label(): line for line in single_roc(tmp_path / "s.h5").axes[0].get_lines()}
    for attack, rows in scores.items():
        if attack != "member":
            tpr = threshold_at_fpr(rows.ravel(), pooled, 0.1).tpr
            assert found.loc[attack, "tpr"] == tpr
            x, y = lines[show(attack)].get_data()
            ends = y[np.searchsorted(x, 0.1, side="right") - 1], y[np.searchsorted(x, 0.1)]
            assert ends[0] - 1e-12 <= tpr <= ends[1] + 1e-12


def test_without_a_spec_the_study_of_the_file_says_which_attacks(world, tmp_path):
    *_, shadows = world
    place = tmp_path / "results" / "runs" / "digits" / "fcn" / "aof" / "seed3"
    place.mkdir(parents=True)
    shadows.rename(place / "shadows.h5")
    (tmp_path / "results" / "specs").mkdir()
    spec = {"offline": "one-sided", "names": ["offline", "rmia"], "cut": False}
    (tmp_path / "results" / "specs" / f"attacks.{digest_of(spec)}.json").write_text(json.dumps(spec))
    words = ["score-attacks", str(place / "shadows.h5"), "--output", str(tmp_path / "s.h5"), "--targets", "1"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    found, attributes = scores_of(tmp_path / "s.h5")
    assert {*found} == {"member", "offline", "rmia"} and attributes["definition"]["offline"] == "one-sided"


def test_precision_of_nothing_flagged_is_zero_as_the_released_code_has_it():
    scores, member = np.array([[1.0, 2.0, 3.0]]), np.array([[True, True, False]])
    row = single_target({"online": scores}, member, [0.1]).iloc[0]
    assert (row["tpr"], row["precision"], row["auc"]) == (0, 0, 0)
