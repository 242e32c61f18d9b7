"""Imported scores: the same attack and calibration as if scored directly; anything unusable is refused by name."""

import re

import h5py
import numpy as np
import pandas as pd
import pytest
from array_files import write_arrays

from lira.attacks.lira import PUBLISHED, leave_one_out, score_file
from lira.config import RunDescription, check_section, load_study
from lira.core.errors import ConfigError, DataError
from lira.evaluation.calibration import calibrate, calibrate_file
from lira.evaluation.controls import control_file
from lira.evaluation.summary import summarise_file
from lira.report.tabulate import tabulate
from lira.shadows.imported import import_scores
from lira.shadows.logits import scaled_logit
from lira.storage import hdf5
from lira.storage.records import read_names
from lira.storage.run import Run

NAMES = {"study": "s", "dataset": "d", "architecture": "a", "regime": "baseline", "seed": 3}
RUN = RunDescription(**NAMES)
RECIPE = load_study(
    {"study": "s", "runs": {"d/a/baseline": {"scores": "x", "dropout": 0.1}}},
).imported_recipe("d/a/baseline")
M, N, A, C = 6, 30, 2, 4
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(M, N, A, C)).astype(np.float32)
LABELS = np.arange(N) % C
PHI = np.stack([scaled_logit(logits, LABELS) for logits in LOGITS])
MEMBER = np.argsort(RNG.random((M, N)), axis=0) < M // 2


def imported(scores, folder, data=None):
    import_scores(scores, RUN, RECIPE, data, folder / "shadows.h5")
    with h5py.File(folder / "shadows.h5") as file:
        return {name: file[name][:] for name in ("phi", "member", "labels") if name in file}


def official(folder, kind, count=M, views=A, keep=True):
    """A folder per model, as the released code of the paper writes them."""
    for model in range(count):
        place = folder / f"model_{model}" / kind
        place.mkdir(parents=True)
        values = PHI[model, :, :views] if kind == "scores" else LOGITS[model][:, None]
        np.save(place / f"{kind}.npy", values)
    if keep:
        np.save(folder / "keep_indices.npy", MEMBER)
    if kind == "logits":
        np.save(folder / "labels.npy", LABELS)
    return folder


def classic(folder, kind):
    """A folder per model, as the first released code of the attack writes them, with two epochs."""
    for model in range(M):
        place = folder / f"experiment-{model}_{M}"
        (place / kind).mkdir(parents=True)
        for epoch, shift in ((90, 1), (100, 0)):
            values = PHI[model] if kind == "scores" else LOGITS[model][:, None]
            np.save(place / kind / f"{epoch:010d}.npy", values + shift)
        np.save(place / "keep.npy", MEMBER[model])
    np.save(folder / "y_train.npy", LABELS)
    return folder


@pytest.mark.parametrize("case", ["small", "medium", "odd9"])
@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_attack_and_calibration_are_those_of_the_scores_themselves(request, tmp_path, case, suffix):
    with np.load(request.config.rootpath / "tests/golden/data/attacks" / case / "inputs.npz") as stored:
        phi, member = stored["scores"].astype(np.float64), stored["keep"]
    labels = np.arange(member.shape[1]) % 3
    scores = write_arrays(tmp_path / f"scores{suffix}", phi=phi, member=member, labels=labels)
    import_scores(scores, RUN, RECIPE, None, tmp_path / "shadows.h5")
    score_file(tmp_path / "shadows.h5", tmp_path / "scores_of_attacks.h5")
    calibrate_file(
        tmp_path / "scores_of_attacks.h5", [0.01, 0.1], [0.1, 0.5], tmp_path / "metrics.csv", tmp_path / "samples.csv"
    )
    direct = leave_one_out(phi, member, definition=PUBLISHED)
    reference = np.load(request.config.rootpath / "tests/golden/data/attacks" / case / "loo_scores.npz")
    with h5py.File(tmp_path / "scores_of_attacks.h5") as file:
        for attack, expected in direct.items():
            np.testing.assert_array_equal(file[attack][:], expected)
            if attack in reference:
                np.testing.assert_allclose(file[attack][:], reference[attack], rtol=1e-9, atol=1e-10)
    expected = calibrate(direct, member, [0.01, 0.1], [0.1, 0.5])
    found = pd.read_csv(tmp_path / "metrics.csv")[list(expected.columns)]
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_dtype=False)
    assert (pd.read_csv(tmp_path / "metrics.csv")["seed"] == 3).all()


