"""What earlier versions of the suite wrote is read, and gives what it gave; what is not read says what reads it."""

import filecmp
import logging
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from archives import ARCHIVES, unpack
from array_files import read_arrays

from lira.attacks.lira import score_file
from lira.config import load_study
from lira.core.errors import StoreError
from lira.datasets import read_part
from lira.evaluation.calibration import calibrate_file
from lira.evaluation.controls import control_file
from lira.evaluation.summary import summarise_file
from lira.report.tabulate import tabulate
from lira.shadows.gather import gather_shadows
from lira.shadows.imported import import_scores
from lira.shadows.jobs import train_shadows
from lira.shadows.weights import load_model
from lira.storage import hdf5
from lira.storage.comparison import Comparison
from lira.storage.provenance import trace
from lira.storage.run import Run

DATA = "data/digits-train-test40-public1700-split0.h5"
TRAINED = ["digits/fcn/baseline/seed0", "digits/fcn/tl/seed0", "digits/resnet/aof/seed0"]
RUNS = [*TRAINED, "digits/fcn/baseline/seed1", "elsewhere/net/given/seed0"]
STUDY = load_study(yaml.safe_load((ARCHIVES / "1.1" / "study.yaml").read_text()))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The results of the archived study, to read only."""
    return unpack("1.1", tmp_path_factory.mktemp("archive"))


@pytest.fixture(autouse=True)
def recipe_version(monkeypatch):
    """That of the archived models, as models of another are trained anew."""
    for module in ("sections", "study"):
        monkeypatch.setattr(f"lira.config.{module}.RECIPE_VERSION", 6)


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def test_every_file_opens_and_says_what_todays_code_expects(archive):
    kinds = set()
    for path in archive.rglob("*.h5"):
        with h5py.File(path) as plain:
            kind, recorded = plain.attrs["encoding-type"], dict(plain.attrs)
        kinds.add(kind)
        with hdf5.read(path, kind) as file:
            found = hdf5.attributes(file)
        assert recorded["encoding-version"] == "1.1" and "identity" not in found and "seconds" not in found
        unknown = {"code": "network" in recorded, "own": kind == "scores"}
        assert {name: {} for name, lacking in unknown.items() if lacking} == {
            name: found[name] for name in found.keys() - recorded.keys()
        }
        assert "recipe" not in found or found["recipe"]["epochs"] in (1, 2, 5)
    assert kinds == {"data", "shard", "shadows", "scores"}


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_read(archive, run):
    folder, read = archive / "runs" / run, Run(archive / "runs" / run)
    arrays, online = read_arrays(folder / "shadows.h5"), read_arrays(folder / "scores.h5")["online"]
    assert "/".join([*list(read.key.values())[:3], f"seed{read.key['seed']}"]) == run
    assert (read.models, read.pool) == arrays["member"].shape
    np.testing.assert_array_equal(read.labels, arrays["labels"])
    for name, values in read.utility.items():
        np.testing.assert_array_equal(values, arrays[f"utility/{name}"])
    with read.scores() as file:
        np.testing.assert_array_equal(file["online"], online)
    for name in ("metrics", "samples"):
        text = pd.read_csv(folder / f"{name}.csv")
        pd.testing.assert_frame_equal(read.table(f"{name}.csv")[list(text)], text)
    assert trace(folder / "shadows.h5")["sha256"] == read.attributes["sha256"]
    assert trace(folder / "metrics.csv")["made"]["from"] == "metrics.csv"


def test_a_comparison_is_read(archive):
    found = Comparison(archive / "agreement" / "digits" / "fcn" / "baseline")
    assert [len(runs) for runs in (found.reference, found.variants)] == [2, 1] and found.pool == 57
    assert trace(found.folder / "agreement.csv")["runs"]


@pytest.mark.parametrize("run", RUNS)
def test_later_steps_give_what_they_gave(archive, tmp_path, run):
    folder, new = archive / "runs" / run, hdf5.folder_of(tmp_path / "new" / "scores.h5")
    score_file(folder / "shadows.h5", new / "scores.h5")
    assert same(read_arrays(new / "scores.h5"), read_arrays(folder / "scores.h5"))
    with hdf5.read(new / "scores.h5", "scores") as file, hdf5.read(folder / "scores.h5", "scores") as older:
        now, then = hdf5.attributes(file), hdf5.attributes(older)
        about = {"encoding-version", "encoding-writer", hdf5.CHECKSUM}
        assert {name: now[name] for name in now.keys() - about} == {name: then[name] for name in then.keys() - about}
        assert now["encoding-version"] == hdf5.ENCODING_VERSION
    for scores in (folder, new):
        calibrate_file(scores / "scores.h5", STUDY.fprs, STUDY.priors, new / "metrics.csv", new / "samples.csv")
        names = ["metrics.csv", "samples.csv"]
        assert filecmp.cmpfiles(folder, new, names, shallow=False)[0] == names
    outputs = (new / f"{name}.csv" for name in ("controls", "null_samples", "null_gaps"))
    control_file(folder / "shadows.h5", STUDY.fprs, STUDY.priors, *outputs)
    summarise_file(folder / "scores.h5", folder / "metrics.csv", new / "summary.csv", folder / "controls.csv")
    names = ["controls.csv", "null_samples.csv", "null_gaps.csv"]
    assert filecmp.cmpfiles(folder, new, names, shallow=False)[0] == names
    if "seed1" not in run:
        then, now = (pd.read_csv(place / "summary.csv", dtype=str) for place in (folder, new))
        now = now[now["attack"] != "best"][list(then)]
        # the AUC is resampled in float32, which processors round differently; all else is the same, digit by digit
        resampled = (then["metric"] == "auc") & then["low"].notna()
        bounds = ["low", "high", "standard_error"]
        given, expected = (table.loc[resampled, bounds].astype(float) for table in (now, then))
        pd.testing.assert_frame_equal(given, expected, rtol=1e-6)
        now.loc[resampled, bounds] = then.loc[resampled, bounds]
        pd.testing.assert_frame_equal(now, then)


def test_tables_are_made(archive, tmp_path):
    folders = [archive / "runs" / run for run in TRAINED]
    tabulate("utility", folders, tmp_path / "utility.csv")
    made = pd.read_csv(tmp_path / "utility.csv").set_index("regime")
    for run, folder in zip(TRAINED, folders, strict=True):
        arrays = read_arrays(folder / "shadows.h5")
        assert made.loc[run.split("/")[2], "test_loss_mean"] == pytest.approx(arrays["utility/test_loss"].mean())
    tabulate("calibrated", folders, tmp_path / "calibrated.csv")
    assert len(pd.read_csv(tmp_path / "calibrated.csv")) > 0
    assert len(trace(tmp_path / "calibrated.md")["runs"]) == 3


def test_prepared_data_and_stored_weights_are_read(archive):
    part, arrays = read_part(archive / DATA, "pool"), read_arrays(archive / DATA)
    np.testing.assert_array_equal(part.x, arrays["pool/x"])
    np.testing.assert_array_equal(part.y, arrays["pool/y"])
    shard = archive / "runs" / TRAINED[0] / "shards" / "2-3.h5"
    with torch.no_grad():
        logits = load_model(shard, 3, archive / DATA)(torch.as_tensor(part.x))
    np.testing.assert_allclose(logits, read_arrays(shard)["logits"][1, :, 0], rtol=1e-4, atol=1e-5)


def test_scores_are_imported_as_they_were(archive, tmp_path):
    run, key = archive / "runs" / RUNS[-1], RUNS[-1].rpartition("/")[0]
    asked = STUDY.describe_run(key, 0), STUDY.imported_recipe(key)
    import_scores(ARCHIVES / "1.1" / "given.npz", *asked, None, tmp_path / "shadows.h5")
    assert same(read_arrays(tmp_path / "shadows.h5"), read_arrays(run / "shadows.h5"))
    phi, member = (read_arrays(archive / "runs" / TRAINED[0] / "shadows.h5")[name] for name in ("phi", "member"))
    np.savez(tmp_path / "again.npz", phi=phi, member=member)
    import_scores(tmp_path / "again.npz", *asked, archive / DATA, tmp_path / "shadows.h5")
    np.testing.assert_array_equal(read_arrays(tmp_path / "shadows.h5")["labels"], read_part(archive / DATA, "pool").y)


# ---- Shadow models --------------------------------------------------------------------------------------------------


def trained(archive, folder, caplog, run=TRAINED[0], first=0, last=1, **changes):
    """Number of models that a training job trains, and what it says."""
    key, seed = run.rpartition("/")[0], int(run[-1])
    settings = STUDY.training_settings(key).model_copy(update=changes)
    pretrained = archive / "pretrained/digits/fcn.pt" if settings.recipe.start == "public" else None
    files = settings, STUDY.describe_run(key, seed)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        train_shadows(*files, archive / DATA, first, last, folder / f"{first}-{last}.json", pretrained)
    return int(caplog.text.split(" to train")[0].split()[-1]), caplog.text


@pytest.fixture
def shards(archive, tmp_path):
    """A copy of the shards of a run."""

    def copy(run):
        return shutil.copytree(archive / "runs" / run / "shards", tmp_path / "shards")

    return copy


@pytest.mark.parametrize("run", TRAINED)
def test_models_are_taken_over_as_they_are(archive, shards, caplog, run):
    folder, old = shards(run), archive / "runs" / run
    contents = {path.read_bytes() for path in folder.iterdir()}
    (folder / "0-1.h5.parts").mkdir()  # of a job that was killed
    (folder / "0-1.h5.parts" / "0.h5").write_bytes(b"half")
    for first in (0, 2):
        assert trained(archive, folder, caplog, run, first, first + 1)[0] == 0
    assert {path.read_bytes() for path in folder.glob("*.h5")} == contents
    key, receipts = run.rpartition("/")[0], sorted(folder.glob("*.json"))
    pretrained = archive / "pretrained/digits/fcn.pt" if "tl" in run else None
    asked = STUDY.training_settings(key), STUDY.describe_run(key, 0)
    gather_shadows(*asked, receipts, archive / DATA, folder / "shadows.h5", pretrained)
    gathered, before = read_arrays(folder / "shadows.h5"), read_arrays(old / "shadows.h5")
    assert gathered.pop("utility/best_epoch").min() >= 1 and same(gathered, before)  # which old files lacked
    with hdf5.read(folder / "shadows.h5", "shadows") as file:
        now = hdf5.attributes(file)
    assert now["sha256"] == Run(old).attributes["sha256"] and now["identity"] in receipts[0].read_text()
    assert now["code"] == {} and "seconds" not in now


def test_models_of_another_shard_size_are_taken_over(archive, shards, caplog):
    folder = shards(TRAINED[0])
    assert trained(archive, folder, caplog, first=0, last=3)[0] == 0
    assert trained(archive, folder, caplog, first=2, last=3)[0] == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipe": STUDY.recipe_of("digits/fcn/baseline").model_copy(update={"epochs": 1})}, "of another recipe"),
        ({"architecture": STUDY.architectures["fcn"].model_copy(update={"hidden": [3]})}, "of another architecture"),
        ({"member_fraction": 0.75}, "of another member_fraction"),
        ({"shadow_models": 6}, "of another shadow_models"),
        ({"membership_draws": "legacy"}, "of another membership_draws"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value.split()[-1],
)
def test_models_of_anything_else_are_left_and_trained_anew(archive, shards, caplog, changes, reason):
    folder = shards(TRAINED[0])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    number, said = trained(archive, folder, caplog, **changes)
    assert number == 2 and f"0-1.h5 is not taken over: it is {reason}" in said
    assert {path: path.read_bytes() for path in before} == before


def test_models_of_other_runs_data_and_starts_are_not_taken_over(archive, shards, tmp_path, caplog):
    number, said = trained(archive, shards(TRAINED[0]), caplog, run="digits/fcn/baseline/seed1")
    assert number == 2 and "0-1.h5 is not taken over: it is of another seed" in said
    other = shutil.copytree(archive, tmp_path / "other")
    with h5py.File(other / DATA, "a") as file:
        file.attrs["sha256"] = "other"
        file.attrs[hdf5.CHECKSUM] = hdf5._checksum(file.attrs)
    number, said = trained(other, other / "runs" / TRAINED[0] / "shards", caplog)
    assert number == 2 and "0-1.h5 is not taken over: it is of another data_sha256" in said
    weights = torch.load(archive / "pretrained/digits/fcn.pt")
    torch.save({name: value + 1 for name, value in weights.items()}, other / "pretrained/digits/fcn.pt")
    shutil.copy(archive / DATA, other / DATA)
    number, said = trained(other, other / "runs" / TRAINED[1] / "shards", caplog, run=TRAINED[1])
    assert number == 2 and "0-1.h5 is not taken over: it is of another pretrained_sha256" in said


def test_models_of_the_users_own_code_are_not_taken_over(archive, shards, tmp_path, caplog, monkeypatch):
    folder = shards(TRAINED[0])
    (tmp_path / "own_network.py").write_text(
        "from torch import nn\n\ndef build(shape, classes, dropout):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = STUDY.architectures["fcn"].model_copy(update={"family": "own_network:build"})
    alone = STUDY.recipe_of("digits/fcn/baseline").model_copy(update={"cohort": 1})
    number, said = trained(archive, folder, caplog, architecture=own, recipe=alone)
    assert number == 2 and "0-1.h5 is not taken over: it does not say what own_network:build held then" in said


def test_models_without_what_is_stored_now_are_not_taken_over(archive, shards, caplog):
    folder = shards(TRAINED[0])
    with h5py.File(folder / "0-1.h5", "a") as file:
        del file["weights"]
    number, said = trained(archive, folder, caplog)
    assert number == 2 and "0-1.h5 is not taken over: it lacks logits or weights" in said
    assert (folder / "0-1.h5").is_file() and "2-3.h5 is taken over" in said


# ---- Versions that are not read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["1.0", "1.3", "2.0"])
def test_a_version_that_is_not_read_is_named_with_what_reads_it(archive, shards, caplog, encoding):
    folder = shards(TRAINED[0])
    with h5py.File(folder / "0-1.h5", "a") as file:
        file.attrs["encoding-version"] = encoding
        revision = file.attrs["revision"]
        if encoding == "2.0":
            file.attrs["encoding-writer"] = "lira 3.0.0 of revision new"
    writer = "lira 3.0.0 of revision new" if encoding == "2.0" else f"lira of revision {revision}"
    said = f"is of encoding version {encoding}, and this lira reads 1.1 and 1.2: read it with {writer}"
    for read in (lambda path: hdf5.read(path, "shard").__enter__(), trace):
        with pytest.raises(StoreError, match=said) as raised:
            read(folder / "0-1.h5")
        assert "rm " not in str(raised.value)
    number, log = trained(archive, folder, caplog)
    assert number == 2 and said in log and (folder / "0-1.h5").is_file()
    made = next(folder.glob("0-1.*.h5"))
    (folder / "0-1.h5").replace(made)
    newer = made.read_bytes()
    with pytest.raises(StoreError, match="is of encoding version"):  # it would be written over
        trained(archive, folder, caplog)
    assert made.read_bytes() == newer


def test_a_file_of_a_newer_hdf5_is_kept(archive, shards):
    path = shards(TRAINED[0]) / "0-1.h5"
    content = bytearray(path.read_bytes())
    content[8] += 1  # the version of the format, after HDF5's signature
    path.write_bytes(content)
    with pytest.raises(StoreError, match="a newer HDF5 wrote it .*: read it with a newer h5py") as raised:
        hdf5.read(path, "shard").__enter__()
    assert "rm " not in str(raised.value)
