"""CSV files, folders of the released code and interrupted runs: taken as they are, or refused by name."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from array_files import write_arrays

from lira.config import ImportedRecipe, RunDescription, load_study
from lira.core.errors import ConfigError, DataError
from lira.shadows.formats.folders import score_files
from lira.shadows.formats.tables import read_matrix
from lira.shadows.imported import import_scores
from lira.shadows.logits import scaled_logit
from lira.shadows.membership import balanced_membership

RUN = RunDescription(study="s", dataset="d", architecture="a", regime="r", seed=0)
M, N, A, C = 8, 40, 2, 3
RNG = np.random.default_rng(0)
MEMBER = balanced_membership(samples=N, models=M, fraction=0.5, seed=0)
LABELS = np.arange(N) % C
LOGITS = RNG.normal(size=(M, N, A, C))
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
PHI = np.stack([scaled_logit(logits, LABELS) for logits in LOGITS])
METRICS = "Best_epoch,Train_loss,Test_loss,Train_acc (%),Test_acc (%)"
CONFIG = """
seed: 42
dataset: {name: cifar10, num_classes: 10, input_size: 32, pkeep: 0.5}
train_data_augmentation: [random_flip, random_crop, color_jitter, cutmix, normalize]
model: {architecture: wrn28-2, input_channels: 3, drop_rate: 0.1, pretrained: false}
training: {num_shadow_models: 8, epochs: 100, batch_size: 256, optimizer: sgd, learning_rate: 0.1,
  weight_decay: '1e-3', momentum: 0.9, lr_scheduler: cosine, early_stopping: true, patience: 20}
"""


def imported(scores, folder, recipe=None, **numbers):
    """Arrays of the imported run by name, and its attributes."""
    import_scores(scores, RUN, recipe, None, folder / "shadows.h5", **numbers)
    with h5py.File(folder / "shadows.h5") as file:
        arrays = {name: file[name][:] for name in ("phi", "member", *(f"utility/{name}" for name in file["utility"]))}
        return arrays, dict(file.attrs), " ".join(json.loads(file.attrs.get("remarks", "[]")))


def released(folder, kind="logits", models=range(M)):
    """The released code's folder, with what it writes about its models."""
    for model in models:
        (folder / f"model_{model}" / kind).mkdir(parents=True)
        values = PHI[model] if kind == "scores" else LOGITS[model][:, None]
        np.save(folder / f"model_{model}" / kind / f"{kind}.npy", values)
        row = f"{60 + model},{model / 10:.4f},0.5000,99.0{model},87.5"
        text = f"{METRICS}\n{row}\n"
        (folder / f"model_{model}" / "metrics.csv").write_text(text, "utf-8-sig" if model % 2 else "utf-8")
    np.save(folder / "keep_indices.npy", MEMBER)
    np.save(folder / "labels.npy", LABELS)
    (folder / "train_config.yaml").write_text(CONFIG)
    return folder


def long_table(views=A, **columns):
    model, sample, view = np.indices((M, N, views)).reshape(3, -1)
    index = {"model": model, "sample": sample, "view": view, "member": MEMBER[model, sample], "label": LABELS[sample]}
    return pd.DataFrame(index | {name: values[:, :, :views].ravel() for name, values in columns.items()})