def test_every_form_gives_the_same(tmp_path):
    forms = {
        "phi.npz": write_arrays(tmp_path / "phi.npz", phi=PHI, member=MEMBER, labels=LABELS),
        "phi.h5": write_arrays(tmp_path / "phi.h5", phi=PHI, member=MEMBER.astype(np.uint8), labels=LABELS),
        "logits.npz": write_arrays(tmp_path / "logits.npz", logits=LOGITS, member=MEMBER, labels=LABELS),
        "logits.h5": write_arrays(tmp_path / "logits.h5", logits=LOGITS, member=MEMBER, labels=LABELS),
        **{f"official {kind}": official(tmp_path / f"official-{kind}", kind) for kind in ("scores", "logits")},
        **{f"classic {kind}": classic(tmp_path / f"classic-{kind}", kind) for kind in ("scores", "logits")},
    }
    for name, scores in forms.items():
        found = imported(scores, tmp_path)
        np.testing.assert_array_equal(found["member"], MEMBER, err_msg=name)
        np.testing.assert_allclose(found["phi"], PHI, rtol=1e-6, atol=1e-6, err_msg=name)
        assert found["phi"].dtype == (np.float32 if "logits" in name else np.float64)
        if "official scores" not in name:
            np.testing.assert_array_equal(found["labels"], LABELS, err_msg=name)


