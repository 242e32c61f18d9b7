"""The cohort trainer against one model at a time, and against torch's own layers, optimisers and schedules."""

import numpy as np
import pytest
import torch
from small_networks import FCN, POOL, TEST

from lira.config import Architecture, Recipe
from lira.core import preemption
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import Checkpoint, evaluate, train_cohort

RESNET = Architecture(family="resnet", widths=[4, 6])
WIDERESNET = Architecture(family="wideresnet", depth=10, width=1)
TIMM = Architecture(family="timm", name="test_efficientnet")
RECIPES = {
    "sgd": Recipe(epochs=5, batch_size=8, learning_rate=0.05, dropout=0.2, augment=["flip", "crop", "cutout"]),
    "mix": Recipe(epochs=4, batch_size=8, learning_rate=0.05, augment=["mixup", "cutmix"], patience=2),
    "adamw": Recipe(
        epochs=3, batch_size=8, optimizer="adamw", learning_rate=1e-3, schedule="onecycle", weight_decay=0.05
    ),
    "adam": Recipe(
        **{"epochs": 4, "batch_size": 8, "optimizer": "adam", "learning_rate": 1e-3, "betas": [0.8, 0.99], "eps": 1e-6},
        warmup_epochs=1.5,
        target_model="last",
    ),
}


def members(models):
    rng = np.random.default_rng(5)
    return rng.permuted(np.tile(np.arange(60) < 26, (models, 1)), axis=1) | (
        np.arange(60) < np.arange(models)[:, None] * 4
    )


def train(architecture, recipe, rows, checkpoint=None, models=6):
    network = build(architecture, len(rows), (1, 8, 8), 3, recipe.dropout)
    initial = initialise(network, [generator(3, row, INITIAL) for row in rows])
    return train_cohort(network, initial, recipe, POOL, TEST, members(models)[rows], Streams(3, rows), checkpoint)


