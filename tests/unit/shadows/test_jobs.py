"""Training jobs: the model that fine-tuning starts from, and models that diverge."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from receipts import models_of, read_models
from small_networks import FCN

from lira.config import (
    RECIPE_VERSION,
    Architecture,
    Dataset,
    PretrainingSettings,
    Recipe,
    RunDescription,
    TrainingSettings,
    check_section,
)
from lira.core.errors import ConfigError, LiraError, StoreError
from lira.core.plugins import code_digest
from lira.core.preemption import Preempted
from lira.datasets import prepare_data
from lira.shadows.jobs import pretrain_model, train_shadows
from lira.shadows.loading import draw_members
from lira.storage.identity import data_identity, digest_of, models_identity

NETWORK = Architecture(family="fcn", hidden=[12], activation="relu", flatten=True)
RUN = RunDescription(study="s", dataset="digits", architecture="fcn", regime="tl", seed=0)


def pretraining(**changes):
    recipe = Recipe(epochs=1, batch_size=16, start="public")
    values = {"recipe_version": RECIPE_VERSION, "architecture": NETWORK, "recipe": recipe} | changes
    return check_section("settings", PretrainingSettings, values)


def settings(**changes):
    drawn = {"shadow_models": 4, "member_fraction": 0.5, "membership_draws": "default_rng"}
    stored = {"store_logits": False, "store_weights": False}
    return check_section("settings", TrainingSettings, dict(pretraining()) | drawn | stored | changes)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    prepare_data(Dataset(test=100, public=1497, pool="train"), None, 0, folder / "data.h5")
    pretrain_model(pretraining(), folder / "data.h5", folder / "start.pt")
    return folder


def train(folder, output, pretrained, **changes):
    train_shadows(settings(**changes), RUN, folder / "data.h5", 0, 0, output / "0-0.json", pretrained)


def test_a_flipped_bit_is_found_before_it_is_trained_from(start, tmp_path):
    content = bytearray((start / "start.pt").read_bytes())
    weights = torch.load(start / "start.pt", weights_only=True)["hidden.0.weight"].numpy().tobytes()
    content[content.index(weights) + 5] ^= 1
    (tmp_path / "start.pt").write_bytes(content)
    with pytest.raises(StoreError, match=r"start.pt is damaged \(checksum of .*\): delete it and run snakemake again"):
        train(start, tmp_path, tmp_path / "start.pt")
    assert not (tmp_path / "0-0.json").exists()
    train(start, tmp_path, start / "start.pt")


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (
            {"hidden.0.weight": torch.zeros(3, 3)},
            "is of another network than this run's, whose classifier.bias is not there and \\(10,\\) here: .* dropout",
        ),
        ([1, 2], "is damaged"),
    ],
)
def test_a_foreign_file_in_its_place_is_named(start, tmp_path, stored, said):
    torch.save(stored, tmp_path / "start.pt")
    with pytest.raises(StoreError, match=f"start.pt {said}"):
        train(start, tmp_path, tmp_path / "start.pt")


def test_a_model_to_start_from_is_given_where_the_recipe_starts_from_it_alone(start, tmp_path):
    with pytest.raises(ConfigError, match="pretrained: models of start 'public' need a model to start from"):
        train(start, tmp_path, None)
    scratch = settings().recipe.model_copy(update={"start": "scratch"})
    with pytest.raises(ConfigError, match="pretrained: models of start 'scratch' need no model to start from"):
        train(start, tmp_path, start / "start.pt", recipe=scratch)
    assert not list(tmp_path.iterdir())


def test_a_start_in_another_precision_is_refused(start, tmp_path):
    weights = torch.load(start / "start.pt", weights_only=True)
    torch.save({name: value.half() for name, value in weights.items()}, tmp_path / "half.pt")
    with pytest.raises(StoreError, match="half.pt is of another network"):
        train(start, tmp_path, tmp_path / "half.pt")


def test_an_environment_with_other_code_trains_nothing(start, tmp_path):
    said = "recipe_version is 999: the study was planned by lira of that recipe version"
    for call in (
        lambda: train(start, tmp_path, start / "start.pt", recipe_version=999),
        lambda: pretrain_model(pretraining(recipe_version=999), start / "data.h5", tmp_path / "start.pt"),
    ):
        with pytest.raises(ConfigError, match=said):
            call()
    assert not list(tmp_path.iterdir())


def test_pretraining_without_enough_memory_ends_with_advice(start, tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("lira.shadows.jobs.train_cohort", full)
    with pytest.raises(LiraError, match="do not fit into the memory of .*: give the job more memory"):
        pretrain_model(pretraining(), start / "data.h5", tmp_path / "start.pt")
    assert not (tmp_path / "start.pt").exists()


def test_the_model_to_start_from_is_normalised_as_it_is_asked(start, tmp_path):
    raw = pretraining().recipe.model_copy(update={"normalise": False})
    pretrain_model(pretraining(recipe=raw), start / "data.h5", tmp_path / "raw.pt")
    found = [torch.load(path, weights_only=True) for path in (start / "start.pt", tmp_path / "raw.pt")]
    assert not torch.equal(*(weights["hidden.0.weight"] for weights in found))
    asked, data = pretraining(recipe=raw), start / "data.h5"
    as_before = digest_of([asked.model_dump(exclude_defaults=True), 0, data_identity(data), None])
    assert models_identity(asked, 0, data) != as_before  # of normalised samples


def test_pretraining_that_diverges_is_tried_again_and_never_started_from(start, tmp_path, caplog):
    """A rate as large as this gives NaN at once, from any initial values."""
    wild = pretraining().recipe.model_copy(update={"learning_rate": 1e30, "retries": 2})
    with pytest.raises(ConfigError, match=r"learning_rate is 1e\+30: the model .* diverged, .* in 3 attempts"):
        pretrain_model(pretraining(recipe=wild), start / "data.h5", tmp_path / "start.pt")
    assert caplog.text.count("the model to start from: training diverged") == 3
    assert not list(tmp_path.iterdir())


def test_pretraining_that_diverged_once_gives_what_the_second_attempt_gave(start, tmp_path, monkeypatch):
    def stop_after_the_first(*_):
        judged.append(1)
        if len(judged) == 2:
            raise Preempted
        return np.array([len(judged) in (1, 3)])

    judged, retried = [], pretraining().recipe.model_copy(update={"retries": 3})
    monkeypatch.setattr("lira.shadows.jobs.diverged", stop_after_the_first)
    with pytest.raises(Preempted):
        pretrain_model(pretraining(recipe=retried), start / "data.h5", tmp_path / "start.pt")
    assert len(list(tmp_path.glob("*.part"))) == 2
    pretrain_model(pretraining(recipe=retried), start / "data.h5", tmp_path / "start.pt")
    monkeypatch.setattr("lira.shadows.jobs.diverged", lambda *_: np.array([(judged.append(1) or len(judged)) == 5]))
    (other := tmp_path / "undisturbed").mkdir()
    pretrain_model(pretraining(recipe=retried), start / "data.h5", other / "start.pt")
    once, again, undisturbed = (
        torch.load(path / "start.pt", weights_only=True)["hidden.0.weight"] for path in (start, tmp_path, other)
    )
    assert len(judged) == 6 and torch.equal(again, undisturbed) and not torch.equal(once, again)
    assert not list(tmp_path.rglob("*.part"))


def shard_of_digits(folder, models=2, **changes):
    """The arrays of a shard of tiny networks; ``changes`` are the recipe's."""
    return read_models(train_on_digits(folder, models, **changes))


