"""Mixed precision: what each device trains in, loss scales of fp16, and what keeps a GPU busy."""

import contextlib

import numpy as np
import pytest
import torch
from plain.training import optimiser
from small_networks import FCN, POOL, TEST
from torch import nn

from lira.config import Recipe
from lira.shadows.models import build, initialise
from lira.shadows.rng import INITIAL, Streams, generator
from lira.shadows.training.cohort import evaluate, train_cohort
from lira.shadows.training.optimizers import initial_state, update
from lira.shadows.training.precision import SCALE, STREAK, loss_scales, training_type


@pytest.mark.parametrize(
    ("asked", "device", "bf16", "expected"),
    [
        ("auto", "cpu", True, torch.float32),
        ("auto", "cuda", True, torch.bfloat16),
        ("auto", "cuda", False, torch.float16),
        ("float32", "cuda", True, torch.float32),
        ("bf16", "cpu", False, torch.bfloat16),
        ("fp16", "cuda", True, torch.float16),
    ],
)
def test_the_type_is_the_one_asked_for_or_what_the_device_has(monkeypatch, asked, device, bf16, expected):
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16 or including_emulation)
    assert training_type(Recipe(precision=asked), device) == expected


def train(precision, models=3, epochs=6, rate=0.05, optimizer="sgd"):
    recipe = Recipe(epochs=epochs, batch_size=8, learning_rate=rate, precision=precision, optimizer=optimizer)
    network = build(FCN, models, (1, 8, 8), 3, 0.0)
    initial = initialise(network, [generator(3, model, INITIAL) for model in range(models)])
    member = np.random.default_rng(5).permuted(np.tile(np.arange(60) < 30, (models, 1)), axis=1)
    return train_cohort(network, initial, recipe, POOL, TEST, member, Streams(3, range(models)))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_mixed_precision_trains_close_to_float32_and_keeps_float32_weights(precision, optimizer):
    mixed, full = (
        train(kind, rate={"sgd": 0.05, "adamw": 5e-3}[optimizer], optimizer=optimizer)
        for kind in (precision, "float32")
    )
    assert {value.dtype for value in mixed.best.values()} == {torch.float32}
    assert not any(torch.equal(value, full.best[name]) for name, value in mixed.best.items())
    np.testing.assert_allclose(mixed.history["test_loss"], full.history["test_loss"], rtol=0.1)
    with torch.no_grad():
        _, accuracy = evaluate(build(FCN, 3, (1, 8, 8), 3, 0.0), mixed.best, TEST, None)
    assert accuracy.min() > 0.5


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_an_overflow_leaves_its_model_as_it_is_and_halves_its_scale_alone(name):
    """Against torch.amp.GradScaler with the same gradients, a model at a time."""
    torch.manual_seed(0)
    recipe = Recipe(optimizer=name, momentum=0.9, weight_decay=0.03, precision="fp16")
    start = {"a.weight": torch.randn(2, 4, 3), "a.bias": torch.randn(2, 3)}
    ours = {key: value.clone() for key, value in start.items()}
    state = initial_state(ours, recipe) | loss_scales(recipe, 2, "cpu")
    theirs = [{key: nn.Parameter(value[model].clone()) for key, value in start.items()} for model in range(2)]
    optimisers, scalers = [], []
    for parameters in theirs:
        optimisers.append(optimiser(parameters, recipe, 0.1))
        scalers.append(torch.amp.GradScaler("cpu"))
    made = np.zeros(2, int)
    for step in range(4):
        gradients = {key: torch.randn_like(value) for key, value in start.items()}
        scaled = {key: value * state[SCALE].view(-1, *[1] * (value.dim() - 1)) for key, value in gradients.items()}
        if step == 1:
            scaled["a.bias"][1, 0] = torch.inf
        for model, (chosen, scaler) in enumerate(zip(optimisers, scalers, strict=True)):
            scaler.scale(torch.zeros(()))
            for key, parameter in theirs[model].items():
                parameter.grad = scaled[key][model].clone()
            scaler.step(chosen)
            scaler.update()
        update(ours, scaled, state, recipe, made, np.full(2, 0.1), np.full(2, 0.9))
        made += 1
        for model in range(2):
            assert state[SCALE][model].item() == scalers[model].get_scale()
            for key, parameter in theirs[model].items():
                torch.testing.assert_close(ours[key][model], parameter.data, atol=1e-6, rtol=1e-5)
    assert state[SCALE].tolist() == [2.0**16, 2.0**15] and state[STREAK].tolist() == [4, 2]


def test_a_scale_grows_after_enough_steps_without_overflow(monkeypatch):
    monkeypatch.setattr("lira.shadows.training.precision.PATIENT_STEPS", 3)
    scale = train("fp16", epochs=1).state.optimizer[SCALE]
    assert scale.tolist() == [2.0**17] * 3
