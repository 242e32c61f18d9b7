"""The smoke study for real: every file, nothing twice, the same again in other shards."""

import json
import re
import shlex
import shutil
import subprocess

import h5py
import numpy as np
import pandas as pd
import torch
from receipts import models_of
from workspace import Workspace

from lira.datasets import read_part
from lira.shadows.logits import scaled_logit
from lira.shadows.weights import load_model

RUN = ("runs", "digits", "resnet", "aof", "seed0")


def test_everything_is_there(finished):
    tables = {path.name for path in finished.path("paper", "tables").iterdir()}
    for name in (
        "benchmarks",
        "utility",
        "optimistic",
        "ablation",
        "transfer",
        "calibrated-fpr0.01",
        "calibrated-fpr0.1",
        "robustness-fpr0.1",
        "provenance",
    ):
        assert {f"{name}.csv", f"{name}.tex", f"{name}.md"} <= tables
    figures = {path.name for path in finished.path("paper", "figures").iterdir()}
    for name in ("loss_ratio", "roc", "in_out-digits-fcn", "agreement-digits-fcn-baseline", "top1-digits-fcn-baseline"):
        assert {f"{name}.pdf", f"{name}.png"} <= figures
    results = ("scores.h5", "metrics.csv", "samples.csv", "controls.csv", "null_samples.csv", "summary.csv")
    for file in ("shards/0-3.json", "shards/4-7.json", "shadows.h5", *results):
        assert finished.path(*RUN, file).is_file()
    assert sorted(path.name.split(".")[0] for path in finished.path(*RUN, "shards").glob("*.h5")) == ["0-3", "4-7"]
    assert finished.path("runtime", "train_shadows", *RUN[1:], "0-3.tsv").is_file()
    assert finished.path("logs", "train_shadows", *RUN[1:], "0-3.log").read_text().count("test accuracy") == 2
    assert not list(finished.path("runs").rglob("*.pt"))
    assert finished.path("report.html").stat().st_size > 100_000
    assert "are of other settings than" not in finished.path("report.html").read_text()
    assert "results/smoke/paper/tables" in finished.output.splitlines()[-3:][0] + finished.output


