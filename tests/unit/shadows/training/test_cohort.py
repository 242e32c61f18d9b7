"""The cohort trainer against one model at a time, and against torch's own layers, optimisers and schedules."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from lira.config import RECIPE_VERSION, Architecture, Dataset, Recipe
from lira.core import preemption
from lira.datasets import Part, prepare_data
from lira.shadows.jobs import train_shadows
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import Checkpoint, Samples, evaluate, train_cohort
from lira.shadows.training.optimizers import decays, initial_state, update
from lira.shadows.training.schedules import rate_and_momentum

FCN = Architecture(family="fcn", hidden=[12, 8], activation="relu", flatten=True)
RESNET = Architecture(family="resnet", widths=[4, 6])
WIDERESNET = Architecture(family="wideresnet", depth=10, width=1)
TIMM = Architecture(family="timm", name="test_efficientnet")
RECIPES = {
    "sgd": Recipe(epochs=5, batch_size=8, learning_rate=0.05, dropout=0.2, augment=["flip", "crop", "cutout"]),
    "mix": Recipe(epochs=4, batch_size=8, learning_rate=0.05, augment=["mixup", "cutmix"], patience=2),
    "adamw": Recipe(
        epochs=3, batch_size=8, optimizer="adamw", learning_rate=1e-3, schedule="onecycle", weight_decay=0.05
    ),
}


def digits(samples, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, samples)
    x = (rng.integers(0, 9, (samples, 1, 8, 8)) + 3 * y[:, None, None, None]).astype(np.uint8)
    return Samples(Part(x, y, 16.0, np.array([0.4]), np.array([0.3]), 3), "cpu")


POOL, TEST = digits(60), digits(20, seed=1)


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
    with pytest.raises(ValueError, match="batch_size: 100 is more than the"):
        train(FCN, RECIPES["sgd"].model_copy(update={"batch_size": 100}), [0, 1])


@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_optimisers_are_those_of_torch(name, spread):
    torch.manual_seed(0)
    recipe = Recipe(optimizer=name, momentum=0.9, weight_decay=0.03)
    start = {"a.weight": torch.randn(3, 4, 2), "a.bias": torch.randn(3, 2), "bn1.weight": torch.randn(3, 5)}
    ours = {key: value.clone() for key, value in start.items()}
    state = initial_state(ours, recipe)
    rates = np.array([0.1, 0.01, 0.03] if spread else [0.02] * 3)
    theirs, optimisers = [], []
    for model in range(3):
        parameters = {key: nn.Parameter(value[model].clone()) for key, value in start.items()}
        groups = [
            {"params": [p for key, p in parameters.items() if decays(key, name) == decay], "weight_decay": 0.03 * decay}
            for decay in (True, False)
        ]
        kinds = {
            "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
            "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr),
        }
        theirs.append(parameters)
        optimisers.append(kinds[name](groups, float(rates[model])))
    for step in range(5):
        gradients = {key: torch.randn_like(value) for key, value in start.items()}
        copies = {key: value.clone() for key, value in gradients.items()}
        update(ours, copies, state, recipe, np.full(3, step), rates, np.full(3, 0.9))
        for model in range(3):
            for key, parameter in theirs[model].items():
                parameter.grad = gradients[key][model].clone()
            optimisers[model].step()
    for model in range(3):
        for key, parameter in theirs[model].items():
            torch.testing.assert_close(ours[key][model], parameter.data, atol=1e-6, rtol=1e-5)


def test_weight_decay_spares_what_the_paper_spares():
    assert decays("blocks.0.bn1.weight", "sgd") and not decays("blocks.0.bn1.bias", "sgd")
    assert not decays("blocks.0.bn1.weight", "adamw") and decays("blocks.0.shortcut.1.weight", "adamw")


@pytest.mark.parametrize("steps", [20, 47, 3])
def test_onecycle_is_that_of_torch(steps):
    recipe = Recipe(optimizer="adamw", learning_rate=1e-3, schedule="onecycle")
    optimiser = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for step in range(steps):
        rate, momentum = rate_and_momentum(recipe, 0, np.array([step]), np.array([steps]))
        group = optimiser.param_groups[0]
        assert rate[0] == pytest.approx(group["lr"], rel=1e-9)
        assert momentum[0] == pytest.approx(group["betas"][0], rel=1e-9)
        optimiser.step()
        if step < steps - 1:
            schedule.step()


def test_cosine_is_that_of_torch():
    recipe = Recipe(epochs=12, learning_rate=0.1)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=12, eta_min=1e-6)
    for epoch in range(12):
        rate, _ = rate_and_momentum(recipe, epoch, np.zeros(2, int), np.array([5, 9]))
        assert rate == pytest.approx([optimiser.param_groups[0]["lr"]] * 2, rel=1e-9)
        optimiser.step()
        schedule.step()


def test_the_resnet_is_m_ordinary_resnets():
    """Against plain torch layers with the same weights, in both modes of batch normalisation."""
    network = build(RESNET, 3, (1, 8, 8), 5, 0.0)
    for layer in network.modules():
        if hasattr(layer, "reset"):
            layer.reset([generator(0, model, INITIAL) for model in range(3)])
    weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    x = torch.randn(3, 7, 1, 8, 8)
    for training in (True, False):
        network.train(training)
        logits = functional_call(network, {k: v.clone() for k, v in weights.items()}, (x,))
        for model in range(3):
            plain = _plain_resnet({name: value[model] for name, value in weights.items()}, x[model], training)
            torch.testing.assert_close(logits[model], plain, atol=1e-5, rtol=1e-5)


def _plain_resnet(w, x, training):
    def conv(name, x, stride):
        kernel = w[f"{name}.weight"]
        return nn.functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def norm(name, x):
        moments = w[f"{name}.running_mean"].clone(), w[f"{name}.running_var"].clone()
        return nn.functional.batch_norm(x, *moments, w[f"{name}.weight"], w[f"{name}.bias"], training=training)

    x = norm("bn", conv("stem", x, 1)).relu()
    for block, stride in (("blocks.0", 1), ("blocks.1", 2)):
        y = norm(f"{block}.bn1", conv(f"{block}.conv1", x, stride)).relu()
        y = norm(f"{block}.bn2", conv(f"{block}.conv2", y, 1))
        if f"{block}.shortcut.0.weight" in w:
            x = norm(f"{block}.shortcut.1", conv(f"{block}.shortcut.0", x, stride))
        x = (x + y).relu()
    return x.mean((2, 3)) @ w["classifier.weight"] + w["classifier.bias"]


def test_the_paper_fcn_has_its_size_and_dropout_places():
    network = build(Architecture(family="fcn"), 1, (600,), 100, 0.5)
    assert sum(p.numel() for p in network.parameters()) == 600 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 100 + 100
    for layer in network.modules():
        if hasattr(layer, "reset"):
            layer.reset([generator(0, 0, INITIAL)])
    x = torch.randn(1, 4, 600)
    assert torch.equal(network(x), network(x))
    assert not torch.equal(network(x, Streams(0, [0])), network(x))


RUN = {"study": "s", "dataset": "digits", "architecture": "a", "regime": "r", "seed": 0}


def shard_of_digits(folder, models=2, **settings):
    """The content of a shard of tiny networks."""
    data = folder / "digits.h5"
    prepare_data(Dataset(test=100, public=1497, pool="train"), None, 0, data)
    output = folder / "shard.h5"
    recipe = Recipe(epochs=3, batch_size=16, schedule="constant", cohort=models, **settings)
    settings = {"recipe_version": RECIPE_VERSION, "architecture": FCN.model_dump(), "recipe": recipe.model_dump()}
    settings |= {"shadow_models": models, "member_fraction": 0.5, "membership_draws": "default_rng"}
    train_shadows(settings | {"store_logits": False, "store_weights": False}, RUN, data, 0, models - 1, output)
    found = {}
    with h5py.File(output) as shard:
        shard.visititems(lambda name, item: found.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
    return found


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
    monkeypatch.setattr("lira.shadows.jobs._diverged", judge)
    retried = shard_of_digits(tmp_path, 3, learning_rate=0.05, retries=1)
    assert retried["utility/retries"].tolist() == [0, 1, 1] and retried["utility/diverged"].tolist() == [0, 0, 1]
    for name, values in retried.items():
        np.testing.assert_array_equal(values[0], once[name][0])
    for row in (1, 2):
        assert retried["utility/train_loss"][row] == judged[1][row - 1] != once["utility/train_loss"][row]
        assert not np.array_equal(retried["phi"][row], once["phi"][row])
        assert not np.array_equal(retried["history/train_loss"][row], once["history/train_loss"][row])
    np.testing.assert_array_equal(retried["member"], once["member"])