COLUMNS = {
    "phi": {"phi": PHI},
    "logit": {f"logit_{one}": LOGITS[..., one] for one in range(C)},
    "probability": {f"probability_{one}": PROBABILITIES[..., one] for one in range(C)},
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("views", [A, 1])
def test_a_table_with_a_row_per_model_and_sample(tmp_path, columns, views):
    table = long_table(views, **columns).sample(frac=1, random_state=0)
    table["split"] = "train"  # of no interest
    table.drop(columns=["view"] * (views == 1)).to_csv(tmp_path / "given.csv", index=False)
    found, *_ = imported(tmp_path / "given.csv", tmp_path)
    np.testing.assert_allclose(found["phi"], PHI[:, :, :views], atol=1e-5)
    np.testing.assert_array_equal(found["member"], MEMBER)


def test_a_table_of_single_outputs(tmp_path):
    table = long_table(1, logit=PHI).assign(label=np.tile(LABELS % 2, M), member=lambda table: table.member.astype(int))
    table.to_csv(tmp_path / "given.csv")  # with pandas' row numbers
    found, *_ = imported(tmp_path / "given.csv", tmp_path)
    np.testing.assert_allclose(found["phi"][..., 0], np.where(LABELS % 2, 1, -1) * PHI[..., 0], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.iloc[1:], "model 0 has 79 rows: one for each of 40 samples and 2 views is needed"),
        (lambda t: pd.concat([t.iloc[1:], t.iloc[[1]]]), "model 0 has sample 0, view 1, more than once"),
        (lambda t: t.assign(sample=t["sample"] + 1), "samples are numbered from 1: they are numbered from 0"),
        (lambda t: t.assign(model=t.model / 2), "line 82 has model 0.5: models are numbered from 0"),
        (lambda t: t.assign(sample=t["sample"] * 1e9), r"line 4 has sample 1e\+09: samples are numbered"),
        (lambda t: t.assign(sample="p" + t["sample"].astype(str)), "line 2, column sample, has 'p0': numbers"),
        (lambda t: t.assign(phi=t.phi.astype(str).str.replace(".", ",")), "line 2, column phi, has '.*': numbers"),
        (lambda t: t.assign(phi=t.phi.where(t.index != 7)), "model 0: φ of sample 3, view 1, is nan"),
        (lambda t: t.assign(member=np.arange(len(t)) % 2), "member of sample 0 differs from row to row"),
        (lambda t: t.assign(label=t.model), "label of sample 0 differs from row to row"),
        (lambda t: t.assign(member=2), "member has values other than 0 and 1"),
        (lambda t: t.drop(columns="member"), "has the columns model, .*: scores need model, sample, member and one of"),
        (lambda t: t.drop(columns="phi"), "scores need model, sample, member and one of phi, logit_0"),
        (lambda t: t.assign(logit=1.0), "one of phi, logit_0"),
        (lambda t: t.rename(columns={"phi": "logit_1"}), "one of phi, logit_0"),
        (lambda t: t.iloc[:0], "has no rows"),
    ],
)
def test_broken_tables_are_refused(tmp_path, change, said):
    change(long_table(phi=PHI)).to_csv(tmp_path / "given.csv", index=False)
    with pytest.raises(DataError, match=said) as error:
        imported(tmp_path / "given.csv", tmp_path)
    assert "given.csv" in str(error.value) and [path.name for path in tmp_path.iterdir()] == ["given.csv"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b".1,.9\n.4,.6\n", "has the columns .1, .9: scores need model"),
        (b"model,sample,member,phi\n0,0,1\n0,1,1,2,3\n", "cannot be read as CSV: its lines are of different lengths"),
        (b"", "cannot be read as CSV: it is empty"),
        ("model,sample,member,phi,ä\n0,0,1,2,3\n".encode("latin-1"), "it is text that is not in UTF-8: save it in UTF"),
        ("model,sample,member,phi\n0,0,1,2\n".encode("utf-16"), "it is text that is not in UTF-8: save it in UTF-8"),
        (
            b"model,sample,member,phi" + b"\n0,0,1,2" * 99 + b"\n0,0,1,\xe4\n",
            "it is text that is not in UTF-8: save it",
        ),
        (b"model,sample,member,phi\n0,0,1,2,3\n1,0,1,2,3\n", "its lines have more values than the first has names"),
        (b"\x93NUMPY\x00\xff", "cannot be read as CSV: it is a single .npy array"),
        (b"model;sample;member;phi\n0;0;1;0,5\n", "line 2, column phi, has '0,5': numbers are .* a point before dec"),
    ],
)
def test_other_files_called_csv_are_refused(tmp_path, text, said):
    (tmp_path / "given.csv").write_bytes(text)
    with pytest.raises(DataError, match=said):
        imported(tmp_path / "given.csv", tmp_path)


