"""Each protocol option changes what it says and only that; the presets are the two released codes."""

import numpy as np
import pytest
from receipts import models_of, read_models

from lira.config import Dataset, RunDescription, load_study
from lira.datasets import prepare_data
from lira.shadows.jobs import train_shadows
from lira.shadows.membership import balanced_membership
from lira.storage import hdf5

STUDY = {
    "study": "s",
    "shadow_models": 4,
    "shard_size": 4,
    "datasets": {"digits": {"test": 1600}},
    "architectures": {
        "fcn": {"family": "fcn", "flatten": True, "hidden": [8]},
        "wide": {"family": "wideresnet", "depth": 10, "width": 1},
    },
    "regimes": {"aof": {"epochs": 2, "batch_size": 32, "learning_rate": 0.02, "dropout": 0.2, "augment": ["crop"]}},
    "runs": {"digits/fcn/aof": {"cohort": 4}, "digits/wide/aof": {"cohort": 2, "query_views": 18}},
}
RUN = {"study": "s", "dataset": "digits", "regime": "aof", "seed": 3}
TRAINING = {"history/train_loss", "history/test_loss", "history/test_accuracy"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.h5"
    prepare_data(Dataset(source="digits", test=1600, pool="train"), None, 0, path)
    return path


@pytest.fixture(scope="module")
def shard(data, tmp_path_factory):
    """Trains the first models of a run, two or a cohort, remembering those it has made."""
    made = {}

    def train(architecture, **changed):
        study = {key: changed.pop(key) for key in ("membership_draws", "protocol") if key in changed}
        key = f"digits/{architecture}/aof"
        runs = {key: STUDY["runs"][key] | changed}
        settings = load_study(STUDY | study | {"runs": runs}).training_settings(key)
        name = str(sorted((architecture, str(settings))))
        if name not in made:
            output, last = tmp_path_factory.mktemp("shard") / "first.json", max(2, settings.recipe.cohort) - 1
            train_shadows(settings, RunDescription(**RUN, architecture=architecture), data, 0, last, output)
            made[name] = read_models(output)
        return made[name]

    return train


def differing(one, other):
    assert one.keys() == other.keys()
    return {name for name in one if not np.array_equal(one[name], other[name], equal_nan=True)}


def test_presets():
    expected = {
        "artifact": ("train", "default_rng", "two-sided", 50_000, "batch", True, 1, "test", "zeros"),
        "preprint": ("train+test", "legacy", "two-sided", 50_000, "running", False, 2, "nonmembers", "reflect"),
    }
    for protocol, values in expected.items():
        study = load_study(STUDY | {"protocol": protocol})
        key = "digits/wide/aof"
        recipe = study.recipe_of(key)
        found = (
            study.dataset_of(key).pool,
            study.protocol_value("membership_draws"),
            study.protocol_value("offline"),
            study.protocol_value("rank_samples"),
            recipe.query_batchnorm,
            recipe.query_dropout,
            recipe.query_stride,
            recipe.test_set,
            recipe.crop_padding,
        )
        assert found == values
        assert (recipe.rotate_probability, recipe.cutmix_probability, recipe.mixup_alpha) == (1, 1, 0.2)


def test_every_option_can_be_set_against_the_preset():
    changed = {
        "query_batchnorm": "batch",
        "query_dropout": True,
        "query_stride": 1,
        "test_set": "test",
        "crop_padding": "zeros",
        "rotate_probability": 0.5,
        "cutmix_probability": 0.5,
        "mixup_alpha": 1.0,
    }
    study = load_study(STUDY | {"protocol": "preprint", "offline": "one-sided", "membership_draws": "default_rng"})
    assert study.protocol_value("offline") == "one-sided"
    assert study.protocol_value("membership_draws") == "default_rng"
    plain = study.recipe_of("digits/wide/aof").model_dump()
    for option, value in changed.items():
        runs = {"digits/wide/aof": STUDY["runs"]["digits/wide/aof"] | {option: value}}
        recipe = load_study(STUDY | {"protocol": "preprint", "runs": runs}).recipe_of("digits/wide/aof").model_dump()
        assert {name for name in recipe if recipe[name] != plain[name]} == {option}


def test_studies_of_the_paper(request):
    """Table 1, the agreement study and the ablation, as the two codes ran them."""
    grid = {
        "cifar10/resnet18/baseline": (100, 256, 0.0, 5e-4, "sgd", 18),
        "cifar10/resnet18/aof": (100, 256, 0.1, 1e-3, "sgd", 18),
        "cifar10/efficientnetv2_s/tl": (5, 128, 0.25, 5e-2, "adamw", 18),
        "cifar100/wrn28_2/baseline": (100, 256, 0.0, 5e-4, "sgd", 18),
        "cifar100/wrn28_2/aof": (100, 256, 0.1, 1e-3, "sgd", 18),
        "cifar100/efficientnetv2_s/tl": (5, 128, 0.25, 5e-2, "adamw", 18),
        "gtsrb/resnet18/baseline": (100, 256, 0.0, 5e-4, "sgd", 18),
        "gtsrb/efficientnetv2_s/tl": (5, 128, 0.25, 5e-2, "adamw", 18),
        "purchase100/fcn/baseline": (100, 128, 0.0, 5e-4, "sgd", 1),
        "purchase100/fcn/aof": (100, 128, 0.5, 1e-3, "sgd", 1),
    }
    seeds = {"paper": list(range(1, 13)), "preprint": [0, 7, 42, 123, 1234]}
    for name, expected in seeds.items():
        study = load_study(request.config.rootpath / "studies" / f"{name}.yaml")
        assert study.shadow_models == 256 and study.protocol == {"paper": "artifact"}.get(name, name)
        for key, values in grid.items():
            recipe = study.recipe_of(key)
            found = (recipe.epochs, recipe.batch_size, recipe.dropout, recipe.weight_decay, recipe.optimizer)
            assert (*found, recipe.query_views) == values, key
            assert study.seeds_of(key)[0] == 42
            padding = "reflect" if name == "preprint" or key.endswith("baseline") else "zeros"
            assert recipe.crop_padding == padding or "purchase100" in key
        ((reference, variants),) = study.agreement.items()
        assert sorted(study.seeds_of(reference)) == expected and len(variants) == 4
        assert study.recipe_of(reference) == study.recipe_of("cifar10/resnet18/aof")
        rows = [study.recipe_of(key) for key in study.ablation]
        assert len({str(row) for row in rows}) == 22
        assert {row.crop_padding for row in rows} == {"reflect"}
        assert study.recipe_of("cifar10/resnet18/weak").augment == ["flip", "crop"]
        assert len(study.transfer) == 4


@pytest.mark.parametrize("draws", ["default_rng", "legacy", "nested"])
def test_membership_draws(shard, draws):
    member = shard("fcn", membership_draws=draws)["member"]
    np.testing.assert_array_equal(member, balanced_membership(197, 4, 0.5, 3, generator=draws))


@pytest.mark.parametrize(
    ("architecture", "changed", "differs"),
    [
        ("wide", {"query_batchnorm": "running"}, {"phi"}),
        ("wide", {"query_dropout": False}, {"phi"}),
        ("fcn", {"query_dropout": False}, set()),
        ("wide", {"query_stride": 2}, {"phi"}),
        ("fcn", {"query_stride": 2}, set()),
    ],
)
def test_query_options_change_the_query_alone(shard, architecture, changed, differs):
    assert differing(shard(architecture), shard(architecture, **changed)) == differs


def test_crop_padding_changes_training_with_crop_alone(shard):
    assert differing(shard("fcn"), shard("fcn", crop_padding="reflect")) >= {"history/train_loss", "phi"}
    plain = shard("fcn", augment=["flip"])
    assert differing(plain, shard("fcn", augment=["flip"], crop_padding="reflect")) == set()


def test_the_models_own_nonmembers_choose_the_epoch_and_measure_utility(shard):
    test, own = shard("fcn", epochs=6), shard("fcn", epochs=6, test_set="nonmembers")
    assert np.array_equal(test["history/train_loss"], own["history/train_loss"])
    assert differing(test, own) >= {"history/test_loss", "history/test_accuracy", "utility/test_loss"}
    outside = (~own["member"]).sum(1, keepdims=True)
    right = own["history/test_accuracy"] * outside
    np.testing.assert_allclose(right, right.round(), atol=1e-9)
    np.testing.assert_array_equal(own["history/best_epoch"], own["history/test_accuracy"].argmax(1))
    np.testing.assert_array_equal(own["utility/test_accuracy"], own["history/test_accuracy"].max(1))


def test_one_model_at_a_time_is_tested_on_the_same_nonmembers(shard):
    together, alone = (shard("wide", test_set="nonmembers", cohort=cohort, epochs=1) for cohort in (2, 1))
    for name in ("history/test_accuracy", "utility/test_accuracy"):
        np.testing.assert_allclose(together[name], alone[name], atol=0.011)  # one sample of 98, by rounding
    np.testing.assert_allclose(together["utility/test_loss"], alone["utility/test_loss"], atol=1e-3)


def test_nothing_but_the_nonmembers_is_needed_to_test_on(data, tmp_path):
    settings = load_study(STUDY | {"protocol": "preprint"}).training_settings("digits/fcn/aof")
    whole = tmp_path / "whole.h5"
    prepare_data(Dataset(source="digits", pool="train", public=1600), None, 0, whole)
    train_shadows(settings, RunDescription(**RUN, architecture="fcn"), whole, 0, 3, tmp_path / "0-3.json")
    with hdf5.read(*models_of(tmp_path / "0-3.json"), "shard") as file:
        assert file.attrs["membership_draws"] == "legacy"
        assert np.isfinite(file["phi"][:]).all() and np.isfinite(file["utility/test_loss"][:]).all()


def test_shadow_models_start_from_published_weights_with_their_normalisation(data, tmp_path, monkeypatch):
    import timm
    import torch

    from lira.shadows import jobs

    torch.manual_seed(5)
    state = timm.create_model("test_efficientnet").state_dict()
    torch.save(state, tmp_path / "weights.pt")
    net = {"family": "timm", "name": "test_efficientnet", "weights": str(tmp_path / "weights.pt")}
    run = {"start": "pretrained", "epochs": 1, "learning_rate": 1e-30, "weight_decay": 0}
    study = load_study(STUDY | {"architectures": {"net": net}, "runs": {"digits/net/aof": run}})
    seen = []

    def watched(network, initial, recipe, pool, *rest):
        seen.append((initial, pool.mean.flatten(), pool.std.flatten()))
        return real(network, initial, recipe, pool, *rest)

    real = jobs.train_cohort
    monkeypatch.setattr(jobs, "train_cohort", watched)
    settings = study.training_settings("digits/net/aof")
    train_shadows(settings, RunDescription(**RUN, architecture="net"), data, 0, 1, tmp_path / "0-1.json")
    assert len(seen) == 2
    for initial, mean, std in seen:
        assert torch.equal(initial["module.conv_head.weight"][0], state["conv_head.weight"])
        np.testing.assert_allclose([mean.item(), std.item()], [0.449, 0.226], rtol=1e-6)
    heads = [initial["module.classifier.weight"] for initial, *_ in seen]
    assert heads[0].shape[:2] == (1, 10) and not torch.equal(*heads)
