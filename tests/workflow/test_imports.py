"""A study of the released code's folders alone, from files to tables: what they say of their models has its place."""

import json
import re
import subprocess

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from lira.shadows.membership import balanced_membership

M, N, C = 8, 60, 3
HEADINGS = "Best_epoch,Train_loss,Test_loss,Train_acc (%),Test_acc (%)"
CONFIG = {
    "dataset": {"name": "cifar10", "input_size": 32},
    "train_data_augmentation": ["random_flip", "random_crop", "cutout", "normalize"],
    "model": {"architecture": "wrn28-2", "pretrained": False},
    "training": {"epochs": 100, "batch_size": 256, "optimizer": "sgd", "learning_rate": 0.1, "weight_decay": "5e-4"},
}
TABLES, RUNS = "results/given/paper/tables", ("aof", "baseline", "tl")


def write_models(folder, seed, models=M, dropout=0.0):
    rng = np.random.default_rng(seed)
    member = balanced_membership(samples=N, models=M, fraction=0.5, seed=seed)
    for model in range(models):
        place = folder / f"model_{model}"
        (place / "logits").mkdir(parents=True)
        logits = rng.normal(size=(N, 1, 2, C))
        logits[np.arange(N), 0, :, np.arange(N) % C] += 1 + (3 - 4 * dropout) * member[model][:, None]
        np.save(place / "logits" / "logits.npy", logits.astype("f4"))
        row = f"{90 + model},{0.1 + dropout + model / 100:.4f},{0.6:.4f},{99.5 - model / 10:.2f},87.25"
        (place / "metrics.csv").write_text(f"{HEADINGS}\n{row}\n")
    np.save(folder / "keep_indices.npy", member)
    np.save(folder / "labels.npy", np.arange(N) % C)
    config = CONFIG | {"model": CONFIG["model"] | {"drop_rate": dropout}}
    (folder / "train_config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """Runs the study; returns its folder and what was said."""
    folder = tmp_path_factory.mktemp("given")
    write_models(folder / "baseline-0", 0)
    write_models(folder / "aof-0", 1, dropout=0.25)
    write_models(folder / "tl-0", 2, models=6, dropout=0.1)
    runs = {f"cifar10/wrn/{name}": {"scores": f"{name}-{{seed}}"} for name in RUNS}
    runs["cifar10/wrn/tl"]["models"] = 6
    study = {"study": "given", "seeds": [0], "fprs": [0.1], "runs": runs, "ablation": list(runs)}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    names = [f"{TABLES}/{name}.csv" for name in ("utility", "ablation", "benchmarks", "provenance")]
    place = ["--snakefile", request.config.rootpath / "Snakefile", "--directory", folder]
    words = ["snakemake", *names, "results/given/paper/figures/loss_ratio.pdf", "--cores", "2", *place]
    done = subprocess.run(
        [*map(str, words), "--configfile", "study.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_losses_accuracies_and_recipes_have_numbers(made):
    folder, _ = made
    utility = pd.read_csv(folder / TABLES / "utility.csv").set_index("regime")
    assert utility.loc["baseline", "train_loss_mean"] == pytest.approx(0.135)
    assert utility.loc["baseline", "test_accuracy_mean"] == 87.25 and utility.loc["baseline", "train_accuracy_std"] > 0
    assert utility.loc["tl", "train_accuracy_mean"] == pytest.approx(99.25)
    ablation = pd.read_csv(folder / TABLES / "ablation.csv").set_index("regime")
    assert list(ablation.loc[list(RUNS), "dropout_pct"]) == [25, 0, 10]
    assert (ablation["augment"] == "FLP+CRP+CUT").all() and (ablation["weight_decay"] == 5e-4).all()
    assert ablation[["loss_ratio_mean", "tpr_mean", "test_loss_mean"]].notna().all(axis=None)
    benchmarks = pd.read_csv(folder / TABLES / "benchmarks.csv").set_index("regime")
    assert list(benchmarks.loc[list(RUNS), "shadow_models"]) == [8, 8, 6] and (benchmarks["epochs"] == 100).all()
    assert (folder / "results/given/paper/figures/loss_ratio.pdf").stat().st_size > 1000
    with h5py.File(folder / "results/given/runs/cifar10/wrn/tl/seed0/shadows.h5") as file:
        assert file["phi"].shape == (6, N, 2) and file["utility/best_epoch"][0] == 90


def test_the_tables_say_what_was_taken_and_that_nothing_was_trained(made):
    folder, _ = made
    provenance = (folder / TABLES / "provenance.md").read_text()
    assert (
        "Trained: nothing on this machine: all scores were imported; revision and versions are those of" in provenance
    )
    utility = (folder / TABLES / "utility.md").read_text()
    assert "Imported (cifar10 wrn tl 0): 6 of 8 models were taken, the first that are finished." in utility
    assert "losses and accuracies are those of metrics.csv" in utility
    record = json.loads(re.search(r"<!-- lira: (.*) -->", utility)[1])
    assert record["trained"] == "nothing on this machine: all scores were imported"
    log = folder / "results/given/logs/import_scores/cifar10/wrn/tl/seed0.log"
    assert "tl-0: 6 of 8 models were taken" in log.read_text()


@pytest.mark.parametrize("file", ["model_1/metrics.csv", "train_config.yaml", "model_2/logits/logits.npy"])
def test_what_is_read_of_a_folder_counts(request, made, file):
    folder, _ = made
    target = "results/given/runs/cifar10/wrn/baseline/seed0/shadows.h5"
    place = ["--snakefile", request.config.rootpath / "Snakefile", "--directory", folder, "--configfile", "study.yaml"]
    words = list(map(str, ["snakemake", target, "-n", *place]))
    path = folder / "baseline-0" / file
    kept = path.read_bytes()
    assert "import_scores" not in subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    path.write_bytes(kept)
    try:
        said = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    finally:
        subprocess.run([*words[:2], "--cores", "1", *words[3:]], cwd=folder, capture_output=True, check=True)
    assert "import_scores" in said