@pytest.mark.parametrize(
    ("kind", "header"),
    [(kind, header) for kind in ("scores", "logits", "probabilities") for header in (None, "names", "index")]
    + [("logits", "numbers")],
)
def test_a_matrix_per_model(tmp_path, kind, header):
    values = {"scores": PHI, "logits": LOGITS[:, :, 0], "probabilities": PROBABILITIES[:, :, 0]}[kind]
    for model in range(M):
        (tmp_path / "given" / f"model_{model}" / kind).mkdir(parents=True)
        frame = pd.DataFrame(values[model])
        frame.columns = frame.columns if header in (None, "numbers") else [f"c{one}" for one in frame.columns]
        named = {"header": header is not None, "index": header == "index"}
        frame.to_csv(tmp_path / "given" / f"model_{model}" / kind / "all.csv", **named)
    pd.DataFrame(MEMBER).to_csv(tmp_path / "given" / "keep_indices.csv", index=False, header=False)
    pd.DataFrame({"label": LABELS}).to_csv(tmp_path / "given" / "labels.csv", index=False)
    found, *_ = imported(tmp_path / "given", tmp_path)
    np.testing.assert_allclose(found["phi"], PHI if kind == "scores" else PHI[..., :1], atol=1e-5)
    np.testing.assert_array_equal(found["member"], MEMBER)
    assert len(score_files(tmp_path / "given")) == M + 2


def matrices(folder, values, encoding="utf-8", **options):
    """A folder of CSV files, all written alike: φ or logits by the number of their columns."""
    kind = "logits" if values.shape[2] == C else "scores"
    for model in range(M):
        place = folder / f"model_{model}" / kind
        place.mkdir(parents=True)
        pd.DataFrame(values[model]).add_prefix("c").to_csv(place / "all.csv", encoding=encoding, **options)
        pd.Series(MEMBER[model] * 1, name="keep").to_csv(
            folder / f"model_{model}/keep.csv", encoding=encoding, **options
        )
    pd.Series(LABELS, name="label").to_csv(folder / "labels.csv", encoding=encoding, **options)
    return folder


@pytest.mark.parametrize(("kind", "encoding"), [("scores", "utf-8"), ("scores", "utf-8-sig"), ("logits", "utf-8-sig")])
@pytest.mark.parametrize(
    ("written", "first"),
    [
        *(({}, 0), ({}, 1), ({"header": False}, 0), ({"header": False}, 1)),
        *(({"index": False}, 0), ({"index": False, "header": False}, 0)),
    ],
    ids=str,
)
def test_row_numbers_and_byte_order_marks_are_no_values(tmp_path, kind, written, encoding, first):
    values = PHI[..., :1] if kind == "scores" else LOGITS[:, :, 0]
    folder = matrices(tmp_path / "given", values, encoding, **written)
    for file in folder.rglob("*.csv") if first else ():  # as R counts
        found = pd.read_csv(file, index_col=0, header=None if "header" in written else 0, encoding=encoding)
        found.set_index(found.index + 1).to_csv(file, index_label=False if "header" in written else "", **written)
    np.testing.assert_allclose(imported(folder, tmp_path)[0]["phi"], PHI[..., :1], atol=1e-5)


@pytest.mark.parametrize(("header", "rows"), [(True, N), (False, N), (True, 10)])
def test_rows_in_another_order_are_refused(tmp_path, header, rows):
    folder = matrices(tmp_path / "given", PHI[:, :rows, :1])
    for file in folder.rglob("*.csv"):
        found = pd.read_csv(file, index_col=0).sample(frac=1, random_state=0)
        found.to_csv(file, header=header, index_label="sample" if header else None)
    with pytest.raises(DataError, match=r"csv: its first column numbers the rows in another order: sort them by it"):
        imported(folder, tmp_path)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([[0, 1], [1, 0]], 2),  # of two samples and two models
        ([[0, 1], [1, 0], [0, 1], [1, 1]], 2),
        ([[0], [1], [2]], 1),
        ([["sample", 0], [0, 5], [1, 6], [2, 7]], 1),
        ([[0, 5], [1, 6], [2, 7]], 1),
        ([["", 1, 2], [0, 5, 6], [1, 6, 7]], 2),
        ([["sample", 1, 2], [0, 5, 6], [1, 6, 7], [2, 7, 8]], 2),
        ([["", "cat", 9], [0, 5, 6], [1, 6, 7]], 2),
        ([["", 0], [0, True], [1, False]], 1),
    ],
)
def test_a_column_of_values_is_no_row_number(tmp_path, values, kept):
    pd.DataFrame(values).to_csv(tmp_path / "given.csv", header=False, index=False)
    assert read_matrix(tmp_path / "given.csv").tolist() == [
        row[-kept:] for row in values if not isinstance(row[0], str)
    ]


