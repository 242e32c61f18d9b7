"""Augmentations: per-image draws with the right distribution and nothing else changed."""

import pytest
import torch
from torch import nn

from lira.augment import augment, crop, cutmix, cutout, flip, mix, mixup
from lira.config import Recipe
from lira.streams import Streams


@pytest.fixture
def streams():
    return Streams(0, range(2))


def images(batch=2000, height=8):
    """Two models' batches in which every pixel has its own value."""
    pixels = torch.arange(1.0, 1 + height * height).view(1, 1, 1, height, height)
    return pixels.expand(2, batch, 3, -1, -1)


def test_flip_mirrors_half_of_the_images(streams):
    x = images()
    y = flip(x, streams)
    mirrored = (y == x.flip(-1)).flatten(2).all(2)
    assert ((y == x).flatten(2).all(2) ^ mirrored).all()
    assert mirrored.float().mean(1).numpy() == pytest.approx([0.5, 0.5], abs=0.05)
    assert not torch.equal(mirrored[0], mirrored[1])


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_crop_uses_every_offset_equally(streams, padding):
    x = images(batch=20000, height=16)
    y = crop(x, streams, padding)
    mode = {"zeros": "constant", "reflect": "reflect"}[padding]
    padded = nn.functional.pad(x[:, 0], (2, 2, 2, 2), mode=mode)
    offsets = [(top, left) for top in range(5) for left in range(5)]
    windows = torch.stack([padded[..., top : top + 16, left : left + 16] for top, left in offsets], 1)
    counts = torch.zeros(2, 25)
    for number in range(25):
        counts[:, number] = (y == windows[:, number, None]).flatten(2).all(2).sum(1)
    assert (counts.sum(1) == 20000).all()
    assert ((counts - 800).abs() < 5 * 800**0.5).all()


def test_cutout_zeroes_one_square_wholly_inside(streams):
    y = cutout(images(), streams)
    hidden = (y == 0)[:, :, 0]
    assert ((y == 0).all(2) == hidden).all()
    assert (hidden.flatten(2).sum(2) == 16).all()
    assert (hidden.any(3).sum(2) == 4).all() and (hidden.any(2).sum(2) == 4).all()
    tops = hidden.any(3).float().argmax(2)
    assert sorted(tops.unique().tolist()) == [0, 1, 2, 3, 4]


def test_mixup_is_a_convex_combination_with_the_partner():
    x, order = torch.randn(2, 4, 3), torch.tensor([[1, 0, 3, 2], [0, 1, 2, 3]])
    mixed = mixup(x, order, torch.tensor([0.25, 0.7]))
    assert torch.allclose(mixed.x[0, 0], 0.25 * x[0, 0] + 0.75 * x[0, 1])
    assert torch.allclose(mixed.x[1], x[1])


def test_cutmix_pastes_one_clipped_box_and_weighs_by_area():
    x = torch.stack([torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)]).transpose(0, 1)
    order = torch.tensor([[1, 0], [1, 0]])
    mixed = cutmix(x, order, torch.tensor([0.75, 0.75]), torch.tensor([[0.5, 0.5], [0.0, 0.99]]))
    assert mixed.x[0, 0].sum() == 16 and mixed.x[0, 0, 0, 2:6, 2:6].sum() == 16
    assert mixed.weight[0] == pytest.approx(0.75)
    assert mixed.x[1, 0, 0, :2, 5:].sum() == mixed.x[1, 0].sum() == 6
    assert mixed.weight[1] == pytest.approx(1 - 6 / 64)


@pytest.mark.parametrize(("name", "alpha"), [("mixup", 0.2), ("mixup", 1.0), ("cutmix", 1.0)])
def test_mixing_weights_follow_the_beta_distribution(name, alpha):
    from scipy.stats import beta, kstest

    recipe = Recipe(augment=[name], mixup_alpha=alpha, cutmix_alpha=alpha)
    many = Streams(0, range(2000))
    weight = mix(torch.zeros(2000, 4, 1, 64, 64), recipe, many).weight
    if name == "mixup":
        assert kstest(weight.numpy(), beta(alpha, alpha).cdf).pvalue > 1e-3
    else:  # clipping the box can only raise the weight
        assert 0.5 < weight.mean() < 0.75


def test_mixup_and_cutmix_share_batches_by_a_fair_coin():
    many = Streams(1, range(1000))
    x = torch.rand(1000, 2, 1, 8, 8)
    mixed = mix(x, Recipe(augment=["mixup", "cutmix"]), many)
    pasted = ((mixed.x == x) | (mixed.x == x[torch.arange(1000)[:, None], mixed.partner])).flatten(1).all(1)
    weighted = ((mixed.weight > 0.001) & (mixed.weight < 0.999)) & (mixed.partner[:, 0] == 1)
    assert pasted[weighted].float().mean() == pytest.approx(0.5, abs=0.15)


def test_recipe_order_is_the_order_of_application():
    x = images(batch=64)
    one = augment(x, Recipe(augment=["cutout", "crop"]), Streams(3, range(2)))
    draws = Streams(3, range(2))
    other = crop(cutout(x, draws), draws, "zeros")
    assert torch.equal(one, other)


def test_a_model_draws_the_same_in_any_company():
    together = Streams(7, range(4))
    alone = Streams(7, [2])
    for _ in range(3):
        assert torch.equal(together.uniform((5, 2))[2], alone.uniform((5, 2))[0])
        assert together.scalars()[2] == alone.scalars()[0]
        assert torch.equal(together.orders([3, 4, 5, 6])[2], alone.orders([5])[0])
