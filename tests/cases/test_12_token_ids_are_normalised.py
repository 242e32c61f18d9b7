"""dreamquark-ai/tabnet#245 and #357, KhawajaAbaid/teras#38: normalisation is the user's to choose."""

import numpy as np
import pytest
from raw_files import TABLE, X, Y, own, prepared

from lira.config import Dataset, check_section
from lira.core.errors import ConfigError, DataError

TOKENS = """
import numpy as np
IDS = {"x": np.random.default_rng(0).integers(0, 50, (40, 12)), "y": np.arange(40) % 4}
def load(): return IDS
def with_moments(): return IDS | {"mean": np.zeros(12), "std": np.ones(12)}
"""


@pytest.fixture
def tokens(tmp_path, monkeypatch):
    (tmp_path / "tokens.py").write_text(TOKENS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "tokens", raising=False)
    return lambda name, **settings: prepared(Dataset(source=f"tokens:{name}", kind="tabular", **settings), tmp_path)


def normalised(part):
    shape = (-1, *[1] * (part.x.ndim - 2))
    return (part.x / part.scale - part.mean.reshape(shape)) / part.std.reshape(shape)


@pytest.mark.parametrize(("name", "settings"), [("load", {"normalise": False}), ("with_moments", {})])
def test_ids_reach_the_network_as_they_are(tokens, name, settings):
    part = tokens(name, **settings)
    np.testing.assert_array_equal(normalised(part), np.random.default_rng(0).integers(0, 50, (40, 12)))


def test_ids_that_float32_does_not_hold_are_refused(tmp_path):
    ids = 2**40 + np.arange(280).reshape(40, 7)
    settings = own(tmp_path, x=ids, y=Y).model_copy(update={"normalise": False})
    with pytest.raises(DataError, match="most values of feature 0, 1, 2, 3, 4, 5, 6 are the same .* number its values"):
        prepared(settings, tmp_path)


def test_images_follow_the_constants_that_the_study_or_the_file_gives(tmp_path):
    mean, std = [0.49, 0.48, 0.44], [0.24, 0.24, 0.26]
    given = own(tmp_path, "image", x=X, y=Y)
    by_study = prepared(given.model_copy(update={"mean": mean, "std": std}), tmp_path)
    by_file = prepared(own(tmp_path, "image", x=X, y=Y, mean=mean, std=std), tmp_path)
    assert (
        by_study.mean.tolist() == by_file.mean.tolist() == mean and by_study.std.tolist() == by_file.std.tolist() == std
    )
    raw = prepared(given.model_copy(update={"normalise": False}), tmp_path)
    np.testing.assert_array_equal(normalised(raw), X / 255)


def test_the_study_goes_before_the_file(tmp_path):
    settings = own(tmp_path, x=TABLE, y=Y, mean=np.ones(7), std=np.ones(7))
    part = prepared(settings.model_copy(update={"mean": [2.0] * 7, "std": [3.0] * 7}), tmp_path)
    assert part.mean.tolist() == [2] * 7 and part.std.tolist() == [3] * 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": [0.5]}, "datasets.d.mean and std are needed together: give both or neither"),
        ({"std": [0.5]}, "mean and std are needed together"),
        ({"mean": [0.5], "std": [0]}, "datasets.d.std.0 is 0: input should be greater than 0"),
        ({"mean": [0.5], "std": [1], "normalise": False}, "normalise is False: allowed with mean and std is True"),
        ({"normalise": "ids"}, "datasets.d.normalise is 'ids'"),
    ],
)
def test_what_does_not_fit_together_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        check_section("datasets.d", Dataset, given)


def test_another_number_of_channels_is_refused(tmp_path):
    settings = own(tmp_path, "image", x=X, y=Y).model_copy(update={"mean": [0.5], "std": [0.5]})
    with pytest.raises(DataError, match=r"own.npz, as the study sets it: mean is \[0.5\]: 3 finite numbers are needed"):
        prepared(settings, tmp_path)
