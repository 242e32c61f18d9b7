"""Audits from file to file: which seeds count, that an audit is whole or none, and what it may not replace."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner
from worlds import gaussian_world

from lira.attacks.lira import score_file
from lira.cli import app
from lira.core.errors import ConfigError, DataError, StoreError
from lira.evaluation.audits.files import audit_file
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.gate import judge
from lira.evaluation.privacy import bound_privacy_file
from lira.evaluation.records import counts, worth
from lira.storage import hdf5
from lira.storage.csv_files import COUNTS, write_csv
from lira.storage.run import Run

M, N = 16, 60
AUDITED = Path("audits/released")
POOLS = {0: "one", 1: "one", 2: "another"}
"""Checksum of the data of each seed, as a dataset with ``seed: run`` has them if two seeds drew alike."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """The folders of three seeds of a run, the last of them with another pool of the same size."""
    folder = tmp_path_factory.mktemp("runs") / "d" / "a" / "r"
    for seed, data in POOLS.items():
        place = folder / f"seed{seed}"
        phi, member = gaussian_world(M, N, 6.0, seed)
        about = {"study": "s", "dataset": "d", "architecture": "a", "regime": "r", "seed": seed, "recipe": {}}
        about |= {"sha256": f"{seed}f", "data_sha256": data}
        with hdf5.create(hdf5.folder_of(place / "shadows.h5") / "shadows.h5", "shadows", about) as file:
            file["phi"], file["member"] = phi.astype(np.float32), member
        score_file(place / "shadows.h5", place / "scores.h5")
        fprs = [0.1] if seed == 1 else [0.1, 0.2]
        calibrate_file(place / "scores.h5", fprs, [0.1], place / "metrics.csv", place / "samples.csv")
    return [folder / f"seed{seed}" for seed in POOLS]


@pytest.fixture
def run(seeds, tmp_path, monkeypatch):
    """A copy of the seeds, in whose folder a test may do as it likes; the folder of the first."""
    shutil.copytree(seeds[0].parent, tmp_path / "r")
    monkeypatch.chdir(tmp_path)
    predict()
    return tmp_path / "r" / "seed0"


def predict(seed=5, held=None, name="released"):
    held = np.arange(N) % 2 == 0 if held is None else held
    phi = np.random.default_rng(seed).normal(2.0 * held)
    pd.DataFrame({"phi": phi, "member": held.astype(int)}).to_csv(f"{name}.csv", index=False)


def lira(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def audited(run, *words):
    made = lira("audit", "released.csv", "--run", run, "--prior", "0.1", *words)
    assert made.exit_code == 0, (made.output, made.exception)
    return (
        made.output,
        pd.read_csv(AUDITED / "records.csv"),
        json.loads((AUDITED / "audit.json").read_text()),
    )


def test_an_fpr_of_more_than_six_digits_is_refused_as_columns_are_named_by_it(run):
    refused = lira("audit", "released.csv", "--run", run, "--fpr", 0.1, "--fpr", 0.1000001).exception
    assert isinstance(refused, ConfigError) and "fprs has 0.1000001: allowed are six digits" in str(refused)


def test_records_are_counted_over_the_seeds_of_the_runs_pool_alone(run):
    _, records, said = audited(run, "--fpr", 0.1)
    own = sum(rows[COUNTS] for rows in counts([Run(run), Run(run.parent / "seed1")], 0.1))
    assert (records[[f"{name}_at_0.1" for name in COUNTS]].to_numpy() == own.to_numpy()).all() and said["seeds"] == 2
    words = [word for seed in POOLS for word in ("--samples", run.parent / f"seed{seed}" / "samples.csv")]
    assert audited(run, "--fpr", 0.1, *words)[1].equals(records)


def test_records_of_two_pools_are_not_compared(seeds):
    first, again, other = map(Run, seeds)
    assert len(counts([first, again], 0.1)) == 2
    with pytest.raises(DataError, match="seed2 and .*seed0 have different pools: compare runs of one pool"):
        counts([first, again, other], 0.1)


def test_a_copy_of_a_seed_is_none_and_a_seed_without_the_fpr_is_left_out_and_said(run):
    shutil.copytree(run, run.parent / "seed0_old")
    assert audited(run, "--fpr", 0.1)[2]["seeds"] == 2
    output, records, said = audited(run, "--fpr", 0.2)
    line = "seed1 was not counted: its samples.csv has no rows at FPR 0.2"
    assert said["seeds"] == 1 and line in said["warnings"] and f"Note: {line}." in output
    own = counts([Run(run)], 0.2)[0][COUNTS]
    assert (records[[f"{name}_at_0.2" for name in COUNTS]].to_numpy() == own.to_numpy()).all()
    wrong = lira("audit", "released.csv", "--run", run, "--fpr", 0.15).exception
    assert "seed0/samples.csv has no rows at FPR 0.15, only at 0.1, 0.2: calibrate the run" in str(wrong)
    (run / "samples.csv").unlink()
    wrong = lira("audit", "released.csv", "--run", run, "--fpr", 0.1, "--samples", run / "samples.csv").exception
    assert "seed0/samples.csv does not exist" in str(wrong)


def test_a_seed_that_the_study_no_longer_asks_for_is_left_out_and_said(run):
    (run.parent / "seed1" / "shadows.h5").write_bytes(b"cut")
    (run.parent / "seed1" / "scores.h5").unlink()
    _, _, said = audited(run, "--fpr", 0.1)
    assert said["seeds"] == 1 and any(line.startswith("seed1 was not counted: ") for line in said["warnings"])


def count_by(seed, *attacks):
    calibrate_file(seed / "scores.h5", [0.1], [0.1], seed / "metrics.csv", seed / "samples.csv", attacks)


def test_records_are_counted_by_one_attack_in_every_seed(run):
    other = run.parent / "seed1"
    by_online = audited(run, "--fpr", 0.1)[1:]
    assert by_online[1]["counted_by"] == "online"
    count_by(run, "offline")
    output, records, said = audited(run, "--fpr", 0.1)
    line = "seed1 was not counted: its samples.csv counts by online, not by offline"
    assert (
        (said["counted_by"], said["seeds"]) == ("offline", 1)
        and line in said["warnings"]
        and f"Note: {line}." in output
    )
    of = records[[f"{name}_at_0.1" for name in COUNTS]].to_numpy()
    assert (of == counts([Run(run)], 0.1, "offline")[0][COUNTS].to_numpy()).all()
    assert "shadow models under LiRA (offline)" in (AUDITED / "audit.html").read_text()
    count_by(other, "online_fixed", "offline")
    assert audited(run, "--fpr", 0.1)[2]["seeds"] == 2
    count_by(run, "online", "offline")
    count_by(other, "online")
    assert audited(run, "--fpr", 0.1)[1].equals(by_online[0])


def test_bounds_are_at_the_delta_of_the_run_or_at_one_that_is_given(run):
    alone = ["--fpr", "0.1", "--samples", run / "samples.csv"]
    of_few = Run(run).table("samples.csv")  # 16 models bound nothing of a record that 60 are looked at to find
    write_csv(run / "samples.csv", of_few.assign(**10 * of_few[COUNTS]), Run(run).source)
    own = counts([Run(run)], 0.1)[0]
    found = [audited(run, *alone)[1]]
    found.append(audited(run, *alone, "--delta", 0.05)[1])
    for name, of in {"metrics": "controls", "samples": "null_samples"}.items():
        shutil.copy(run / f"{name}.csv", run / f"{of}.csv")
    bound_privacy_file(run, run / "privacy.csv", 0.1)
    found.append(audited(run, *alone)[1])
    for records, delta in zip(found, (1e-5, 0.05, 0.1), strict=True):
        bounds = worth(own, [0.1], delta, looked=N)["epsilon"]
        np.testing.assert_allclose(records["epsilon_at_0.1"], bounds, rtol=1e-12)
        assert found[0]["epsilon_at_0.1"].max() > bounds.max() > 0 or delta == 1e-5


def test_an_audit_that_fails_leaves_no_earlier_answer(run):
    audited(run, "--fpr", 0.1)
    assert lira("gate", AUDITED, "--max-tpr", 1).exit_code in (0, 3, 4)
    (run.parent.parent / "released.csv").write_text("phi\n1\n")
    assert isinstance(lira("audit", "released.csv", "--run", run).exception, DataError)
    assert not (AUDITED / "audit.html").exists()
    with pytest.raises(StoreError, match="has neither a run's shadows.h5 nor an audit.json"):
        judge(AUDITED, max_tpr=1)
    predict()
    audited(run, "--fpr", 0.1)
    with pytest.raises(StoreError, match="is for other shadow models than"):
        audit_file(AUDITED / "target.h5", run.parent / "seed1", AUDITED, [0.1], [0.1])
    assert (AUDITED / "summary.csv").is_file() and not (AUDITED / "audit.json").exists()


def test_tables_of_another_audit_are_refused(run):
    audited(run, "--fpr", 0.1)
    kept = (AUDITED / "audit.json").read_text()
    predict(seed=6)
    audited(run, "--fpr", 0.1)
    (AUDITED / "audit.json").write_text(kept)
    with pytest.raises(StoreError, match=r"summary\.csv was made from other φ or membership"):
        judge(AUDITED, max_tpr=1)


@pytest.mark.parametrize("text", ['{"members": 3', "[]", "{}", '{"answer": "mine"}', "\0"])
def test_what_is_not_the_file_of_an_audit_is_said(tmp_path, text):
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(
        StoreError, match="audit.json (is damaged|does not say members, records and sha256).*audit again$"
    ):
        judge(tmp_path, max_tpr=1)


@pytest.mark.parametrize("limit", ["--max-tpr", "--max-epsilon"])
@pytest.mark.parametrize(("held", "which"), [(True, "all"), (False, "none")])
def test_an_audit_of_members_alone_or_of_none_has_no_rates(run, held, which, limit):
    predict(held=np.full(N, held))
    audited(run, "--fpr", 0.1)
    wrong = lira("gate", AUDITED, limit, 0.9999).exception
    assert isinstance(wrong, StoreError)
    assert f"was made with {which} of the 60 records as members, so it has no rates: audit again" in str(wrong)


def test_what_is_read_and_runs_are_not_replaced(run):
    folder = run.parent.parent / "mine"
    folder.mkdir()
    (run.parent.parent / "released.csv").rename(folder / "records.csv")
    before = (folder / "records.csv").read_bytes()
    wrong = lira("audit", "mine/records.csv", "--run", run, "--output", "mine").exception
    assert "output: mine/records.csv is read, or another output already: give it a path of its own" in str(wrong)
    assert (folder / "records.csv").read_bytes() == before and [*folder.iterdir()] == [folder / "records.csv"]
    there = {path: path.read_bytes() for path in run.parent.rglob("*.*")}
    wrong = lira("audit", "mine/records.csv", "--run", run, "--output", run.parent / "seed1").exception
    assert "seed1 is the folder of a run, whose tables would be replaced: give another one" in str(wrong)
    assert {path: path.read_bytes() for path in run.parent.rglob("*.*")} == there
