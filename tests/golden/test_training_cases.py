"""Learning rates, weight-decay groups and aggregates of the reference, for what is offered here."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reference import DATA

from lira.config import Architecture, Recipe, load_study
from lira.core.errors import ConfigError
from lira.evaluation.utility import utility_over_models
from lira.shadows.models import build
from lira.shadows.training.optimizers import decays
from lira.shadows.training.schedules import rate_and_momentum

TRACES = json.loads((DATA / "training/lr_traces.json").read_text())
GROUPS = json.loads((DATA / "training/param_groups.json").read_text())
NETWORKS = {
    "wrn28-2": (Architecture(family="wideresnet"), (3, 32, 32)),
    "fcn": (Architecture(family="fcn", hidden=[5, 4]), (6,)),
    "resnet18": (Architecture(family="timm", name="resnet18", stem="small"), (3, 32, 32)),
}


@pytest.mark.parametrize(
    "trace", [trace for trace in TRACES if trace["lr_scheduler"] != "step"], ids=lambda trace: trace["lr_scheduler"]
)
def test_learning_rate_of_every_step(trace):
    recipe = Recipe(
        optimizer=trace["optimizer"],
        schedule=trace["lr_scheduler"],
        learning_rate=trace["learning_rate"],
        epochs=trace["epochs"],
        warmup_epochs=trace["warmup_epochs"],
    )
    each, total = trace["steps_per_epoch"], len(trace["lr_used_per_step"])
    rates = [
        rate_and_momentum(recipe, step // each, np.array([step]), np.array([total]))[0][0] for step in range(total)
    ]
    np.testing.assert_allclose(rates, trace["lr_used_per_step"], rtol=1e-9)


@pytest.mark.parametrize("name", ["step", "warmup"])
def test_a_schedule_that_is_not_offered_is_refused(name):
    study = {
        "study": "s",
        "datasets": {"digits": {"test": 300}},
        "architectures": {"net": {"family": "fcn", "flatten": True}},
        "regimes": {"baseline": {"schedule": name}},
        "runs": {"digits/net/baseline": {}},
    }
    with pytest.raises(ConfigError, match=rf"schedule is '{name}': .*'cosine', 'onecycle' or 'constant'"):
        load_study(study)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "adam"])
@pytest.mark.parametrize("name", NETWORKS)
def test_weight_decay_groups(optimizer, name):
    stored = next(case for case in GROUPS if (case["optimizer"], case["architecture"]) == (optimizer, name))
    network = build(NETWORKS[name][0], 1, NETWORKS[name][1], 3, 0.0)
    found = {True: [], False: []}
    for key, parameter in network.named_parameters():
        found[decays(key, optimizer)].append(parameter.numel())
    assert sum(map(sum, found.values())) == stored["n_parameters"]
    for group in stored["groups"]:
        sizes = found[group["weight_decay"] > 0]
        assert (len(sizes), sum(sizes)) == (group["n_tensors"], group["n_parameters"])


def test_utility_over_shadow_models():
    names = {
        "Train_loss": "train_loss",
        "Test_loss": "test_loss",
        "Train_acc (%)": "train_accuracy",
        "Test_acc (%)": "test_accuracy",
    }
    models = pd.read_csv(DATA / "training/shadow_metrics_inputs.csv", na_values="n/a").rename(columns=names)
    models[["train_accuracy", "test_accuracy"]] /= 100
    found = utility_over_models(SimpleNamespace(utility=models))
    stored = pd.read_csv(DATA / "training/shadow_metrics_aggregate.csv", index_col="Metric")
    for metric, name in {**names, "Loss_ratio": "loss_ratio", "Acc_gap (%)": "accuracy_gap"}.items():
        assert found[f"{name}_mean"] == pytest.approx(stored.loc[metric, "Mean"], abs=5.1e-5)
        assert found[f"{name}_std"] == pytest.approx(stored.loc[metric, "Std"], abs=5.1e-5)
