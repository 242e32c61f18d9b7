"""The query: order of views, and statistics of batch normalisation."""

import itertools

import numpy as np
import pytest
import torch
from plain import query as plain
from torch import nn

from lira.config import Architecture, Recipe
from lira.core.errors import ConfigError
from lira.datasets import Part
from lira.shadows.models import build, initialise
from lira.shadows.models.layers import BatchNorm2d, set_query_mode
from lira.shadows.query import check_views, query, views
from lira.shadows.rng import INITIAL, QUERY, Streams, generator
from lira.shadows.training.cohort import Samples


def test_views_are_mirror_then_horizontal_then_vertical_shift():
    x = torch.arange(2 * 64.0).view(2, 1, 8, 8)
    for count, shift in ((1, 0), (2, 0), (18, 1), (50, 2)):
        found = list(views(x, count))
        assert len(found) == count
        for view, expected in zip(found, plain.views(x, shift), strict=False):
            assert torch.equal(view, expected)
    tabular = torch.randn(5, 7)
    assert [torch.equal(view, tabular) for view in views(tabular, 1)] == [True]


def test_a_stride_of_two_spreads_the_18_views_over_the_same_grid_of_50():
    x = torch.randn(2, 3, 8, 8)
    wide, every = list(views(x, 18, stride=2)), list(views(x, 50))
    chosen = [25 * mirror + 5 * dx + dy for mirror in (0, 1) for dx in (0, 2, 4) for dy in (0, 2, 4)]
    assert all(torch.equal(view, every[index]) for view, index in zip(wide, chosen, strict=True))
    for count in (1, 2, 50):
        pairs = zip(views(x, count, stride=2), views(x, count, stride=1), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("count", [1, 2, 18, 50])
def test_images_that_are_too_small_for_the_views_are_refused(count):
    """The views themselves fail then, in torch's words."""
    for height, width, stride in itertools.product((1, 2, 3, 4), (1, 2, 3, 4), (1, 2)):
        recipe = Recipe(query_views=count, query_stride=stride)
        try:
            list(views(torch.zeros(1, 1, height, width), count, stride))
        except RuntimeError:
            with pytest.raises(ConfigError, match=rf"^query_views is {count}: .* these are {height} by {width}: set 1"):
                check_views((1, height, width), recipe)
        else:
            check_views((1, height, width), recipe)


class Normaliser(nn.Module):
    """One batch normalisation; the logits of a sample are its first two normalised pixels."""

    def __init__(self):
        super().__init__()
        self.norm = BatchNorm2d(1, 1)

    def forward(self, x, streams=None):
        return self.norm(x[0]).flatten(1)[None, :, :2]


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_batchnorm_uses_the_statistics_asked_for_and_keeps_the_weights(statistics):
    rng = np.random.default_rng(0)
    part = Part(
        rng.integers(0, 255, (20, 1, 8, 8)).astype(np.uint8),
        np.zeros(20, int),
        255.0,
        np.array([0.5]),
        np.array([2.0]),
        2,
    )
    network, pool = Normaliser(), Samples(part, "cpu")
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    recipe = Recipe(batch_size=7, query_views=18, query_batchnorm=statistics)
    found = np.full((20, 18, 2), np.nan, np.float32)
    for batch, logits in query(network, weights, pool, recipe, Streams(0, [0])):
        found[batch] = logits[0]
    for start in (0, 7, 14):
        for view, x in enumerate(views(pool.raw(slice(start, start + 7)), 18)):
            x = (x - 0.5) / 2
            if statistics == "batch":
                x = (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt()
            else:
                x = x / np.sqrt(1 + 1e-5)
            np.testing.assert_allclose(found[start : start + 7, view], x.flatten(1)[:, :2], atol=1e-5)
    for name, value in network.state_dict().items():
        assert torch.equal(weights[name], value)


NETWORKS = {
    "fcn": Architecture(family="fcn", hidden=[16], flatten=True),
    "resnet": Architecture(family="resnet", widths=[4, 8]),
    "wideresnet": Architecture(family="wideresnet", depth=10, width=1),
    "timm": Architecture(family="timm", name="test_efficientnet"),
}
RANDOM = {"wideresnet", "timm"}


def images(samples=20):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 255, (samples, 3, 16, 16)).astype(np.uint8)
    return Samples(Part(x, np.zeros(samples, int), 255.0, np.full(3, 0.5), np.full(3, 0.3), 5), "cpu")


def queried(name, pool, **settings):
    recipe = Recipe(batch_size=8, dropout=0.4, **settings)
    network = build(NETWORKS[name], 1, (3, 16, 16), 5, recipe.dropout)
    weights = initialise(network, [generator(0, 4, INITIAL)])
    before = {key: value.clone() for key, value in weights.items()}
    found = np.concatenate([y[0] for _, y in query(network, weights, pool, recipe, Streams(0, [4], purpose=QUERY))])
    assert all(torch.equal(weights[key], value) for key, value in before.items())
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_only_functional_dropout_stays_on_in_the_query_and_only_if_asked_for(name):
    pool = images()
    on, off = (queried(name, pool, query_batchnorm="running", query_dropout=choice) for choice in (True, False))
    assert np.array_equal(on, off) == (name not in RANDOM)
    np.testing.assert_array_equal(on, queried(name, pool, query_batchnorm="running", query_dropout=True))


@pytest.mark.parametrize("name", ["resnet", "wideresnet", "timm"])
def test_batch_statistics_do_not_depend_on_whether_dropout_is_on(name):
    network = build(NETWORKS[name], 1, (3, 16, 16), 5, 0.4)
    norms = [layer for layer in network.modules() if "BatchNorm" in type(layer).__name__]
    for statistics in (True, False):
        for stochastic in (True, False):
            set_query_mode(network, statistics, stochastic)
            assert {layer.training for layer in norms} == {statistics}
