"""Augmentations: per-image draws with the right distribution and nothing else changed."""

import pytest
import torch
from torch import nn

from lira.config import Recipe
from lira.core.errors import ConfigError
from lira.shadows.augment import (
    augment,
    check_crop,
    crop,
    cutmix,
    cutout,
    flip,
    jitter,
    mix,
    mixup,
    recolour,
    rotate,
    turn,
)
from lira.shadows.rng import Streams


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


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_images_that_are_too_narrow_for_their_crops_are_refused(streams, padding):
    recipe = Recipe(augment=["crop"], crop_padding=padding)
    for shape in ((1, 7, 1), (1, 8, 1), (1, 8, 2), (1, 16, 2), (1, 16, 3), (1, 1, 1)):
        try:
            augment(torch.zeros(2, 1, *shape), recipe, streams)
        except RuntimeError:
            with pytest.raises(ConfigError, match=r"^crop_padding is 'reflect': .* by \d: set 'zeros'$"):
                check_crop(shape, recipe)
        else:
            check_crop(shape, recipe)
    check_crop((12,), Recipe(augment=["mixup"], crop_padding=padding))


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


def test_cutmix_is_left_out_as_often_as_asked():
    many = Streams(2, range(1000))
    x = torch.rand(1000, 2, 1, 64, 64)  # large enough for the smallest box to hide a pixel
    mixed = mix(x, Recipe(augment=["cutmix"], cutmix_probability=0.3), many)
    assert (mixed.weight == 1).float().mean() == pytest.approx(0.7, abs=0.06)
    assert torch.equal(mixed.x[mixed.weight == 1], x[mixed.weight == 1])


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


def colours(images=64, size=12):
    return torch.rand(images, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("degrees", [-15.0, -3.0, 0.0, 7.5, 15.0])
def test_an_image_turns_as_in_torchvision(degrees):
    from torchvision.transforms.functional import rotate as reference

    x = colours(4, 16)
    found = turn(x[None], torch.full((1, 4), degrees).deg2rad())[0]
    agree = (found == reference(x, degrees)).all(1).float().mean()
    assert agree > 0.99  # a sampling point midway between two pixels may fall to either


def test_rotation_angles_are_uniform_and_as_often_as_asked(monkeypatch, streams):
    from scipy.stats import kstest

    from lira.shadows import augment as module

    angles = []
    monkeypatch.setattr(module, "turn", lambda x, angle: angles.append(angle) or x)
    rotate(torch.zeros(2, 4000, 1, 1, 1), streams, 15.0, 1.0)
    rotate(torch.zeros(2, 4000, 1, 1, 1), streams, 15.0, 0.5)
    always, half = (angle.rad2deg() for angle in angles)
    assert kstest(always[0].numpy(), "uniform", (-15, 30)).pvalue > 1e-3
    assert (half == 0).float().mean(1).numpy() == pytest.approx([0.5, 0.5], abs=0.04)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_colours_change_as_in_torchvision(name):
    from torchvision.transforms import functional as reference

    from lira.shadows import augment as module

    x = colours()
    x[0] = 0.5  # grey: no hue
    for factor in (-0.1, 0.05) if name == "hue" else (0.6, 1.0, 1.4):
        found = getattr(module, name)(x, torch.full((len(x), 1, 1, 1), factor))
        expected = getattr(reference, f"adjust_{name}")(x, factor)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_jitter_draws_factors_in_range_and_every_order(monkeypatch, streams):
    from scipy.stats import kstest

    from lira.shadows import augment as module

    drawn = []
    monkeypatch.setattr(module, "recolour", lambda x, factors, order: drawn.append((factors, order)) or x)
    jitter(torch.zeros(2, 5000, 3, 1, 1), streams, [0.4, 0.4, 0.4, 0.1])
    factors, order = drawn[0]
    for number, (low, width) in enumerate([(0.6, 0.8), (0.6, 0.8), (0.6, 0.8), (-0.1, 0.2)]):
        assert kstest(factors[:, number].numpy(), "uniform", (low, width)).pvalue > 1e-3
    counts = order.unique(dim=0, return_counts=True)[1]
    assert len(counts) == 24 and ((counts - 10_000 / 24).abs() < 5 * (10_000 / 24) ** 0.5).all()


def test_jitter_applies_the_changes_in_the_order_drawn():
    from torchvision.transforms import functional as reference

    x = colours(2)
    factors = torch.tensor([[0.7, 1.3, 0.6, 0.05], [1.2, 0.8, 1.4, -0.1]])
    order = torch.tensor([[3, 0, 2, 1], [1, 2, 3, 0]])
    found = recolour(x, factors, order)
    names = ("brightness", "contrast", "saturation", "hue")
    for image in range(2):
        expected = x[image]
        for number in order[image].tolist():
            expected = getattr(reference, f"adjust_{names[number]}")(expected, float(factors[image, number]))
        torch.testing.assert_close(found[image], expected, atol=5e-5, rtol=0)


def test_grey_images_have_no_colour_to_change(streams):
    x = torch.rand(2, 5, 1, 8, 8)
    y = jitter(x, streams, [0.0, 0.0, 0.4, 0.1])
    torch.testing.assert_close(y, x)


def test_crop_of_a_32_pixel_image_uses_81_offsets(streams):
    x = torch.arange(1.0, 1025).view(1, 1, 1, 32, 32).expand(2, 4000, 1, 32, 32)
    y = crop(x, streams, "zeros")
    assert len(y[:, :, 0, 16, 16].unique()) == 81