@pytest.mark.parametrize(("model", "said"), [(0, "sample 0, view 0, is nan"), (1, "sample 0, view 0, is nan")])
def test_a_missing_value_in_the_first_row_makes_no_names_of_it(tmp_path, model, said):
    values = PHI.copy()
    values[model, 0, 0] = np.nan
    with pytest.raises(DataError, match=f"model_{model}/scores/all.csv: φ of {said}"):
        imported(matrices(tmp_path / "given", values, index=False, header=False), tmp_path)


def test_what_the_released_code_says_of_its_models_is_taken(tmp_path):
    found, attributes, remarks = imported(released(tmp_path / "given"), tmp_path)
    np.testing.assert_allclose(found["utility/train_loss"], np.arange(M) / 10)
    np.testing.assert_allclose(found["utility/train_accuracy"], 0.99 + np.arange(M) / 1e4)
    np.testing.assert_allclose(found["utility/test_loss"], np.full(M, 0.5))
    np.testing.assert_allclose(found["utility/test_accuracy"], np.full(M, 0.875))
    np.testing.assert_array_equal(found["utility/best_epoch"], 60 + np.arange(M))
    recipe = json.loads(attributes["recipe"])
    training = {"epochs": 100, "batch_size": 256, "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 1e-3}
    training |= {"momentum": 0.9, "schedule": "cosine", "patience": 20, "dropout": 0.1, "start": "scratch"}
    assert recipe == training | {"image_size": 32, "augment": ["flip", "crop", "jitter", "cutmix"], "query_views": A}
    assert "losses and accuracies are those of metrics.csv" in remarks and "torch" not in attributes["versions"]
    assert {"model_0/metrics.csv", "train_config.yaml"} <= {
        str(file.relative_to(tmp_path / "given")) for file in score_files(tmp_path / "given")
    }


def test_what_the_study_says_goes_before_what_the_folder_says(tmp_path):
    stated = ImportedRecipe(**{name: None for name in ImportedRecipe.model_fields} | {"epochs": 40, "query_views": 18})
    _, attributes, remarks = imported(released(tmp_path / "given"), tmp_path, stated)
    recipe = json.loads(attributes["recipe"])
    assert (recipe["epochs"], recipe["batch_size"], recipe["crop_padding"]) == (40, 256, None)
    assert "epochs is 40 in the study, and 100 in train_config.yaml" in remarks
    assert recipe["query_views"] == A and "scores are of 2 views, the study says query_views: 18" in remarks


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({"optimizer": "rmsprop"}, {"optimizer": None, "momentum": None}),
        ({"optimizer": "adam, betas: [0.8, 0.9]"}, {"optimizer": "adam", "momentum": None, "betas": [0.8, 0.9]}),
        ({"optimizer": "sgd, betas: [0.8, 0.9]"}, {"optimizer": "sgd", "momentum": 0.9, "betas": None}),
        ({"lr_scheduler": "step, warmup_epochs: 5"}, {"schedule": None, "warmup_epochs": None}),
        ({"lr_scheduler": "cosine, warmup_epochs: 5"}, {"schedule": "cosine", "warmup_epochs": 5}),
        ({"early_stopping": "false"}, {"patience": None}),
    ],
)
def test_settings_are_known_if_a_recipe_here_has_them(tmp_path, change, known):
    text = CONFIG.replace("\n  weight_decay", " weight_decay")
    for name, value in change.items():
        text = text.replace(next(part for part in text.split(", ") if f"{name}:" in part), f"{name}: {value}")
    folder = released(tmp_path / "given")
    (folder / "train_config.yaml").write_text(text)
    recipe = json.loads(imported(folder, tmp_path)[1]["recipe"])
    assert {name: recipe.get(name) for name in known} == known and recipe["epochs"] == 100


