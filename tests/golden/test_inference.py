"""The query of small networks with given weights: views, their order, batch statistics, dropout off."""

import numpy as np
import pytest
import torch
from reference import arrays
from torch import nn

from lira.config import Recipe
from lira.datasets import Part
from lira.shadows.models.single import Single
from lira.shadows.query import query
from lira.shadows.rng import Streams
from lira.shadows.training.cohort import Samples

STORED = arrays("inference/inference_cases.npz")


def module(kind):
    if kind == "tabular":
        return _filled([nn.Linear(12, 5)], [["W_tab", "b_tab"]])
    if kind == "linear":
        return _filled([nn.Flatten(), nn.Linear(192, 5)], [[], ["W", "b"]])
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()]
    values = [["conv_w", "conv_b"], ["bn_gamma", "bn_beta"], [], [], [], ["W2", "b2"]]
    return _filled([*layers, nn.Linear(256, 5)], values)


def _filled(layers, values):
    for layer, names in zip(layers, values, strict=True):
        for parameter, name in zip(layer.parameters(), names, strict=True):
            parameter.data = torch.as_tensor(STORED[name], dtype=torch.float32)
    return nn.Sequential(*layers)


@pytest.mark.parametrize("case", [name for name in STORED if name.startswith(("linear_aug", "bn_aug", "tabular_aug"))])
def test_query(case):
    kind, views, *batch = case.split("_")
    x = STORED["x_tab" if kind == "tabular" else "x"]
    part = Part(x, np.zeros(len(x), int), 1.0, np.zeros(1), np.ones(1), 5)
    network = Single(lambda: module(kind))
    weights = {name: value.detach() for name, value in network.state_dict().items()}
    recipe = Recipe(
        batch_size=int(batch[0][2:]) if batch else 7,
        query_views=1 if kind == "tabular" else int(views[3:]) or 1,  # the reference gives tabular samples one view
    )
    found = np.concatenate([y[0] for _, y in query(network, weights, Samples(part, "cpu"), recipe, Streams(0, [0]))])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, STORED[case], rtol=0, atol=5e-6)
