"""Notes below tables on what the scores of a run lack."""

import numpy as np
import pytest

from lira.attacks.lira import score_file
from lira.attacks.registry import ATTACKS
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.controls import control_file
from lira.evaluation.ranks import measure_ranks
from lira.evaluation.summary import summarise_file
from lira.report.figures import roc
from lira.report.marks import of_scores
from lira.report.tables import calibrated, optimistic, robustness
from lira.storage import hdf5
from lira.storage.run import Run

KEY = {"study": "s", "dataset": "d", "architecture": "a", "regime": "r", "seed": 0, "recipe": {}}


def scored(folder, member, attacks):
    """A run with all that follows from its scores."""
    rng = np.random.default_rng(0)
    folder = folder / "runs" / "d" / "a" / "r" / "seed0"
    folder.mkdir(parents=True)
    with hdf5.create(folder / "shadows.h5", "shadows", KEY) as file:
        file["phi"], file["member"] = rng.normal(size=(*member.shape, 2)) + member[..., None], member
    score_file(folder / "shadows.h5", folder / "scores.h5", attacks=attacks)
    rates, out = ([0.1], [0.5]), [folder / f"{name}.csv" for name in ("controls", "null_samples", "null_gaps")]
    calibrate_file(folder / "scores.h5", *rates, folder / "metrics.csv", folder / "samples.csv")
    control_file(folder / "shadows.h5", *rates, *out, attacks=attacks)
    summarise_file(folder / "scores.h5", folder / "metrics.csv", folder / "summary.csv", folder / "controls.csv")
    return Run(folder)


@pytest.mark.parametrize(
    ("attacks", "counted"), [([*ATTACKS], "online"), (["moderated", "reference", "global"], "moderated")]
)
def test_all_attacks_go_through_tables_ranks_and_the_roc(tmp_path, attacks, counted):
    member = np.random.default_rng(1).permuted(np.arange(16)[:, None] % 2 == np.zeros(60), axis=0)
    run = scored(tmp_path, member, attacks)
    assert run.attack == counted
    for table in (optimistic, calibrated):
        assert {*table.table([run]).data["attack"]} == {*attacks, "best"}
    assert len(robustness.table([run]).text)
    measure_ranks([run.folder], tmp_path / "ranks")
    assert roc.figure([run]).axes
    assert of_scores([run]) == ["d/a/r/0: Attack-R has 8 levels and resolves no FPR below 12 %."]


def test_where_only_out_models_exist_the_offline_ones_stand_in_the_tables(tmp_path):
    member = np.arange(8)[:, None] == np.arange(80) % 8
    run = scored(tmp_path, member, [*ATTACKS])
    assert run.attack == "offline"
    assert len(run.counts(0.1)) == 80
    notes = of_scores([run])
    (note,) = (note for note in notes if "not scored" in note)
    assert note.startswith("d/a/r/0: not scored BASE, LiRA (moderated), LiRA (online), ")
    assert "sample 0 has no IN score when model 0 is the target" in note
    assert not any("the cut" in note and "IN" in note for note in notes)


def test_the_table_says_what_a_cut_throws_away(tmp_path):
    rng = np.random.default_rng(0)
    member = rng.permuted(np.arange(16)[:, None] < rng.integers(4, 13, 200), axis=0)
    run = scored(tmp_path, member, ["online", "global"])
    lost = run.scoring["thrown_away"]
    assert lost["IN"] > 0.1
    (note,) = of_scores([run])
    share = f"{100 * round(lost['IN'], 3):g} % of the IN"
    assert note.startswith(f"d/a/r/0: the cut to the smallest count over all samples leaves out {share}")
    assert note in optimistic.table([run]).notes