@pytest.mark.parametrize(
    ("file", "text", "error", "said"),
    [
        ("train_config.yaml", "training: {epochs: many}", ConfigError, r"train_config.yaml.epochs is 'many': input"),
        ("train_config.yaml", "a: [", ConfigError, "train_config.yaml: this is no YAML .* see line 1: correct it as"),
        ("train_config.yaml", "a", ConfigError, "train_config.yaml: this is no YAML .* per line: correct it as"),
        ("model_2/metrics.csv", "loss\n1\n", DataError, "model_2/metrics.csv has the columns loss: losses need Train_"),
        ("model_2/metrics.csv", "", DataError, "model_2/metrics.csv is empty: losses need"),
        ("model_2/metrics.csv", "Train_loss\n-1\n", DataError, "Train_loss is -1: allowed are numbers from 0 to inf"),
        ("model_2/metrics.csv", "Test_acc (%)\n101\n", DataError, "is 101: allowed are numbers from 0 to 100"),
    ],
)
def test_what_it_says_is_checked(tmp_path, file, text, error, said):
    folder = released(tmp_path / "given")
    (folder / file).write_text(text)
    with pytest.raises(error, match=said):
        imported(folder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_losses_may_be_missing(tmp_path):
    folder = released(tmp_path / "given")
    (folder / "model_3" / "metrics.csv").unlink()
    (folder / "model_4" / "metrics.csv").write_text(f"{METRICS}\n1,0.3,0.5,90,80\n12, 0.4 ,0.5,95%,n/a\n")
    found, _, remarks = imported(folder, tmp_path)
    assert np.isnan(found["utility/train_loss"][3]) and np.isnan(found["utility/test_accuracy"][4])
    assert (found["utility/train_loss"][4], found["utility/train_accuracy"][4]) == (0.4, 0.95)  # the last line
    assert "lack 1 of 8 models, such as model_3" in remarks


def test_a_file_may_say_losses_too(tmp_path):
    arrays = {"phi": PHI, "member": MEMBER, "train_loss": np.arange(M) / 10, "test_accuracy": np.full(M, 0.9)}
    found, *_ = imported(write_arrays(tmp_path / "given.npz", **arrays), tmp_path)
    np.testing.assert_array_equal(found["utility/train_loss"], arrays["train_loss"])
    assert np.isnan(found["utility/test_loss"]).all()
    for wrong, said in (
        ({"test_accuracy": np.full(M, 90)}, r"test_accuracy\[0\] is 90: accuracies are from 0 to 1"),
        ({"train_loss": np.zeros(3)}, r"train_loss is \[3\]: one number for each of the 8 models"),
    ):
        with pytest.raises(DataError, match=said):
            imported(write_arrays(tmp_path / "given.npz", **arrays | wrong), tmp_path)


def epochs(folder, *names):
    for model in range(M):
        for name in names:
            shutil.copy(folder / f"model_{model}/logits/logits.npy", folder / f"model_{model}/logits/{name}.npy")
        (folder / f"model_{model}/logits/logits.npy").unlink()
    return folder


@pytest.mark.parametrize("names", [("9", "100"), ("epoch9", "epoch100"), ("0000000009", "100"), ("9_ema", "100_ema")])
def test_epochs_are_numbers(tmp_path, names):
    folder = epochs(released(tmp_path / "given"), *names)
    np.save(folder / f"model_0/logits/{names[0]}.npy", LOGITS[1][:, None])
    for metrics in folder.glob("*/metrics.csv"):
        metrics.unlink()
    np.testing.assert_allclose(imported(folder, tmp_path)[0]["phi"], PHI, atol=1e-5)
    assert folder / f"model_0/logits/{names[1]}.npy" in score_files(folder)


def test_the_best_epoch_goes_before_the_last(tmp_path):
    folder = epochs(released(tmp_path / "given"), "60", "61", "100")
    np.save(folder / "model_1/logits/61.npy", LOGITS[2][:, None])
    found, _, remarks = imported(folder, tmp_path)
    np.testing.assert_allclose(found["phi"][1], PHI[2], atol=1e-5)
    assert "models are of 3 different epochs, their best epochs" in remarks
    assert folder / "model_0/logits/60.npy" in score_files(folder)


def test_finished_models_of_an_interrupted_run_can_be_taken(tmp_path):
    folder = released(tmp_path / "given", models=[0, 1, 2, 4, 5, 6])
    with pytest.raises(DataError, match=r"lacks models \[3, 7\]: 8 .*; set models: 6 for the run to take those that"):
        imported(folder, tmp_path)
    (folder / "model_3" / "logits").mkdir(parents=True)  # what was at work
    with pytest.raises(DataError, match=r"lacks models \[7\]: .*; set models: 6 for the run"):
        imported(folder, tmp_path)
    found, attributes, remarks = imported(folder, tmp_path, models=6)
    taken = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(found["member"], MEMBER[taken])
    np.testing.assert_allclose(found["phi"], PHI[taken], atol=1e-5)
    np.testing.assert_array_equal(found["utility/best_epoch"], 60 + np.array(taken))
    assert attributes["shadow_models"] == 6 and "6 of 8 models were taken, the first that are finished" in remarks
    assert sum(file.name == "logits.npy" for file in score_files(folder, 6)) == 6 and score_files(folder) == [folder]
    np.testing.assert_array_equal(imported(folder, tmp_path, models=4)[0]["member"], MEMBER[taken[:4]])
    with pytest.raises(DataError, match=r"lacks logits/ of models \[3\]: 7 models .*; set models: 6 for"):
        imported(folder, tmp_path, models=7)
    with pytest.raises(DataError, match="is of 8 models, but models is 9: set 8 or less"):
        imported(folder, tmp_path, models=9)


def test_scores_that_are_not_there_are_named(tmp_path):
    folder = released(tmp_path / "given")
    for model in range(M):
        (folder / f"model_{model}" / "scores").mkdir()
    found, _, remarks = imported(folder, tmp_path)
    np.testing.assert_allclose(found["phi"], PHI, atol=1e-5)
    assert "scores/ is empty or missing in 8 of 8 models, [0, 1, 2, 3, 4, 5, 6, 7]: φ is of logits/" in remarks
    for model in range(M - 2):
        np.save(folder / f"model_{model}" / "scores" / "scores.npy", PHI[model] + 1)
    found, _, remarks = imported(folder, tmp_path)
    np.testing.assert_allclose(found["phi"], PHI, atol=1e-5)
    assert "scores/ is empty or missing in 2 of 8 models, [6, 7]" in remarks
    (folder / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"logits need labels: .* \(scores/ is empty or missing in 2 of 8 models"):
        imported(folder, tmp_path)
    shutil.rmtree(folder / "model_0" / "logits")
    with pytest.raises(DataError, match=r"lacks scores/ of models \[6, 7\] and logits/ of models \[0\]: 8 models need"):
        imported(folder, tmp_path)


@pytest.mark.parametrize("form", ["npz", "csv"])
def test_the_number_of_models_is_that_of_the_study(tmp_path, form):
    if form == "npz":
        scores = write_arrays(tmp_path / "given.npz", phi=PHI, member=MEMBER)
    else:
        scores = tmp_path / "given.csv"
        long_table(phi=PHI).to_csv(scores, index=False)
    with pytest.raises(DataError, match="is of 8 models, but shadow_models is 16: set models: 8 for d/a/r if that is"):
        imported(scores, tmp_path, shadow_models=16)
    imported(scores, tmp_path, shadow_models=8)
    found, _, remarks = imported(scores, tmp_path, models=4)
    np.testing.assert_array_equal(found["phi"], PHI[:4])
    assert "the first 4 of 8 models were taken" in remarks
    with pytest.raises(DataError, match="is of 8 models, but models is 16: set 8 or less"):
        imported(scores, tmp_path, models=16)


def test_a_study_asks_for_the_models_it_names():
    runs = {"d/a/r": {"scores": "x"}, "d/b/r": {"scores": "x", "models": 8}}
    studies = [load_study({"study": "s", "runs": runs, **more}) for more in ({}, {"shadow_models": 16})]
    asked = [study.run_spec(key) for study in studies for key in runs]
    assert [(spec.models, spec.shadow_models) for spec in asked] == [(None, None), (8, None), (None, 16), (8, None)]
    own = {"datasets": {"d": {"source": "digits", "test": 9}}, "architectures": {"a": {"family": "fcn"}}}
    trained = {"study": "s", "regimes": {"r": {}}, "runs": {"d/a/r": {"models": 8}}, **own}
    with pytest.raises(ConfigError, match="runs.d/a/r.models is 8: allowed with scores alone"):
        load_study(trained)
    with pytest.raises(ConfigError, match=r"runs.d/a/r.models is 1: input should be greater than or equal to 2"):
        load_study({"study": "s", "runs": {"d/a/r": {"scores": "x", "models": 1}}})


K = 20
SQUARE = balanced_membership(samples=K, models=K, fraction=0.5, seed=0)
OF_SQUARE = RNG.normal(2.0 * SQUARE, 1)
HALF = np.array([RNG.permutation(K) < K // 2 for _ in range(K)])  # half of the samples in each model
OF_HALF = RNG.normal(HALF, 1) + RNG.normal(0, 3, size=K)


@pytest.mark.parametrize(
    ("phi", "member", "said"),
    [
        (OF_SQUARE.T, SQUARE.T, "each row of member has 10 members, and columns .*, as if models were in the columns"),
        (OF_SQUARE, SQUARE.T, r"φ goes with the transposed member \(correlation 0.\d+\), not with member"),
        (OF_SQUARE.T, SQUARE, "φ goes with the transposed member"),
        (OF_HALF.T, HALF.T, "φ differs more from row to row than from column to column"),
        (OF_SQUARE, SQUARE, None),
        (OF_HALF, HALF, None),
        (np.ones((K, K)) * 3, SQUARE, None),
        (OF_SQUARE - 40 * (np.arange(K) == 3)[:, None], SQUARE, None),  # a diverged model
        (OF_SQUARE[:2, :2], np.eye(2), None),
    ],
)
def test_as_many_models_as_samples_must_not_be_transposed(tmp_path, phi, member, said):
    scores = write_arrays(tmp_path / "given.npz", phi=phi, member=member)
    if said is None:
        imported(scores, tmp_path)
        return
    with pytest.raises(DataError, match=f"there are 20 models and 20 samples, and {said}"):
        imported(scores, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["given.npz"]


@pytest.mark.parametrize("models", [None, 7])
def test_models_numbered_from_1_are_refused(tmp_path, models):
    folder = released(tmp_path / "given")
    for model in reversed(range(M)):
        (folder / f"model_{model}").rename(folder / f"model_{model + 1}")
    with pytest.raises(DataError, match="given: the 8 models are numbered from 1: number them from 0 to 7"):
        imported(folder, tmp_path, models=models)


@pytest.mark.parametrize("models", [None, M])
@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_transposed_membership_is_named(tmp_path, suffix, models):
    folder = released(tmp_path / "given")
    (folder / "keep_indices.npy").unlink()
    if suffix == "npy":
        np.save(folder / "keep_indices.npy", MEMBER.T)
    else:
        np.savetxt(folder / "keep_indices.csv", MEMBER.T, delimiter=",")
    said = rf"keep_indices.{suffix} is \[40, 8\], but .*logits.npy is of 40 samples: .* so transpose it"
    with pytest.raises(DataError, match=said):
        imported(folder, tmp_path, models=models)


SIGMOIDS = 1 / (1 + np.exp(-LOGITS))


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        (
            SIGMOIDS,
            r"logits\[0\]: the logits are probabilities .* as sigmoids of each class.: give what the sigmoid was",
        ),
        (LOGITS[..., :1], r"logits\[0\] is \[40, 2, 1\], two views of one output or two classes: give both classes"),
        (SIGMOIDS[:, :4], None),
        (LOGITS * 0.01 + 0.5, None),
    ],
    ids=["sigmoids", "two or two", "four samples", "nearly constant"],
)
def test_logits_that_are_something_else(tmp_path, logits, said):
    samples = logits.shape[1]
    labels = LABELS[:samples] % logits.shape[-1]
    scores = write_arrays(tmp_path / "given.npz", logits=logits, member=MEMBER[:, :samples], labels=labels)
    if said is None:
        imported(scores, tmp_path)
        return
    with pytest.raises(DataError, match=said):
        imported(scores, tmp_path)


def test_two_views_of_one_output_in_a_folder_are_refused(tmp_path):
    folder = released(tmp_path / "given")
    for model in range(M):
        np.save(folder / f"model_{model}/logits/logits.npy", LOGITS[model][:, None, :, :1])
    with pytest.raises(
        DataError, match=r"model_0/logits/logits.npy is \[40, 1, 2, 1\], two views of one output or two"
    ):
        imported(folder, tmp_path)


def test_a_table_says_which_are_views(tmp_path):
    long_table(logit=PHI).assign(label=np.tile(np.repeat(LABELS % 2, A), M)).to_csv(tmp_path / "given.csv")
    found, *_ = imported(tmp_path / "given.csv", tmp_path)
    np.testing.assert_allclose(found["phi"], np.where(LABELS % 2, 1, -1)[:, None] * PHI, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sep"), [("g.csv", ";"), ("g.CSV", ","), ("g.tsv", "\t"), ("g.Tsv", "|"), ("g.csv", "\t")]
)
def test_tables_of_other_names_and_delimiters(tmp_path, name, sep):
    long_table(phi=PHI).to_csv(tmp_path / name, sep=sep, index=False)
    np.testing.assert_array_equal(imported(tmp_path / name, tmp_path)[0]["phi"], PHI)
    for model in range(M):
        (tmp_path / "given" / f"model_{model}" / "scores").mkdir(parents=True)
        place = tmp_path / "given" / f"model_{model}" / "scores" / name
        pd.DataFrame(PHI[model]).to_csv(place, sep=sep, index=False, header=False)
    pd.DataFrame(MEMBER * 1).to_csv(tmp_path / "given" / f"keep_indices{name[1:]}", sep=sep, index=False, header=False)
    found, *_ = imported(tmp_path / "given", tmp_path)
    np.testing.assert_array_equal(found["phi"], PHI)
    np.testing.assert_array_equal(found["member"], MEMBER)


def test_probabilities_may_be_rounded_beyond_1(tmp_path):
    given = PROBABILITIES.copy()
    given[0, 0] = np.eye(C)[0] + np.array([1e-7, -1e-9, 1e-9])
    labels = {"member": MEMBER, "labels": LABELS}
    found, *_ = imported(write_arrays(tmp_path / "given.npz", probabilities=given, **labels), tmp_path)
    np.testing.assert_allclose(found["phi"][0, 0], -np.log(1e-9), rtol=1e-6)
    np.testing.assert_allclose(found["phi"][1:], PHI[1:], atol=1e-5)
    for value, said in ((1.01, "is 1.01: allowed are"), (np.nan, "is nan: query the model again, or leave it out")):
        given[0, 0, 0, 0] = value
        with pytest.raises(DataError, match=f"a probability of sample 0 {said}"):
            imported(write_arrays(tmp_path / "given.npz", probabilities=given, **labels), tmp_path)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("phi", np.inf, "is inf: give logits or probabilities, of which it is clipped"),
        ("phi", np.nan, "is nan: query the model again, or leave it out of the scores"),
        ("logits", np.inf, "is nan: query the model again"),
    ],
)
def test_scores_that_are_not_finite_have_a_remedy(tmp_path, kind, value, said):
    values = {"phi": PHI, "logits": LOGITS}[kind].copy()
    values[1, 2] = value
    scores = write_arrays(tmp_path / "given.npz", **{kind: values}, member=MEMBER, labels=LABELS)
    with pytest.raises(DataError, match=rf"\[1\]: φ of sample 2, view 0, {said}"):
        imported(scores, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda m: np.ones_like(m),
            "all 8 models have sample 0 as a member, and so it is with 40 of 40 samples: attacks",
        ),
        (
            lambda m: np.zeros_like(m),
            "none of 8 models has sample 0 as a member, .*: attacks need models with and without",
        ),
        (lambda m: np.tile(m[0], (M, 1)), "sample 0 as a member, and so it is with 40 of 40 samples"),
        (lambda m: m | (np.arange(N) == 7), "all 8 models have sample 7 as a member: attacks .* leave the sample out"),
    ],
    ids=["all", "none", "same", "one"],
)
def test_samples_without_one_side_are_refused(tmp_path, change, said):
    scores = write_arrays(tmp_path / "given.npz", phi=PHI, member=change(MEMBER))
    with pytest.raises(DataError, match=said):
        imported(scores, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["given.npz"]


def test_shadow_models_that_never_held_a_sample_are_imported_if_the_study_says_so(tmp_path):
    scores = write_arrays(tmp_path / "none.npz", phi=PHI, member=np.zeros_like(MEMBER))
    arrays, _, _ = imported(scores, tmp_path, never_held=True)
    np.testing.assert_array_equal(arrays["phi"], PHI)
    assert not arrays["member"].any()
    model, sample = np.argwhere(MEMBER)[0]
    scores = write_arrays(tmp_path / "some.npz", phi=PHI, member=MEMBER)
    with pytest.raises(DataError, match=f"model {model} has sample {sample} as a member, but never_held is true"):
        imported(scores, tmp_path, never_held=True)