def train_on_digits(folder, models, **changes):
    """Trains a shard of tiny networks; returns its receipt."""
    data = folder / "digits.h5"
    prepare_data(Dataset(test=100, public=1497, pool="train"), None, 0, data)
    output = folder / f"{changes.get('retries', 0)}" / "shard.json"
    recipe = Recipe(**{"epochs": 3, "batch_size": 16, "schedule": "constant", "cohort": models} | changes)
    made = settings(architecture=FCN, recipe=recipe, shadow_models=models)
    train_shadows(made, RUN, data, 0, models - 1, output)
    return output


def test_diverged_training_is_recorded_with_the_model(tmp_path, caplog):
    shard = shard_of_digits(tmp_path, learning_rate=1e18)
    assert shard["utility/diverged"].tolist() == [1, 1] and shard["utility/retries"].tolist() == [0, 0]
    assert "models [0, 1]: training diverged" in caplog.text


def test_a_diverged_model_is_trained_anew_if_asked_for_and_the_others_are_left_alone(tmp_path, monkeypatch):
    def judge(loss, *_):
        judged.append(loss)
        return np.array([False, True, True]) if len(judged) == 1 else np.array([False, True])

    judged = []
    once = shard_of_digits(tmp_path, 3, learning_rate=0.05)
    monkeypatch.setattr("lira.shadows.jobs.diverged", judge)
    retried = shard_of_digits(tmp_path, 3, learning_rate=0.05, retries=1)
    assert retried["utility/retries"].tolist() == [0, 1, 1] and retried["utility/diverged"].tolist() == [0, 0, 1]
    for name, values in retried.items():
        np.testing.assert_array_equal(values[0], once[name][0])
    for row in (1, 2):
        assert retried["utility/train_loss"][row] == judged[1][row - 1] != once["utility/train_loss"][row]
        assert not np.array_equal(retried["phi"][row], once["phi"][row])
        assert not np.array_equal(retried["history/train_loss"][row], once["history/train_loss"][row])
    np.testing.assert_array_equal(retried["member"], once["member"])


