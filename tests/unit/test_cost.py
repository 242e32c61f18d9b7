"""What a study costs, by its stated rates, by its own finished models, and less what is there."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lira.config import load_study
from lira.cost import START_SECONDS, costs, describe_costs, measure, seconds_per_model
from lira.remaining import Remaining
from lira.shadows.models import build
from lira.storage import hdf5
from lira.storage.identity import models_identity
from lira.work import shards, size_of, stated_seconds, work
from lira.workflow import Plan


@pytest.fixture
def paper(request):
    return load_study(request.config.rootpath / "studies" / "paper.yaml")


@pytest.fixture
def smoke(request):
    return load_study(request.config.rootpath / "studies" / "smoke.yaml")


def prepare(study, results):
    """Writes what is asked, and what models are made from: empty data of the right size, and any start."""
    plan = Plan(study, results=results, writes=True)
    plan.ask()
    for dataset in study.datasets:
        plan.raw_source(SimpleNamespace(dataset=dataset))
    for key in study.runs:
        for seed in study.seeds_of(key):
            (file,) = plan.data_of(key, seed)
            size = size_of(study, key)
            said = {"sha256": "0", "scale": 1.0, "classes": size.classes, "mean": [0.0], "std": [1.0]}
            with hdf5.create(file, "data", said) as data:
                hdf5.dataset(data, "pool/x", (size.pool, *size.shape), np.uint8)
                hdf5.dataset(data, "test/y", (size.test,), np.int64)
    for key in study.runs:
        if study.recipe_of(key).start == "public":
            start = start_of(plan, key)
            start.parent.mkdir(parents=True, exist_ok=True)
            start.touch()


def start_of(plan, key):
    return Path(plan.results, "pretrained", *key.split("/")[:2]).with_suffix(".pt")


def finish(study, results, key, seconds, first, last, seed=None):
    """Writes a file of finished models."""
    plan, seed = Plan(study, results=results), study.seeds_of(key)[0] if seed is None else seed
    start = start_of(plan, key) if study.recipe_of(key).start == "public" else None
    identity = models_identity(study.training_settings(key), seed, Path(*plan.data_of(key, seed)), start)
    folder = Path(plan.results, "runs", key, f"seed{seed}", "shards")
    with hdf5.create(folder / f"{first}-{last}.{identity}.h5", "shard", {"seconds": seconds}) as file:
        file["logits"] = 0
    return folder


def times(study, results):
    remaining = Remaining(Plan(study, results=results))
    measures = {key: measure(remaining, key) for key in study.runs}
    return {key: seconds_per_model(remaining, key, measures) for key in study.runs}


def rows(study, results):
    return costs(Plan(study, results=results))


def test_measured_times_come_before_stated_ones(paper, tmp_path):
    key, other = "cifar10/wrn28_2/row01", "cifar100/wrn28_2/baseline"
    assert times(paper, tmp_path)[key] == stated_seconds(paper, key) and stated_seconds(paper, key).source == "stated"
    prepare(paper, tmp_path)
    finish(paper, tmp_path, other, 320, 0, 31)
    scaled = times(paper, tmp_path)[key]
    assert scaled.source == "architecture"
    assert scaled.seconds == pytest.approx(10 * work(paper, key).operations / work(paper, other).operations)
    for first, last, seconds in ((0, 31, 640), (32, 63, 960), (64, 65, 80)):
        finish(paper, tmp_path, key, seconds, first, last)
    assert times(paper, tmp_path)[key] == (30, "measured")


def test_what_is_not_known_is_said_to_be_assumed():
    own = {"mine": {"source": "file", "path": "x.npz", "kind": "image"}}
    nets = {"net": {"family": "timm", "name": "vit_tiny_patch16_224"}, "resnet": {"family": "resnet"}}
    study = load_study(
        {
            "study": "own",
            "device": "cuda",
            "datasets": own | {"cifar10": {"source": "cifar10"}},
            "architectures": nets,
            "regimes": {"baseline": {}},
            "runs": {"mine/resnet/baseline": {}, "cifar10/net/baseline": {}, "cifar10/resnet/baseline": {}},
        }
    )
    sources = {key: stated_seconds(study, key).source for key in study.runs}
    assert list(sources.values()) == ["assumed", "assumed", "stated"]


def test_what_is_there_is_taken_off(smoke, tmp_path):
    whole = rows(smoke, tmp_path).set_index("run")
    assert list(whole["models"]) == list(whole["models_left"]) == [16, 8, 8]
    assert list(whole["jobs_left"]) == [2 * (2 + 6) + 3, 2 + 6 + 3, 2 + 6 + 3]
    assert list(whole["disk_left"]) == pytest.approx(list(whole[["logits", "phi", "scores", "weights"]].sum(axis=1)))
    prepare(smoke, tmp_path)
    folder = finish(smoke, tmp_path, "digits/resnet/aof", 4.0, 0, 3)
    (folder / "0-3.json").write_text("{}")
    finish(smoke, tmp_path, "digits/resnet/aof", 2.0, 4, 5)  # a cohort of two
    left = rows(smoke, tmp_path).set_index("run")
    row = left.loc["digits/resnet/aof"]
    assert (row["models_left"], row["jobs_left"]) == (2, 1 + 6 + 3)
    training = 2 * row["seconds"] + START_SECONDS  # of the one shard that is left
    assert row["hours_left"] == pytest.approx(training / 3600)
    assert row["disk_left"] == pytest.approx((row["logits"] + row["phi"] / 2) / 4 + row["phi"] / 2 + row["scores"])
    assert list(left["models_left"].drop("digits/resnet/aof")) == [16, 8]
    (folder.parent / "shadows.h5").touch()
    (folder.parent / "scores.h5").touch()
    row = rows(smoke, tmp_path).set_index("run").loc["digits/resnet/aof"]
    assert (row["models_left"], row["jobs_left"], row["hours_left"], row["disk_left"]) == (0, 7, 0, 0)
    assert list(whole["phi"]) == list(left["phi"])


def test_files_in_flight_and_models_of_another_recipe_are_not_finished(smoke, tmp_path):
    prepare(smoke, tmp_path)
    folder = finish(smoke, tmp_path, "digits/resnet/aof", 4.0, 0, 3)
    done = next(folder.glob("*.h5"))
    shutil.copy(done, folder / f".4-7.{done.name.split('.')[1]}.h5.node-123.h5")
    shutil.copy(done, folder / f"4-7.{'0' * 20}.h5")
    left = rows(smoke, tmp_path).set_index("run")["models_left"]
    assert left["digits/resnet/aof"] == 4
    kept = load_study(smoke.model_dump() | {"store_weights": True})
    prepare(kept, tmp_path)
    assert rows(kept, tmp_path).set_index("run")["models_left"]["digits/resnet/aof"] == 8


def test_measured_times_do_not_move_shards(paper, tmp_path):
    key = "cifar10/resnet18/baseline"
    before = shards(paper, key)
    prepare(paper, tmp_path)
    finish(paper, tmp_path, key, 7, 0, 31)
    assert times(paper, tmp_path)[key].seconds < 1
    assert shards(paper, key) == before


def test_disk_is_that_of_the_arrays(smoke, tmp_path):
    row = rows(smoke, tmp_path).set_index("run").loc["digits/resnet/aof"]
    pool, views, classes = 200, 18, 10
    assert row["logits"] == 8 * pool * views * classes * 4
    assert row["phi"] == 2 * 8 * pool * (views * 4 + 1)
    assert row["scores"] == 8 * pool * (5 * 8 + 1)


@pytest.mark.parametrize("kept", [{}, {"store_logits": True, "store_weights": True}])
def test_imported_scores_are_not_trained_and_leave_one_file_of_phi(tmp_path, kept):
    runs = {"a/b/c": {"scores": "x.npz", "query_views": 2}}
    study = load_study({"study": "mine", "shadow_models": 8, "shard_size": 8, "runs": runs} | kept)
    row = rows(study, tmp_path).iloc[0]
    assert (row["models"], row["models_left"], row["jobs_left"], row["hours_left"]) == (0, 0, 9, 0)
    values = 8 * size_of(study, "a/b/c").pool
    assert list(row[["logits", "phi", "scores", "weights"]]) == [0, values * (2 * 4 + 1), values * (5 * 8 + 1), 0]
    assert row["disk_left"] == row["phi"] + row["scores"]
    plan = Plan(study, results=tmp_path, writes=True)
    plan.ask()
    Remaining(plan)  # as a plan of Snakemake's asks for the specs of all its jobs
    folder = tmp_path / "mine" / "runs" / "a" / "b" / "c" / "seed42"
    folder.mkdir(parents=True)
    (folder / "shadows.h5").touch()
    row = rows(study, tmp_path).iloc[0]
    assert row["disk_left"] == row["scores"]


def test_the_text_has_every_run_and_the_total(smoke, tmp_path):
    prepare(smoke, tmp_path)
    finish(smoke, tmp_path, "digits/fcn/baseline", 7200, 0, 3)
    lines = describe_costs(smoke, rows(smoke, tmp_path)).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == [*smoke.runs, "total"]
    assert lines[1].split()[:7] == ["digits/fcn/baseline", "2", "16", "12", "19", "6", "measured"]
    assert lines[2].split()[6] == "architecture" and lines[3].split()[6] == "stated"
    assert lines[6].startswith("Disk when finished: 1.9 MB,") and "still to be written: 1.9 MB." in lines[6]
    assert lines[7].startswith("Jobs left: 8 train_shadows, 4 gather_shadows,")
    assert [line.split(":")[0] for line in lines[8:]] == ["measured", "architecture", "stated"]
    assert "rather too low" in lines[10]


def test_a_job_takes_its_start(smoke, tmp_path):
    found = rows(smoke, tmp_path).set_index("run")
    hours = found["models"] * found["seconds"] + [4 * START_SECONDS, 2 * START_SECONDS, 2 * START_SECONDS]
    assert list(found["hours_left"]) == pytest.approx(list(hours / 3600))
    prepare(smoke, tmp_path)
    finish(smoke, tmp_path, "digits/fcn/baseline", 8, 0, 3)
    found = rows(smoke, tmp_path).set_index("run")
    assert found.loc["digits/fcn/baseline", "hours_left"] == pytest.approx((12 * 2 + 4 * START_SECONDS) / 3600)


def test_runs_shorter_than_a_job_should_be_get_no_advice(smoke, tmp_path):
    text = describe_costs(smoke, rows(smoke, tmp_path))
    assert smoke.shard_size == 4 and "are advised" not in text
    prepare(smoke, tmp_path)
    finish(smoke, tmp_path, "digits/fcn/tl", 4 * 160, 0, 3)  # 8 models in 21 minutes
    assert "digits/fcn/tl: jobs of 11 min by shard_size: 4" in describe_costs(smoke, rows(smoke, tmp_path))


def test_the_command(request, tmp_path):
    command = [sys.executable, "-c", "from lira.cli import main; main()", "cost"]
    study = request.config.rootpath / "studies" / "smoke.yaml"
    done = subprocess.run([*command, study], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "digits/resnet/aof" in done.stdout and "Core-hours" in done.stdout
    missing = subprocess.run([*command, "none.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert missing.returncode != 0 and missing.stderr.startswith("error: none.yaml")


@pytest.mark.parametrize("key", ["digits/fcn/baseline", "digits/resnet/aof"])
def test_kept_weights_are_counted_as_they_are_written(smoke, tmp_path, key):
    kept = load_study(smoke.model_dump() | {"store_weights": True})
    bytes_kept = rows(kept, tmp_path).set_index("run").loc[key, "weights"]
    network = build(smoke.architectures[key.split("/")[1]], 1, (1, 8, 8), 10, 0.0)
    models = 8 * len(smoke.seeds_of(key))
    assert bytes_kept == models * sum(4 * value.numel() for value in network.state_dict().values())
    assert not rows(smoke, tmp_path)["weights"].any()


def test_jobs_are_described_and_a_shard_size_that_makes_them_too_short_or_long_is_named(paper, tmp_path):
    lines = describe_costs(paper, rows(paper, tmp_path)).splitlines()
    key = "cifar10/resnet18/baseline"
    first, last = shards(paper, key)[0]
    minutes = ((last - first + 1) * stated_seconds(paper, key).seconds + START_SECONDS) / 60
    row = next(line.split() for line in lines if line.startswith(f"{key} "))
    assert row[7:10] in ([str(last + 1), f"{minutes:.0f}", "min"], [str(last + 1), f"{minutes / 60:.1f}", "h"])
    assert not any("shard_size" in line for line in lines)
    alone = {"runs": {key: {}}, "agreement": {}, "ablation": [], "transfer": []}
    for size, said in ((1, "jobs of 7 min by shard_size: 1"), (256, "jobs of 29.1 h by shard_size: 256")):
        given = load_study(paper.model_dump() | alone | {"shard_size": size})
        advice = [
            line for line in describe_costs(given, rows(given, tmp_path)).splitlines() if line.startswith(f"{key}:")
        ]
        assert len(advice) == 1 and said in advice[0] and f"{last + 1} models a job" in advice[0]


OWN = {
    "study": "own",
    "shadow_models": 16,
    "datasets": {"mine": {"source": "file", "path": "own.npz", "kind": "image", "test": 50}},
    "architectures": {"net": {"family": "own_net:build"}, "vit": {"family": "timm", "name": "vit_tiny_patch16_224"}},
    "regimes": {"r": {"epochs": 5, "batch_size": 16}, "large": {"image_size": 224}},
    "runs": {"mine/net/r": {}, "mine/vit/large": {}},
}
NET = """from torch import nn

