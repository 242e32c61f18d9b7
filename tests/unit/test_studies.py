"""The studies that come with the suite: the paper's grid (paper, Table 1), and what their first lines say."""

import json
import re

import pytest

from lira.config import load_study, read_yaml
from lira.cost import costs, describe_costs
from lira.paper.published import published
from lira.report.labels import augmentations
from lira.workflow import Plan

AOF = ["flip", "crop", "rotate", "jitter", "cutmix"]
BENCHMARKS = {  # augmentations, dropout, weight decay, epochs, batch size
    "cifar10/resnet18/baseline": (["flip", "crop", "cutout"], 0, 5e-4, 100, 256),
    "cifar10/resnet18/aof": (AOF, 0.1, 1e-3, 100, 256),
    "cifar10/efficientnetv2_s/tl": (AOF, 0.25, 5e-2, 5, 128),
    "cifar100/wrn28_2/baseline": (["flip", "crop", "cutout"], 0, 5e-4, 100, 256),
    "cifar100/wrn28_2/aof": (AOF, 0.1, 1e-3, 100, 256),
    "cifar100/efficientnetv2_s/tl": (AOF, 0.25, 5e-2, 5, 128),
    "gtsrb/resnet18/baseline": (["flip", "crop"], 0, 5e-4, 100, 256),
    "gtsrb/efficientnetv2_s/tl": (AOF, 0.25, 5e-2, 5, 128),
    "purchase100/fcn/baseline": ([], 0, 5e-4, 100, 128),
    "purchase100/fcn/aof": ([], 0.5, 1e-3, 100, 128),
}
VARIANTS = {
    "paper": {
        "cifar10/resnet18/batch512": (AOF, 0.2, 1e-3, 100, 512),
        "cifar10/resnet18/mixup": ([*AOF[:-1], "mixup"], 0.15, 1e-3, 100, 256),
        "cifar10/resnet18_imagenet/tl": (AOF, 0.1, 1e-3, 5, 128),
        "cifar10/wrn28_2/aof": (AOF, 0.1, 1e-3, 100, 256),
    },
    "preprint": {
        "cifar10/resnet18/batch512": (AOF, 0.2, 1e-3, 100, 512),
        "cifar10/resnet18/dropout_decay": (AOF, 0.25, 3e-3, 100, 256),
        "cifar10/wrn28_2/aof": (AOF, 0.1, 1e-3, 100, 256),
        "cifar10/efficientnetv2_s/tl": (AOF, 0.25, 5e-2, 5, 128),
    },
}
SEEDS = {"paper": set(range(1, 13)), "preprint": {0, 7, 42, 123, 1234}}


@pytest.fixture(scope="module", params=["paper", "preprint"])
def study(request):
    return load_study(request.config.rootpath / "studies" / f"{request.param}.yaml")


def test_the_ten_benchmarks(study):
    assert study.shadow_models == 256 and study.member_fraction == 0.5 and study.fprs == [1e-5, 1e-3]
    assert list(study.runs)[:10] == list(BENCHMARKS)
    for key, expected in BENCHMARKS.items():
        recipe, tl = study.recipe_of(key), key.endswith("/tl")
        check(recipe, expected)
        assert study.seeds_of(key)[0] == 42
        assert (recipe.optimizer, recipe.schedule) == (("adamw", "onecycle") if tl else ("sgd", "cosine"))
        assert recipe.learning_rate == (5e-4 if tl else 0.01 if "purchase" in key else 0.1)
        assert (recipe.start, recipe.image_size) == (("pretrained", 144) if tl else ("scratch", None))
        assert recipe.query_views == (1 if "purchase" in key else 18)
        assert (recipe.patience, recipe.momentum) == (20, 0.9)
        if key == "gtsrb/efficientnetv2_s/tl":
            assert (recipe.rotate_degrees, recipe.jitter) == (10, [0.2, 0.2, 0.2, 0.05])
        else:
            assert (recipe.rotate_degrees, recipe.jitter) == (15, [0.4, 0.4, 0.4, 0.1])