IN_COHORTS = {
    "quickstart-fcn": Architecture(family="fcn", hidden=[128, 64], activation="relu", flatten=True),
    "quickstart-resnet": Architecture(family="resnet", widths=[8, 16]),
    "paper-fcn": Architecture(family="fcn", flatten=True),
    "wideresnet": WIDERESNET,
    "gelu": Architecture(family="fcn", hidden=[32], activation="gelu", flatten=True),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("architecture", IN_COHORTS.values(), ids=IN_COHORTS)
def test_a_cohort_trains_each_model_as_if_alone(architecture, recipe):
    rows = list(range(6))
    if architecture is WIDERESNET:  # deep: an activation that rounding moves across zero soon tells in all weights
        recipe = recipe.model_copy(update={"learning_rate": recipe.learning_rate / 100})
    assert len({len(np.flatnonzero(row)) // recipe.batch_size for row in members(6)}) > 1
    together = train(architecture, recipe, rows)
    for row in (0, 3, 5):
        alone = train(architecture, recipe, [row])
        assert together.best_epoch[row] == alone.best_epoch[0]
        np.testing.assert_allclose(together.history["test_loss"][row], alone.history["test_loss"][0], atol=1e-4)
        for name, value in alone.best.items():
            torch.testing.assert_close(together.best[name][row], value[0], atol=1e-5, rtol=0)


def test_training_learns_and_keeps_the_best_epoch():
    recipe = RECIPES["sgd"].model_copy(update={"epochs": 12, "dropout": 0.0, "augment": []})
    progress = train(FCN, recipe, [0, 1])
    network = build(FCN, 2, (1, 8, 8), 3, 0)
    _, accuracy = evaluate(network, progress.best, TEST, None)
    np.testing.assert_array_equal(accuracy, np.nanmax(progress.history["test_accuracy"], axis=1))
    np.testing.assert_array_equal(progress.best_epoch, np.nanargmax(progress.history["test_accuracy"], axis=1))
    assert accuracy.min() > 0.5


def test_the_epoch_that_is_asked_for_is_kept_and_best_is_of_all():
    recipe = RECIPES["sgd"].model_copy(update={"epochs": 12, "schedule": "constant", "patience": 4})
    whole = train(FCN, recipe, [0, 1, 2])
    ran = np.isfinite(whole.history["test_accuracy"]).sum(axis=1)
    assert ran.min() > 3 and (ran > whole.best_epoch + 1).any()
    for wanted in ("last", 3):
        found = train(FCN, recipe.model_copy(update={"target_model": wanted}), [0, 1, 2])
        np.testing.assert_array_equal(found.history["test_accuracy"], whole.history["test_accuracy"])
        np.testing.assert_array_equal(found.best_epoch, whole.best_epoch)
        _, accuracy = evaluate(build(FCN, 3, (1, 8, 8), 3, 0), found.best, TEST, None)
        at = ran - 1 if wanted == "last" else np.full(3, wanted - 1)
        np.testing.assert_array_equal(accuracy, whole.history["test_accuracy"][np.arange(3), at])
        short = train(FCN, recipe.model_copy(update={"epochs": int(at[0]) + 1, "target_model": "last"}), [0])
        for name, value in short.best.items():
            torch.testing.assert_close(value[0], found.best[name][0], atol=1e-5, rtol=0)


def test_early_stopping_counts_epochs_without_a_better_accuracy():
    recipe = RECIPES["sgd"].model_copy(
        update={"epochs": 30, "patience": 3, "learning_rate": 1e-9, "schedule": "constant"}
    )
    progress = train(FCN, recipe, [0, 1, 2])
    ran = np.isfinite(progress.history["test_accuracy"]).sum(axis=1)
    assert (ran == np.minimum(progress.best_epoch + 1 + 3, 30)).all()
    assert ran.max() < 30


@pytest.mark.parametrize(
    ("architecture", "name", "rows"),
    [*((RESNET, name, [0, 1, 2]) for name in RECIPES), (WIDERESNET, "sgd", [0, 1]), (TIMM, "sgd", [2])],
    ids=lambda value: getattr(value, "family", str(value)),
)
def test_a_resumed_cohort_equals_an_undisturbed_one_bit_for_bit(tmp_path, architecture, name, rows, monkeypatch):
    recipe = RECIPES[name]
    whole = train(architecture, recipe, rows)
    checkpoint = Checkpoint(tmp_path / "0.pt", "this training", seconds=0)
    killed = RuntimeError("killed")

    def stop(*arguments):
        if arguments[-1] == 1:
            raise killed
        return real(*arguments)

    from lira.shadows.training import cohort

    real = cohort.train_epoch
    monkeypatch.setattr(cohort, "train_epoch", stop)
    with pytest.raises(RuntimeError, match="killed"):
        train(architecture, recipe, rows, checkpoint)
    monkeypatch.undo()
    assert checkpoint.path.is_file()
    epochs = []
    monkeypatch.setattr(cohort, "train_epoch", lambda *a: epochs.append(a[-1]) or real(*a))
    resumed = train(architecture, recipe, rows, checkpoint)
    assert epochs[0] == 1
    for name, value in whole.best.items():
        assert torch.equal(resumed.best[name], value)
    for name, values in whole.history.items():
        np.testing.assert_array_equal(resumed.history[name], values)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_told_to_stop_between_two_batches_it_goes_on_there_bit_for_bit(tmp_path, recipe, monkeypatch):
    whole = train(FCN, recipe, [0, 1, 5])
    checkpoint = Checkpoint(tmp_path / "0.pt", "this training", seconds=1e9)
    for allowed in (0, 2, 3, 6):  # batches and evaluations, each time from where the last stop left it
        left = iter(range(allowed))

        def may_stop(left=left):
            if next(left, None) is None:
                raise preemption.Preempted

        monkeypatch.setattr(preemption, "may_stop", may_stop)
        with pytest.raises(preemption.Preempted):
            train(FCN, recipe, [0, 1, 5], checkpoint)
    monkeypatch.undo()
    resumed = train(FCN, recipe, [0, 1, 5], checkpoint)
    for name, value in whole.best.items():
        assert torch.equal(resumed.best[name], value)
    for name, values in whole.history.items():
        np.testing.assert_array_equal(resumed.history[name], values)


def test_a_damaged_checkpoint_is_not_taken_up(tmp_path, caplog):
    recipe = RECIPES["sgd"].model_copy(update={"epochs": 2})
    checkpoint = Checkpoint(tmp_path / "0.pt", "this training", seconds=0)
    whole = train(FCN, recipe, [0], checkpoint)
    stored = checkpoint.path.read_bytes()
    flipped = bytearray(stored)
    flipped[stored.index(next(iter(whole.best.values())).numpy().tobytes()[:64])] ^= 1
    for damaged in (b"", stored[: len(stored) // 2], bytes(flipped)):
        checkpoint.path.write_bytes(damaged)
        again = train(FCN, recipe, [0], checkpoint)
        assert "is damaged" in caplog.text
        caplog.clear()
        for name, value in whole.best.items():
            assert torch.equal(again.best[name], value)


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path):
    recipe = RECIPES["sgd"].model_copy(update={"epochs": 2})
    checkpoint = Checkpoint(tmp_path / "0.pt", "one", seconds=0)
    train(FCN, recipe, [0], checkpoint)
    other = train(FCN, recipe, [1], Checkpoint(checkpoint.path, "another", seconds=1e9))
    alone = train(FCN, recipe, [1])
    for name, value in alone.best.items():
        assert torch.equal(other.best[name], value)


def test_more_samples_per_batch_than_members_is_a_config_error():
    with pytest.raises(ValueError, match="batch_size is 100: allowed are at most the"):
        train(FCN, RECIPES["sgd"].model_copy(update={"batch_size": 100}), [0, 1])


RUN = {"study": "s", "dataset": "digits", "architecture": "a", "regime": "r", "seed": 0}