def test_stored_files_say_what_they_are_and_hold_what_they_should(finished):
    with h5py.File(*models_of(finished.path(*RUN, "shards", "4-7.json"))) as shard:
        assert shard["logits"].shape == (4, 200, 18, 10)
        with h5py.File(next(finished.path("data").iterdir())) as data:
            labels = data["pool/y"][:]
            parts = [set(data[part]["source"][:]) for part in ("pool", "test", "public")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 1797
        for model in range(4):
            expected = scaled_logit(shard["logits"][model], labels).astype(np.float32)
            np.testing.assert_array_equal(shard["phi"][model], expected)
    with h5py.File(finished.path(*RUN, "shadows.h5")) as shadows:
        assert shadows["phi"].chunks[0] == 8
        assert (shadows["member"][:].sum(axis=0) == 4).all()
        assert {"encoding-type", "encoding-version", "recipe", "seed", "versions", "device", "revision"} <= set(
            shadows.attrs
        )


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run("--cores", "2", "all")


def test_one_more_seed_runs_that_seed_and_what_depends_on_it(finished):
    runs = finished.settings["runs"]
    finished.change(runs=runs | {"digits/fcn/baseline": {"seeds": [0, 1, 2]}})
    try:
        planned = finished.planned()
    finally:
        finished.change(runs=runs)
    assert len(planned["train_shadows"]) == 2
    steps = ("gather_shadows", "score_attacks", "calibrate_thresholds", "run_controls", "summarise_rates")
    for rule in ("train_shadows", *steps):
        assert all("digits/fcn/baseline/seed2" in output for output in planned[rule]), rule
    assert set(planned) >= {"measure_agreement", "measure_null_agreement", "measure_ranks", "plot_agreement"}
    assert set(planned) >= {"tabulate_optimistic_seeds", "tabulate_calibrated_seeds"}
    once = {"tabulate_optimistic", "tabulate_calibrated", "tabulate_utility", "plot_roc", "measure_groups"}
    assert not {"prepare_data", "pretrain_model", *once} & set(planned)


def test_a_changed_learning_rate_retrains_only_what_uses_it(finished):
    regimes = finished.settings["regimes"]
    finished.change(regimes=regimes | {"tl": regimes["tl"] | {"learning_rate": 2e-3}})
    try:
        planned = finished.planned()
    finally:
        finished.change(regimes=regimes)
    assert [output.split("/seed")[0] for output in planned["train_shadows"]] == ["results/smoke/runs/digits/fcn/tl"] * 2
    assert not {"prepare_data", "pretrain_model", "measure_agreement", "plot_agreement"} & set(planned)


def test_another_fpr_calibrates_again_and_trains_nothing(finished):
    finished.change(fprs=[0.01, 0.1, 0.2])
    try:
        planned = finished.planned()
    finally:
        finished.change(fprs=[0.01, 0.1])
    assert (len(planned["calibrate_thresholds"]), len(planned["run_controls"])) == (2 * 4, 4 * 4)
    assert not {"train_shadows", "gather_shadows", "score_attacks"} & set(planned)


def test_another_sample_draws_its_figures_again_and_nothing_else(finished):
    finished.change(sample=4)
    try:
        assert set(finished.planned()) == {"plot_in_out"}
    finally:
        finished.change(sample=3)


def test_in_other_shards_and_with_weights_kept_the_study_is_the_same(finished, tmp_path):
    other = Workspace(finished.root, tmp_path, shard_size=8, store_weights=True)
    other.run("--cores", "2", "tables")
    for mine in sorted(finished.path("runs").rglob("shadows.h5")):
        theirs = other.folder / mine.relative_to(finished.folder)
        with h5py.File(mine) as one, h5py.File(theirs) as two:
            for name in ("phi", "member", "utility/train_loss", "utility/test_accuracy"):
                np.testing.assert_array_equal(one[name][:], two[name][:])
    assert other.tables() == finished.tables()
    data, run = next(other.path("data").iterdir()), other.path("runs", "digits", "fcn", "baseline", "seed0")
    pool, model = read_part(data, "pool"), load_model(*models_of(run / "shards" / "0-7.json"), 5, data)
    with torch.no_grad():
        found = scaled_logit(model(torch.as_tensor(pool.x)).numpy()[:, np.newaxis], pool.y)
    with h5py.File(run / "shadows.h5") as shadows:
        np.testing.assert_allclose(found, shadows["phi"][5], rtol=1e-3, atol=1e-3)


def test_a_failed_job_says_where_to_look_and_leaves_nothing_half_written(finished, tmp_path):
    regimes = finished.settings["regimes"]
    broken = Workspace(finished.root, tmp_path, regimes=regimes | {"baseline": {"batch_size": 10_000, "cohort": 4}})
    target = "results/smoke/runs/digits/fcn/baseline/seed0/shadows.h5"
    done = subprocess.run(broken.command("--cores", "2", target), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "error: runs.digits/fcn/baseline: batch_size is 10000: allowed are at most the" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "results/smoke/logs" in done.stdout + done.stderr
    assert not list(broken.path("runs").rglob("*.h5"))


def test_half_done_it_shows_what_is_finished_and_says_what_adds_the_rest(finished, tmp_path):
    half, gone = Workspace(finished.root, tmp_path), ("runs", "digits", "fcn", "tl")
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    half.study.write_text(finished.study.read_text())
    kept = shutil.move(half.path(*gone), tmp_path / "kept")
    made = [f"tabulate_{name}" for name in ("utility", "transfer", "optimistic", "ablation", "rank_agreement")]
    output = half.run("so_far", "--cores", "2", "--until", *made, "judge_study")
    assert "train_shadows" not in output and "digits/fcn/tl, seed 0, is not finished" in output
    tables = half.path("so_far", "paper", "tables")
    for name in ("utility", "transfer", "optimistic"):
        rows = pd.read_csv(tables / f"{name}.csv")
        assert not {("fcn", "tl")} & set(zip(rows["architecture"], rows["regime"], strict=True)) and len(rows)
        assert "digits/fcn/tl, seed 0, is not finished: snakemake results/" in (tables / f"{name}.md").read_text()
    assert "is not finished" not in (tables / "ablation.md").read_text()
    command = re.search(r"(snakemake \S+ --configfile \S+) adds it", (tables / "utility.md").read_text())[1]
    words = [*shlex.split(command), "-n", "--snakefile", half.root / "Snakefile"]
    planned = subprocess.run(words, cwd=half.folder, capture_output=True, text=True, check=True)
    assert "Training digits fcn tl" in planned.stdout + planned.stderr and "tabulate" not in planned.stdout
    whole = {path: path.read_bytes() for path in half.path("paper").rglob("*") if path.is_file()}
    assert whole == {path: finished.folder.joinpath(path.relative_to(tmp_path)).read_bytes() for path in whole}
    told = json.loads(half.path("so_far", "runs.json").read_text())
    assert ["digits/fcn/baseline", 1] in told and ["digits/fcn/tl", 0] not in told
    shutil.move(kept, half.path(*gone))
    again = set(half.run("-n", "so_far").split())
    assert {"tabulate_utility", "tabulate_transfer", "judge_study"} <= again
    assert not {"train_shadows", "tabulate_ablation", "tabulate_rank_agreement"} & again


def test_a_report_of_results_that_are_of_another_recipe_says_so_and_describes_nothing(finished, tmp_path):
    other, regimes = tmp_path / "report.html", finished.settings["regimes"]
    finished.change(regimes=regimes | {"tl": regimes["tl"] | {"epochs": 9}})
    try:
        finished.run("tables", "figures", "--report", other)
    finally:
        finished.change(regimes=regimes)
    text = other.read_text()
    assert "are of other settings than" in text and "training.recipe.epochs was" in text
    said = "32 shadow models, 8 in each run"
    assert said not in text and said in finished.path("report.html").read_text()
