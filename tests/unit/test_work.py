"""A model's work: sizes, multiply-adds, stated times, and the jobs that are planned by them."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira.config import load_study
from lira.datasets import gtsrb
from lira.shadows.models import build
from lira.shadows.models.layers import Conv2d, Linear
from lira.work import SIZES, check_sizes, shards, size_of, stated_seconds, work

HOURS = 29


@pytest.fixture
def paper(request):
    return load_study(request.config.rootpath / "studies" / "paper.yaml")


def multiply_adds(architecture, shape, classes):
    """Counted on the network itself, by its layers' weights and outputs."""
    import torch

    network, total = build(architecture, 1, shape, classes, 0.0, False), []

    def count(module, _, output):
        if isinstance(module, Conv2d):
            total.append(output.numel() * module.weight[0, 0].numel())
        elif isinstance(module, Linear):
            total.append(output.numel() * module.weight.shape[1])

    for module in network.modules():
        module.register_forward_hook(count)
    network.eval()(torch.zeros(1, 2, *shape))
    return sum(total) / 2


def test_the_published_hours_are_those_of_the_run_they_are_of(paper):
    key = "cifar10/resnet18/baseline"
    assert size_of(paper, key)[:2] == (50_000, 10_000)
    assert work(paper, key).passes == 100 * (3 * 25_000 + 10_000) + 18 * 50_000
    time = stated_seconds(paper, key)
    assert time.source == "stated"
    assert 256 * time.seconds / 3600 == pytest.approx(HOURS, rel=0.01)


def test_the_ten_benchmarks_take_as_long_as_the_docstring_says(paper):
    hours = sum(256 * stated_seconds(paper, key).seconds / 3600 for key in list(paper.runs)[:10])
    assert hours == pytest.approx(138, abs=1)


def test_pool_and_test_set_follow_the_study(request):
    quickstart = load_study(request.config.rootpath / "workflow_config.yaml")
    assert size_of(quickstart, "digits/fcn/aof")[:2] == (1200, 300)
    preprint = load_study(request.config.rootpath / "studies" / "preprint.yaml")
    pools = {key.split("/")[0]: size_of(preprint, key).pool for key in preprint.runs}
    assert pools == {"cifar10": 60_000, "cifar100": 60_000, "gtsrb": 39_270, "purchase100": 197_324}
    assert work(preprint, "purchase100/fcn/aof").passes == 100 * 4 * 197_324 / 2 + 197_324


def test_gtsrb_has_the_images_that_its_loader_asks_for():
    train, test, _, classes = SIZES["gtsrb"]
    assert ({"train": train, "test": test}, classes) == (gtsrb.SIZES, gtsrb.CLASSES)


@pytest.mark.parametrize("name", ["fcn", "wrn28_2"])
def test_work_counts_the_layers_of_the_network(paper, name):
    key = {"fcn": "purchase100/fcn/aof", "wrn28_2": "cifar10/wrn28_2/aof"}[name]
    size, done = size_of(paper, key), work(paper, key)
    counted = multiply_adds(paper.architectures[name], size.shape, size.classes)
    assert done.operations / done.passes == pytest.approx(counted, rel=0.01)


def test_times_need_no_torch():
    for modules, heavy in (("lira.work", {"torch", "pandas", "h5py"}), ("lira.cost, lira.status", {"torch", "pandas"})):
        code = f"import sys, {modules}; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert not heavy & set(loaded)


def test_a_file_of_unknown_size_leaves_a_pool_however_much_is_set_aside(paper):
    own = {"source": "file", "path": "own.npz", "kind": "image", "test": 60_000}
    study = load_study(paper.model_dump() | {"datasets": paper.model_dump()["datasets"] | {"cifar10": own}})
    key = "cifar10/resnet18/baseline"
    assert size_of(study, key).pool == 1 and stated_seconds(study, key).seconds > 0
    check_sizes(study)


@given(models=st.integers(4, 300), size=st.none() | st.integers(1, 100).map(lambda cohorts: 3 * cohorts))
def test_shards_hold_every_model_once_in_whole_cohorts(models, size):
    network = {"family": "resnet"}
    regime = {"cohort": 3, "epochs": 1000}
    study = load_study(
        {
            "study": "any",
            "shadow_models": models,
            "shard_size": size,
            "datasets": {"digits": {"source": "digits", "test": 300}},
            "architectures": {"net": network},
            "regimes": {"long": regime},
            "runs": {"digits/net/long": {}},
        }
    )
    found = shards(study, "digits/net/long")
    assert [model for first, last in found for model in range(first, last + 1)] == list(range(models))
    assert all(first % 3 == 0 for first, _ in found)
    assert size is None or all(last - first + 1 == size for first, last in found[:-1])


@pytest.mark.parametrize("name", ["paper", "preprint", "mini"])
def test_jobs_of_full_size_last_between_20_minutes_and_4_hours_even_if_the_stated_time_is_off_by_two(request, name):
    study = load_study(request.config.rootpath / "studies" / f"{name}.yaml")
    assert study.shard_size is None
    for key in study.runs:
        for first, last in shards(study, key)[:-1]:
            hours = (last - first + 1) * stated_seconds(study, key).seconds / 3600
            assert 2 / 3 <= hours <= 2, key
