"""Jobs on a GPU: they give the models of a CPU, wait for the GPU as seldom as they can, and keep to their own GPU."""

import numpy as np
import pytest
import torch
from own_networks import Own, same
from stand_in_gpus import stand_in_gpus

from lira.config import Architecture, Recipe
from lira.core import preemption
from lira.datasets import Part
from lira.shadows.models import build, initialise
from lira.shadows.query import query
from lira.shadows.rng import INITIAL, QUERY, Streams, generator
from lira.shadows.training import cohort
from lira.shadows.training.device import lease
from lira.shadows.training.progress import Pass

IMAGES = """
def load():
    rng = np.random.default_rng(0)
    y = np.arange({samples}) % 4
    x = (rng.integers(0, 100, ({samples}, 3, 8, 8)) + 40 * y[:, None, None, None]).astype(np.uint8)
    return {{"x": x, "y": y}}


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten())
        self.head, self.unused = nn.Linear(144, 4), nn.Linear(2, 2)
        self.register_buffer("shift", torch.ones(144), persistent=False)

    def forward(self, x):
        return self.head(self.body(x) + self.shift)


def build(shape, classes, dropout):
    return Own()
"""
EVERY = ["flip", "crop", "rotate", "jitter", "cutout", "cutmix", "mixup"]
FCN = {"family": "fcn", "hidden": [12], "flatten": True}
RESNET = {"family": "resnet", "widths": [4, 8]}
RUNS = {
    "fcn adamw fp16": (FCN, {"optimizer": "adamw", "precision": "fp16", "cohort": 4, "schedule": "onecycle"}),
    "fcn adam": (
        FCN,
        {"optimizer": "adam", "cohort": 4, "augment": ["mixup"], "test_set": "nonmembers", "dropout": 0.2},
    ),
    "fcn sgd fp16": (FCN, {"precision": "fp16", "cohort": 2, "patience": 1, "retries": 1, "epochs": 4}),
    "resnet sgd": (RESNET, {"cohort": 2, "augment": EVERY, "cutmix_probability": 0.5, "query_views": 18}),
    "wideresnet bf16": (
        {"family": "wideresnet", "depth": 10, "width": 1},
        {"precision": "bf16", "cohort": 2, "dropout": 0.2, "augment": ["crop", "cutmix"], "crop_padding": "reflect"},
    ),
    "timm": ({"family": "timm", "name": "test_efficientnet"}, {"optimizer": "adamw", "dropout": 0.2, "epochs": 1}),
    "own": ({"family": "probe:build"}, {"optimizer": "adam", "precision": "bf16"}),
}


class Images(Own):
    KIND = "image"

    def __init__(self, folder, monkeypatch, run):
        architecture, recipe = RUNS[run]
        code = IMAGES.format(samples=140)
        given = {"batch_size": 16, "learning_rate": 0.01, "precision": "float32"} | recipe
        super().__init__(folder, monkeypatch, code, 140, 4, architecture, **given)


@pytest.fixture
def gpus(monkeypatch):
    with stand_in_gpus(monkeypatch) as gpus:
        yield gpus


@pytest.mark.parametrize("run", RUNS)
def test_a_job_on_a_gpu_gives_the_models_of_a_cpu(run, tmp_path, monkeypatch):
    own = Images(tmp_path, monkeypatch, run)
    expected = own.train("cpu")
    with stand_in_gpus(monkeypatch):
        found = own.train("gpu", device="cuda")
    assert same(found, expected) and not np.isnan(found["phi"]).any()


def test_a_job_on_the_second_gpu_leaves_the_first_alone(tmp_path, monkeypatch):
    own = Images(tmp_path, monkeypatch, "wideresnet bf16")
    expected = own.train("cpu")
    with stand_in_gpus(monkeypatch) as gpus, lease("cuda") as first:
        gpus.used.clear()
        found = own.train("gpu", device="cuda")
        assert first == "cuda:0" and gpus.used == {1}
    assert same(found, expected)