def build(shape, classes, dropout):
    return nn.Sequential(nn.Conv2d(shape[0], 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, classes))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own_net.py").write_text(NET)
    np.savez("own.npz", x=np.zeros((250, 8, 8, 3), np.uint8), y=np.arange(250) % 5)
    yield load_study(OWN)
    sys.modules.pop("own_net", None)


def test_sizes_of_the_users_own_file_and_network_are_measured_on_them(own):
    found = rows(own, "results").set_index("run")
    assert list(found["source"]) == ["stated", "stated"] and size_of(own, "mine/net/r") == (200, 50, (3, 8, 8), 5, True)
    remaining = Remaining(Plan(own))
    counted = measure(remaining, "mine/net/r")
    assert counted[1:3] == (6 * 6 * 4 * 27 + 4 * 6 * 6 * 5, 4 * 27 + 4 + 4 * 6 * 6 * 5 + 5)
    passes = 5 * (3 * 100 + 50) + 200
    assert found.loc["mine/net/r", "seconds"] == pytest.approx(passes * counted.multiply_adds / 4.5e9)
    assert measure(remaining, "mine/vit/large").multiply_adds == pytest.approx(1.25e9, rel=0.01)
    assert measure(remaining, "mine/net/r", builds=False).multiply_adds is None


def test_planning_runs_none_of_the_users_code(own):
    Path("own_net.py").write_text("raise SystemExit")
    assert len(shards(own, "mine/net/r")) == 1
    Path("own.npz").write_bytes(b"no archive")
    assert not size_of(own, "mine/net/r").known
    mine = OWN["datasets"]["mine"] | {"path": "x" * 300}
    assert not size_of(load_study(OWN | {"datasets": {"mine": mine}}), "mine/net/r").known


def test_why_a_network_is_not_counted_is_said_in_one_line(own):
    Path("own_net.py").write_text(NET.replace("4 * 6 * 6", "7"))
    text = describe_costs(own, rows(own, "results"))
    (line,) = [line for line in text.splitlines() if line.startswith("mine/net/r: ")]
    assert "own_net:build cannot take samples of shape (3, 8, 8)" in line
    assert " assumed " in text and " stated " in text


def test_a_prepared_dataset_says_its_size(smoke, tmp_path):
    prepare(smoke, tmp_path)
    remaining = Remaining(Plan(smoke, results=tmp_path))
    assert measure(remaining, "digits/fcn/tl").size == size_of(smoke, "digits/fcn/tl")
