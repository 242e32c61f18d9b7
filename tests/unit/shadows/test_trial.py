"""What is tried before models are trained."""

import re

import pytest
import torch
from own_networks import Own

from lira.core.errors import ConfigError, StoreError
from lira.shadows.training.progress import Checkpoint

LINEAR = """
def build(shape, classes, dropout):
    return nn.Linear(12, classes)
"""


NARROW = """
def load():
    y = np.arange(120) % 2
    return {"x": np.tile(y.astype("u1")[:, None, None, None], (1, 1, 16, 2)), "y": y}


def build(shape, classes, dropout):
    return nn.Sequential(nn.Flatten(), nn.Linear(32, classes))
"""


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"augment": ["crop"], "crop_padding": "reflect"}, "crop_padding is 'reflect': .*: set 'zeros'"),
        ({"query_views": 18, "query_stride": 2}, "query_views is 18: .* these are 16 by 2: set 1 or 2"),
    ],
    ids=["crop", "views"],
)
def test_images_that_are_too_small_are_said_before_training(tmp_path, monkeypatch, recipe, said):
    monkeypatch.setattr(Own, "KIND", "image")
    own = Own(tmp_path, monkeypatch, NARROW, **recipe)
    own.said(pytest.raises(ConfigError, match=f"^runs.d/a/r: {said}$"))


@pytest.mark.parametrize("lost", ["a value", "a buffer", "everything"])
def test_a_checkpoint_that_gives_back_something_else_is_found_before_training(tmp_path, monkeypatch, lost):
    own, load = Own(tmp_path, monkeypatch, LINEAR), Checkpoint.load

    def differs(self, *given):
        progress = load(self, *given)
        if lost == "everything":
            return None
        if lost == "a value":
            next(iter(progress.state.parameters.values()))[0, 0, 0] += 1e-6
        else:
            progress.best.popitem()
        return progress

    monkeypatch.setattr(Checkpoint, "load", differs)
    refused = pytest.raises(StoreError, match=re.escape(".trial.pt: a checkpoint that was stored there does not give"))
    own.said(refused)


def test_a_trial_leaves_nothing_and_random_numbers_as_they_were(tmp_path, monkeypatch):
    own = Own(tmp_path, monkeypatch, LINEAR)
    torch.manual_seed(5)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    own.train()
    assert torch.equal(torch.rand(3), expected)
    assert not list((tmp_path / "0-3").glob("*trial*"))