@pytest.mark.parametrize("run", ["fcn adamw fp16", "own"])
def test_a_job_on_a_gpu_goes_on_where_it_was_stopped(run, tmp_path, monkeypatch):
    own, calls, may_stop = Images(tmp_path, monkeypatch, run), [], preemption.may_stop
    expected = own.train("cpu")

    def stops():
        calls.append(1)
        if len(calls) == 4:  # in the second epoch, of two steps and an evaluation
            raise preemption.Preempted
        may_stop()

    monkeypatch.setattr(preemption, "may_stop", stops)
    with stand_in_gpus(monkeypatch):
        with pytest.raises(preemption.Preempted):
            own.train("gpu", device="cuda")
        assert list((tmp_path / "gpu").glob("*.pt"))
        found = own.train("gpu", device="cuda")
    assert same(found, expected)


MODELS, LOSSES = 2, "copy of (2,) from cuda"
WIDE = Architecture(family="wideresnet", depth=10, width=1)
SETTINGS = {
    "sgd": {"augment": EVERY, "dropout": 0.1},
    "adamw": {"optimizer": "adamw", "schedule": "onecycle"},
    "adam fp16": {"optimizer": "adam", "precision": "fp16"},
}


class Started:
    """Two models on a GPU, with members of unequal numbers."""

    def __init__(self, **settings):
        rng = np.random.default_rng(0)
        self.recipe = Recipe(batch_size=8, epochs=2, **({"precision": "float32"} | settings))
        architecture = WIDE if self.recipe.precision == "float32" else Architecture(**FCN)
        part = Part(
            rng.integers(0, 255, (40, 3, 8, 8)).astype(np.uint8),
            rng.integers(0, 5, 40),
            255.0,
            np.full(3, 0.5),
            np.full(3, 0.3),
            5,
        )
        self.pool, self.streams = cohort.Samples(part, "cuda:0"), Streams(0, range(MODELS), "cuda:0")
        self.network = build(architecture, MODELS, (3, 8, 8), 5, self.recipe.dropout)
        drawn = initialise(self.network, [generator(0, model, INITIAL) for model in range(MODELS)])
        self.initial = {name: value.to("cuda:0") for name, value in drawn.items()}
        self.member = np.arange(40) < np.array([[24], [34]])


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_an_epoch_waits_for_the_gpu_once_at_its_end(settings, gpus):
    one = Started(**settings)
    state = cohort.start(one.network, one.initial, one.recipe, MODELS).state
    current = Pass.of([torch.as_tensor(np.flatnonzero(row)) for row in one.member], one.streams)
    gpus.waits.clear()
    cohort.train_epoch(one.network, state, one.recipe, one.pool, current, one.streams, 0)
    assert gpus.waits == [LOSSES] and gpus.pinned_copies > 3


def test_between_epochs_a_cohort_waits_for_its_losses_and_accuracies_alone(gpus):
    one = Started()
    gpus.waits.clear()
    given = one.network, one.initial, one.recipe, one.pool, one.pool, one.member, one.streams
    cohort.train_cohort(*given, tested=~one.member)
    assert gpus.waits == 2 * 3 * [LOSSES]


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
def test_a_query_waits_for_the_copy_of_each_batch_alone(device, gpus):
    one = Started()
    one.initial = {name: value.to(device) for name, value in one.initial.items()}
    for name in ("x", "y", "mean", "std"):
        setattr(one.pool, name, getattr(one.pool, name).to(device))
    gpus.waits.clear()
    found = list(query(one.network, one.initial, one.pool, one.recipe, Streams(0, range(MODELS), device, QUERY)))
    assert gpus.waits == [] and len(found) == 5
    assert not any(np.isnan(logits).any() for _, logits in found)


def test_on_a_gpu_convolutions_are_deterministic_and_nothing_is_computed_in_tf32(gpus, monkeypatch):
    flags, products = torch.backends.cudnn, torch.backends.cuda.matmul
    for name, other in (("deterministic", False), ("benchmark", True), ("allow_tf32", True)):
        monkeypatch.setattr(flags, name, other)
    products.allow_tf32 = True
    with lease("cuda"):
        assert flags.deterministic and not (flags.benchmark or flags.allow_tf32 or products.allow_tf32)