def test_members_are_counted_for_all_models_before_the_first_is_trained(start, tmp_path):
    """The fewest are in a model that another job trains."""
    drawn = draw_members(settings(shadow_models=10), 200, RUN.seed).sum(axis=1)
    assert drawn[0] > drawn.min()
    recipe = pretraining().recipe.model_copy(update={"batch_size": int(drawn[0])})
    with pytest.raises(ConfigError, match=f"allowed are at most the {drawn.min()} members of a model"):
        train(start, tmp_path, start / "start.pt", recipe=recipe, shadow_models=10)
    assert not list(tmp_path.glob("*.json"))


def test_cohorts_that_cannot_be_joined_stay_as_they_are(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr("lira.shadows.jobs._append", full)
    receipt = train_on_digits(tmp_path, 4, cohort=2)
    assert [path.name.split(".")[0] for path in models_of(receipt)] == ["0-1", "2-3"]
    assert "models 0-3 stay in several files: the disk is full" in caplog.text


def test_files_of_other_jobs_and_of_the_user_stay_where_they_are(start, tmp_path):
    (tmp_path / "0-0.0123.pt").touch()
    others = {".0-0.0123.pt.elsewhere-7.pt", ".1-1.0123.pt.elsewhere-8.pt", "my-notes.pt", "1-1.0123.pt"}
    for name in others:
        (tmp_path / name).touch()
    train(start, tmp_path, start / "start.pt")
    assert {path.name for path in tmp_path.glob("*.pt")} == others


def test_a_network_that_is_edited_while_the_job_waits_for_its_device_is_not_trained(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "waited_for.py"
    network = "nn.Sequential(nn.Flatten(), nn.Linear(64, classes))"
    text = f"from torch import nn\ndef build(shape, classes, dropout):\n    return {network}\n"
    module.write_text(text)

    @contextmanager
    def lease_late(kind, jobs_per_gpu=1):
        module.write_text(f"{text}# edited\n")
        yield "cpu"

    monkeypatch.setattr("lira.shadows.jobs.lease", lease_late)
    own = Architecture(family="waited_for:build")
    changes = {"architecture": own, "code": {own.family: code_digest(own.family)}}
    with pytest.raises(ConfigError, match=r"waited_for.py .* has changed since this job was planned"):
        train(start, tmp_path / "run", None, recipe=Recipe(epochs=1, batch_size=16), **changes)
    assert not list((tmp_path / "run").glob("*.h5"))
