"""What a study costs, by its stated rates, by its own measured jobs, and less what is there."""

import subprocess
import sys

import pytest

from lira.config import load_study
from lira.cost import START_SECONDS, costs, describe_costs, seconds_per_model
from lira.shadows.models import build
from lira.work import shards, size_of, work


@pytest.fixture
def paper(request):
    return load_study(request.config.rootpath / "studies" / "paper.yaml")


def measure(runtime, key, seconds, shard="0-31", seed=42):
    file = runtime / "train_shadows" / key / f"seed{seed}" / f"{shard}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t800\n")


def test_measured_times_come_before_stated_ones(paper, tmp_path):
    key, other = "cifar10/wrn28_2/row01", "cifar100/wrn28_2/baseline"
    stated = seconds_per_model(paper, key, tmp_path)
    assert stated == seconds_per_model(paper, key) and stated.source == "stated"
    measure(tmp_path, other, 320)
    scaled = seconds_per_model(paper, key, tmp_path)
    assert scaled.source == "architecture"
    assert scaled.seconds == pytest.approx(10 * work(paper, key).operations / work(paper, other).operations)
    for shard, seconds in (("0-31", 640), ("32-63", 960), ("64-65", 80)):
        measure(tmp_path, key, seconds, shard)
    assert seconds_per_model(paper, key, tmp_path) == (30, "measured")
    assert seconds_per_model(paper, key).source == "stated"


def test_what_is_not_known_is_said_to_be_assumed(paper):
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
    sources = {key: seconds_per_model(study, key).source for key in study.runs}
    assert list(sources.values()) == ["assumed", "assumed", "stated"]


@pytest.fixture
def smoke(request):
    return load_study(request.config.rootpath / "studies" / "smoke.yaml")


def test_what_is_there_is_taken_off(smoke, tmp_path):
    whole = costs(smoke, tmp_path).set_index("run")
    assert list(whole["models"]) == list(whole["models_left"]) == [16, 8, 8]
    assert list(whole["jobs_left"]) == [2 * (2 + 4) + 1, 2 + 4 + 1, 2 + 4 + 1]
    assert list(whole["disk_left"]) == pytest.approx(list(whole[["logits", "phi", "scores", "weights"]].sum(axis=1)))
    run = tmp_path / "runs" / "digits" / "resnet" / "aof" / "seed0"
    (run / "shards" / "4-7.h5.parts").mkdir(parents=True)
    (run / "shards" / "0-3.h5").touch()
    (run / "shards" / "4-7.h5.parts" / "4.h5").touch()  # a cohort of two
    left = costs(smoke, tmp_path).set_index("run")
    row = left.loc["digits/resnet/aof"]
    assert (row["models_left"], row["jobs_left"]) == (2, 1 + 4 + 1)
    training = 2 * row["seconds"] + START_SECONDS  # of the one shard that is left
    assert row["hours_left"] == pytest.approx(training / 3600)
    assert row["disk_left"] == pytest.approx((row["logits"] + row["phi"] / 2) / 4 + row["phi"] / 2 + row["scores"])
    assert list(left["models_left"].drop("digits/resnet/aof")) == [16, 8]
    (run / "shadows.h5").touch()
    (run / "scores.h5").touch()
    row = costs(smoke, tmp_path).set_index("run").loc["digits/resnet/aof"]
    assert (row["models_left"], row["jobs_left"], row["hours_left"], row["disk_left"]) == (0, 3, 0, 0)
    assert list(whole["phi"]) == list(left["phi"])


def test_measured_times_do_not_move_shards(paper, tmp_path, monkeypatch):
    key = "cifar10/resnet18/baseline"
    before = shards(paper, key)
    monkeypatch.chdir(tmp_path)
    measure(tmp_path / "results" / "paper" / "runtime", key, 7)
    assert seconds_per_model(paper, key, tmp_path / "results" / "paper" / "runtime").seconds < 1
    assert shards(paper, key) == before


def test_disk_is_that_of_the_arrays(smoke, tmp_path):
    row = costs(smoke, tmp_path).set_index("run").loc["digits/resnet/aof"]
    pool, views, classes = 200, 18, 10
    assert row["logits"] == 8 * pool * views * classes * 4
    assert row["phi"] == 2 * 8 * pool * (views * 4 + 1)
    assert row["scores"] == 8 * pool * (5 * 8 + 1)


