"""The query: order of views, statistics of batch normalisation, and scaled logits."""

import numpy as np
import pytest
import torch
from torch import nn

from lira.config import Recipe
from lira.datasets import Part
from lira.query import query, scaled_logit, views
from lira.training.cohort import Samples


def test_views_are_mirror_then_horizontal_then_vertical_shift():
    x = torch.arange(2 * 64.0).view(2, 1, 8, 8)
    for count, shift in ((1, 0), (2, 0), (18, 1), (50, 2)):
        found = list(views(x, count))
        assert len(found) == count
        expected = []
        for image in (x, x.flip(-1)):
            padded = nn.functional.pad(image, (shift,) * 4, mode="reflect")
            expected += [
                padded[:, :, dy : dy + 8, dx : dx + 8] for dx in range(2 * shift + 1) for dy in range(2 * shift + 1)
            ]
        for view, plain in zip(found, expected, strict=False):
            assert torch.equal(view, plain)
    tabular = torch.randn(5, 7)
    assert [torch.equal(view, tabular) for view in views(tabular, 1)] == [True]


class Normaliser(nn.Module):
    """One batch normalisation; the logits of a sample are its first two normalised pixels."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)

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
    for batch, view, logits in query(network, weights, pool, recipe):
        found[batch, view] = logits[0]
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


def test_scaled_logit_against_the_definition():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 3, 4)), rng.integers(0, 4, 6)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for sample in range(6):
        true = p[sample, :, labels[sample]]
        others = np.delete(p[sample], labels[sample], axis=-1).sum(-1)
        np.testing.assert_allclose(scaled_logit(logits, labels)[sample], np.log(true) - np.log(others), rtol=1e-12)
    shifted = scaled_logit(logits + 100, labels)
    np.testing.assert_allclose(shifted, scaled_logit(logits, labels), atol=1e-10)
    assert scaled_logit(logits.astype(np.float32), labels).dtype == np.float64


def test_scaled_logit_is_finite_at_the_extremes_and_keeps_its_input():
    logits = np.array([[[1000.0, 0, 0]], [[-1000.0, 0, 0]]])
    before = logits.copy()
    high, low = scaled_logit(logits, np.zeros(2, int))[:, 0]
    assert high == pytest.approx(-np.log(1e-45)) and low == pytest.approx(np.log(1e-45))
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("shape", [(6, 4), (6, 1, 3, 4)])
def test_scaled_logit_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"logits \[sample, view, class\]"):
        scaled_logit(np.zeros(shape), np.zeros(6, int))