def test_one_view_needs_no_axis_and_ten_models_come_in_their_order(tmp_path):
    found = imported(write_arrays(tmp_path / "a.npz", phi=PHI[:, :, 0].astype(np.float32), member=MEMBER), tmp_path)
    assert found["phi"].shape == (M, N, 1) and found["phi"].dtype == np.float32 and "labels" not in found
    for model in range(12):
        (tmp_path / "many" / f"model_{model}" / "scores").mkdir(parents=True)
        np.save(tmp_path / "many" / f"model_{model}" / "scores" / "scores.npy", np.full(N, float(model)))
    np.save(tmp_path / "many" / "keep_indices.npy", np.arange(12)[:, None] % 2 == np.arange(N) % 2)
    assert imported(tmp_path / "many", tmp_path)["phi"][:, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize("kind", [">f8", "<f8"])
def test_phi_keeps_its_precision_in_any_byte_order(tmp_path, kind):
    scores = write_arrays(tmp_path / "phi.npz", phi=PHI.astype(np.float64).astype(kind), member=MEMBER)
    found = imported(scores, tmp_path)["phi"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, PHI.astype(np.float64))


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_ids_and_indices_of_scores_are_those_of_the_pool(tmp_path, suffix):
    ids = np.array([f"p{place:02}" for place in range(N)])
    with hdf5.create(tmp_path / "data.h5", "data", {}) as file:
        file["pool/y"] = LABELS
        file["pool/id"] = np.char.encode(ids)
    given = {"phi": PHI, "member": MEMBER, "id": np.char.encode(ids), "sample": np.arange(N) * 3 + 100}
    for data in (None, tmp_path / "data.h5"):
        imported(write_arrays(tmp_path / f"phi{suffix}", **given), tmp_path, data)
        with h5py.File(tmp_path / "shadows.h5") as file:
            assert read_names(file)["id"].tolist() == ids.tolist()
    for name, said in (
        ("id", "sample 0 has id 'p29', in the pool 'p00': sort"),
        ("sample", "sample does not ascend, but scores"),
    ):
        scores = write_arrays(tmp_path / f"other{suffix}", **given | {name: given[name][::-1]})
        with pytest.raises(DataError, match=f"other{suffix}: {said}"):
            imported(scores, tmp_path, tmp_path / "data.h5")


def test_small_blocks_give_the_same(tmp_path, monkeypatch):
    scores = write_arrays(tmp_path / "logits.h5", logits=LOGITS, member=MEMBER, labels=LABELS)
    whole = imported(scores, tmp_path)
    monkeypatch.setattr("lira.shadows.imported.BLOCK_BYTES", 500)
    np.testing.assert_array_equal(imported(scores, tmp_path)["phi"], whole["phi"])


def test_labels_come_from_the_dataset_where_there_is_one(tmp_path):
    with hdf5.create(tmp_path / "data.h5", "data", {}) as file:
        file["pool/y"] = LABELS
    logits = write_arrays(tmp_path / "logits.npz", logits=LOGITS, member=MEMBER)
    np.testing.assert_allclose(imported(logits, tmp_path, tmp_path / "data.h5")["phi"], PHI, rtol=1e-6, atol=1e-6)
    other = write_arrays(tmp_path / "other.npz", phi=PHI, member=MEMBER, labels=LABELS[::-1])
    with pytest.raises(DataError, match="other.npz: sample 0 has label 1, in the pool of .* it is 0: .*another order"):
        imported(other, tmp_path, tmp_path / "data.h5")
    fewer = write_arrays(tmp_path / "fewer.npz", phi=PHI[:, 1:], member=MEMBER[:, 1:])
    with pytest.raises(DataError, match="fewer.npz is of 29 samples, the pool of .* has 30"):
        imported(fewer, tmp_path, tmp_path / "data.h5")
    narrow = write_arrays(tmp_path / "narrow.npz", logits=LOGITS[..., : C - 1], member=MEMBER)
    with pytest.raises(DataError, match="narrow.npz: label of sample 3 is 3: allowed are 0 to 2, since the logits"):
        imported(narrow, tmp_path, tmp_path / "data.h5")


def without(path):
    for file in sorted(path.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    path.rmdir()


NAN = np.where(np.arange(M * N * A).reshape(M, N, A) == 65, np.nan, PHI)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"phi": NAN, "member": MEMBER}, r"phi\[1\]: φ of sample 2, view 1, is nan"),
        ({"phi": PHI}, "has phi: it needs member"),
        ({"member": MEMBER}, "has member: it needs member .* and one of phi"),
        ({"phi": PHI, "logits": LOGITS, "member": MEMBER}, "one of phi"),
        ({"phi": PHI, "member": MEMBER.T}, r"phi is \[6, 30, 2\], but member is \[30, 6\]"),
        ({"phi": PHI, "member": MEMBER * 0.5}, "member has values other than 0 and 1"),
        ({"phi": PHI, "member": MEMBER[0]}, r"member is \[30\]: membership is \[models, samples\]"),
        ({"phi": PHI[:1], "member": MEMBER[:1]}, "the scores of one model cannot be attacked"),
        ({"phi": LOGITS, "member": MEMBER}, r"is \[30, 2, 4\]: phi of a model is \[N\] or \[N, A\]"),
        ({"logits": PHI, "member": MEMBER, "labels": LABELS}, r"logits of a model is \[N, A, C\]"),
        ({"logits": LOGITS, "member": MEMBER}, r"logits need labels: add labels \[N\]"),
        ({"logits": LOGITS, "member": MEMBER, "labels": LABELS + 1}, "label of sample 3 is 4: allowed are 0 to 3"),
        ({"phi": PHI, "member": MEMBER, "labels": LABELS[1:]}, r"labels is \[29\]: one label for each of the 30"),
        ({"phi": PHI, "member": MEMBER, "labels": LABELS - 1}, "label of sample 0 is -1: labels are from 0"),
        ({"phi": PHI.astype(str), "member": MEMBER}, "an array of <U.*: numbers are needed"),
    ],
)
def test_unusable_files_are_refused(tmp_path, arrays, said):
    scores = write_arrays(tmp_path / "scores.npz", **arrays)
    with pytest.raises(DataError, match=said) as error:
        imported(scores, tmp_path)
    assert "scores.npz" in str(error.value) and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.npz"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: without(f / "model_2"), r"lacks models \[2\]: 6 models are expected, 0 to 5"),
        (lambda f: without(f / "model_5"), r"lacks models \[5\]: 6 models are expected"),
        (lambda f: (f / "model_5").rename(f / "model_6"), r"lacks models \[5\]"),
        (lambda f: (f / "model_05").mkdir(), "model_05 and model_5 are the same model: leave one of them there"),
        (lambda f: (f / "experiment-3_6").mkdir(), "experiment-3_6 and model_3 are the same model"),
        (lambda f: (f / "model_6").mkdir(), r"has models \[6\]: 6 models are expected"),
        (lambda f: (f / "model_3/scores/scores.npy").unlink(), "model_3 has neither scores/.*npy nor logits"),
        (lambda f: (f / "model_3/scores/scores.npy").write_bytes(b"x"), "model_3/scores/scores.npy is not a readable"),
        (lambda f: np.save(f / "model_3/scores/scores.npy", PHI[3, 1:]), "has 29 samples, the membership 30"),
        (
            lambda f: np.save(f / "model_3/scores/scores.npy", PHI[3, :, :1]),
            r"is \[30, 1\], but .*model_0.* is \[30, 2\]",
        ),
        (lambda f: np.save(f / "model_3/scores/scores.npy", PHI[3].astype(object)), "is not a readable .npy array"),
        (lambda f: (f / "keep_indices.npy").unlink(), "model_0/keep.npy is not a readable .npy array"),
        (lambda f: np.save(f / "keep_indices.npy", MEMBER[0]), r"keep_indices.npy is \[30\]: membership is"),
    ],
)
def test_incomplete_and_damaged_folders_are_refused(tmp_path, change, said):
    folder = official(tmp_path / "scores", "scores")
    change(folder)
    with pytest.raises(DataError, match=said):
        imported(folder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["scores"]


@pytest.mark.parametrize("model", [20240101, 10**20 - 1])
def test_of_many_missing_models_ten_are_listed(tmp_path, model):
    folder = official(tmp_path / "scores", "scores", keep=False)
    (folder / f"model_{model}").mkdir()
    ten = r"\[6, 7, 8, 9, 10, 11, 12, 13, 14, 15\]"
    with pytest.raises(DataError, match=rf"lacks models {ten} and {model - 16} more: {model + 1} models are expected"):
        imported(folder, tmp_path)


def test_an_empty_hdf5_dataset_is_refused(tmp_path):
    scores = write_arrays(tmp_path / "scores.h5", phi=h5py.Empty("f4"), member=MEMBER)
    with pytest.raises(DataError, match="scores.h5: phi is empty: an array of numbers is needed"):
        imported(scores, tmp_path)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({}, "run.study is missing"),
        (NAMES | {"seed": None}, "run.seed is None: input should be a valid integer"),
        (NAMES | {"seed": True}, "run.seed is True: true and false are no numbers"),
        (NAMES | {"seed": 2**32}, "run.seed is 4294967296: input should be less than 4294967296"),
        (NAMES | {"regime": "a/b"}, "run.regime is 'a/b': allowed are up to 40 letters, digits"),
        (NAMES | {"protocol": "own"}, "run.protocol is 'own': input should be 'artifact' or 'preprint'"),
        (NAMES | {"sead": 1}, "run.sead is an unknown key: allowed are 'study', 'protocol'"),
    ],
)
def test_scores_of_no_run_are_refused(tmp_path, run, said):
    scores = write_arrays(tmp_path / "scores.npz", phi=PHI, member=MEMBER)
    with pytest.raises(ConfigError, match=said):
        import_scores(scores, check_section("run", RunDescription, run), RECIPE, None, tmp_path / "shadows.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["scores.npz"]


def test_an_incomplete_classic_folder_is_refused(tmp_path):
    folder = classic(tmp_path / "scores", "scores")
    np.save(folder / f"experiment-4_{M}" / "keep.npy", MEMBER[4, 1:])
    with pytest.raises(DataError, match=r"experiment-4_6/keep.npy is of 29 samples, .* of 30"):
        imported(folder, tmp_path)
    without(folder / f"experiment-5_{M}")
    with pytest.raises(DataError, match=r"lacks models \[5\]: 6 models are expected"):
        imported(folder, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no folders model_<k> or experiment-<k>_<M>"):
        imported(tmp_path / "empty", tmp_path)


@pytest.mark.parametrize(
    "name", ["benchmarks", "utility", "optimistic", "calibrated", "ablation", "transfer", "robustness", "provenance"]
)
def test_tables_show_a_dash_for_what_is_not_known(tmp_path, name):
    folder = tmp_path / "run"
    import_scores(write_arrays(tmp_path / "a.npz", phi=PHI, member=MEMBER), RUN, RECIPE, None, folder / "shadows.h5")
    score_file(folder / "shadows.h5", folder / "scores.h5")
    calibrate_file(folder / "scores.h5", [0.1], [0.5], folder / "metrics.csv", folder / "samples.csv")
    control_file(
        folder / "shadows.h5",
        [0.1],
        [0.5],
        folder / "controls.csv",
        folder / "null_samples.csv",
        folder / "null_gaps.csv",
    )
    summarise_file(*(folder / name for name in ("scores.h5", "metrics.csv", "summary.csv", "controls.csv")))
    tabulate(name, [folder], tmp_path / "table.csv")
    shown = (tmp_path / "table.md").read_text()
    assert not re.search(r"\b(nan|none)\b", shown.lower())
    if name not in ("calibrated", "robustness", "provenance"):
        assert "–" in shown
    if name == "benchmarks":
        assert " 0.1 |" in shown
    assert Run(folder).recipe["epochs"] is None


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({"d/a/r": {"scores": "x", "seeds": [0, 1]}}, r"runs.d/a/r.scores: 'x' must have {seed} in it"),
        ({"d/a": {"scores": "x"}}, "not of the form dataset/architecture/regime"),
        ({"d/a/; rm": {"scores": "x"}}, "runs.d/a/; rm has '; rm': allowed are"),
        ({"d/a/r": {"scores": "x", "epoch": 3}}, "runs.d/a/r.epoch is an unknown key"),
        ({"d/a/r": {}}, "runs.d/a/r: dataset is 'd'"),
    ],
)
def test_mistakes_in_the_study_are_named(runs, said):
    with pytest.raises(ConfigError, match=said):
        load_study({"study": "s", "runs": runs})