@pytest.mark.parametrize("kept", [{}, {"store_logits": True, "store_weights": True}])
def test_imported_scores_are_not_trained_and_leave_one_file_of_phi(tmp_path, kept):
    runs = {"a/b/c": {"scores": "x.npz", "query_views": 2}}
    study = load_study({"study": "mine", "shadow_models": 8, "shard_size": 8, "runs": runs} | kept)
    row = costs(study, tmp_path).iloc[0]
    assert (row["models"], row["models_left"], row["jobs_left"], row["hours_left"]) == (0, 0, 5, 0)
    values = 8 * size_of(study, "a/b/c").pool
    assert list(row[["logits", "phi", "scores", "weights"]]) == [0, values * (2 * 4 + 1), values * (5 * 8 + 1), 0]
    assert row["disk_left"] == row["phi"] + row["scores"]
    folder = tmp_path / "runs" / "a" / "b" / "c" / "seed42"
    folder.mkdir(parents=True)
    (folder / "shadows.h5").touch()
    row = costs(study, tmp_path).iloc[0]
    assert row["disk_left"] == row["scores"]


def test_the_text_has_every_run_and_the_total(smoke, tmp_path):
    measure(tmp_path / "runtime", "digits/fcn/baseline", 7200, "0-3", seed=0)
    lines = describe_costs(smoke, costs(smoke, tmp_path)).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == [*smoke.runs, "total"]
    assert lines[1].split()[:7] == ["digits/fcn/baseline", "2", "16", "16", "13", "8", "measured"]
    assert lines[2].split()[6] == "architecture" and lines[3].split()[6] == "stated"
    assert lines[6].startswith("Disk when finished: 1.9 MB,") and lines[6].endswith("still to be written: 1.9 MB.")
    assert [line.split(":")[0] for line in lines[7:]] == ["measured", "architecture", "stated"]
    assert "rather too low" in lines[9]


def test_a_job_takes_its_start_where_that_is_not_measured(smoke, tmp_path):
    rows = costs(smoke, tmp_path).set_index("run")
    assert set(rows["start"]) == {START_SECONDS}
    hours = rows["models"] * rows["seconds"] + [4 * START_SECONDS, 2 * START_SECONDS, 2 * START_SECONDS]
    assert list(rows["hours_left"]) == pytest.approx(list(hours / 3600))
    measure(tmp_path / "runtime", "digits/fcn/baseline", 8, "0-3", seed=0)
    rows = costs(smoke, tmp_path).set_index("run")
    assert list(rows["start"]) == [0, 0, START_SECONDS]  # the second is scaled from measured jobs
    assert rows.loc["digits/fcn/baseline", "hours_left"] == pytest.approx(16 * 2 / 3600)


def test_runs_shorter_than_a_job_should_be_get_no_advice(smoke, tmp_path):
    text = describe_costs(smoke, costs(smoke, tmp_path))
    assert smoke.shard_size == 4 and "are advised" not in text
    measure(tmp_path / "runtime", "digits/fcn/tl", 4 * 160, "0-3", seed=0)  # 8 models in 21 minutes
    assert "digits/fcn/tl: jobs of 11 min by shard_size: 4" in describe_costs(smoke, costs(smoke, tmp_path))


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
    bytes_kept = costs(kept, tmp_path).set_index("run").loc[key, "weights"]
    network = build(smoke.architectures[key.split("/")[1]], 1, (1, 8, 8), 10, 0.0)
    models = 8 * len(smoke.seeds_of(key))
    assert bytes_kept == models * sum(4 * value.numel() for value in network.state_dict().values())
    assert not costs(smoke, tmp_path)["weights"].any()


def test_jobs_are_described_and_a_shard_size_that_makes_them_too_short_or_long_is_named(paper, tmp_path):
    lines = describe_costs(paper, costs(paper, tmp_path)).splitlines()
    key = "cifar10/resnet18/baseline"
    first, last = shards(paper, key)[0]
    minutes = ((last - first + 1) * seconds_per_model(paper, key).seconds + START_SECONDS) / 60
    row = next(line.split() for line in lines if line.startswith(f"{key} "))
    assert row[7:10] in ([str(last + 1), f"{minutes:.0f}", "min"], [str(last + 1), f"{minutes / 60:.1f}", "h"])
    assert not any("shard_size" in line for line in lines)
    alone = {"runs": {key: {}}, "agreement": {}, "ablation": [], "transfer": []}
    for size, said in ((1, "jobs of 7 min by shard_size: 1"), (256, "jobs of 29.1 h by shard_size: 256")):
        given = load_study(paper.model_dump() | alone | {"shard_size": size})
        advice = [
            line for line in describe_costs(given, costs(given, tmp_path)).splitlines() if line.startswith(f"{key}:")
        ]
        assert len(advice) == 1 and said in advice[0] and f"{last + 1} models a job" in advice[0]