def check(recipe, expected):
    assert (recipe.augment, recipe.dropout, recipe.weight_decay, recipe.epochs, recipe.batch_size) == expected


def test_seeds_and_variants_of_the_agreement(study):
    ((reference, variants),) = study.agreement.items()
    check(study.recipe_of(reference), BENCHMARKS["cifar10/resnet18/aof"])
    assert set(study.seeds_of(reference)) == SEEDS[study.study]
    assert sorted(variants) == sorted(VARIANTS[study.study])
    for key, expected in VARIANTS[study.study].items():
        check(study.recipe_of(key), expected)


def test_crop_padding_of_the_protocol(study):
    padding = {key.split("/")[2]: study.recipe_of(key).crop_padding for key in study.runs}
    assert padding["baseline"] == padding["row01"] == "reflect"
    assert padding["aof"] == padding["tl"] == ("zeros" if study.study == "paper" else "reflect")
    assert study.recipe_of("cifar10/resnet18/weak").augment == ["flip", "crop"]


def test_the_ablation_has_the_published_rows_in_order(study):
    rows = published("ablation").rows
    assert len(study.ablation) == len(rows) == 22
    for key, row in zip(study.ablation, rows.itertuples(), strict=True):
        recipe = study.recipe_of(key)
        assert set(augmentations(recipe.model_dump()).split("+")) == set(row.augmentation.split("+")), key
        assert (recipe.dropout, recipe.weight_decay) == (row.dropout_pct / 100, row.weight_decay), key


def test_five_seeds_alone_have_no_error_and_a_sixth_costs_what_is_said(request, tmp_path):
    root = request.config.rootpath
    path, said = root / "studies" / "preprint.yaml", (root / "docs" / "reproduce.md").read_text()
    study = read_yaml(path)
    (reference,) = study["agreement"]
    assert len(study["runs"][reference]["seeds"]) == 5
    beside = path.read_text().split("\nagreement:")[1].split(f"  {reference}:")[0]
    assert "no error between runs" in beside and "docs/reproduce.md" in beside
    hours = costs(Plan(load_study(study), results=tmp_path))["hours_left"].sum()
    study["runs"][reference]["seeds"] = [int(seed) for seed in re.search(r"seeds: \[(.*?)\]", said)[1].split(",")]
    more = costs(Plan(load_study(study), results=tmp_path))["hours_left"].sum()
    assert len(study["runs"][reference]["seeds"]) == 6
    assert f"{more:.0f} GPU-hours in all instead of\n{hours:.0f} (`lira cost`)" in said


@pytest.mark.parametrize("name", ["paper", "preprint", "mini"])
def test_no_model_is_trained_twice(request, name):
    study = load_study(request.config.rootpath / "studies" / f"{name}.yaml")
    trained = [
        json.dumps([study.view_of(key, seed), key.split("/")[:2], study.training_settings(key).model_dump(), seed])
        for key in study.runs
        for seed in study.seeds_of(key)
    ]
    assert len(set(trained)) == len(trained)


@pytest.mark.parametrize("name", ["paper", "preprint", "mini"])
def test_first_lines_and_the_page_say_models_hours_and_disk(request, tmp_path, name):
    path = request.config.rootpath / "studies" / f"{name}.yaml"
    study = load_study(path)
    rows = costs(Plan(study, results=tmp_path))
    head = "".join(line for line in path.read_text().splitlines(keepends=True)[:4] if line.startswith("#"))
    size = re.search("Disk when finished: (.*?),", describe_costs(study, rows))[1]
    assert f"{rows['models'].sum():,} models, {rows['hours_left'].sum():.0f} GPU-hours" in head
    assert f" {size} (lira cost)" in head
    row = f"| `{name}` | {rows['models'].sum():,} | {rows['hours_left'].sum():.0f} | {size} |"
    assert row in (request.config.rootpath / "docs" / "reproduce.md").read_text()
