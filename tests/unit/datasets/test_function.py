"""Arrays of the user's own function, and what is said of those that cannot be used."""

import sys
from collections import UserList
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from raw_files import TABLE, X, Y, prepared

from lira.config import Dataset
from lira.core.errors import ConfigError, DataError
from lira.datasets import Arrays

FUNCTIONS = """
import numpy as np
def plain(): return {"x": np.arange(12.0).reshape(6, 2), "y": [0, 1, 2] * 2}
def asks(settings): return {"x": np.ones((settings.samples, 2)), "y": np.arange(settings.samples) % 2, "scale": 2}
def wrong(): return [1, 2]
def loaded():
    from lira.datasets import Arrays
    return Arrays(np.ones((4, 1)), np.arange(4) % 2, "mine", mean=[0], std=[2])
"""


def test_own_functions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_loaders.py").write_text(FUNCTIONS)
    try:
        found = prepared(Dataset(source="own_loaders:plain", kind="tabular"), tmp_path)
        assert found.x.tolist()[5] == [10, 11] and found.classes == 3
        asked = prepared(Dataset(source="own_loaders:asks", kind="tabular", samples=8), tmp_path)
        assert len(asked.x) == 8 and asked.scale == 2 and asked.mean.tolist() == [0.5, 0.5]
        assert prepared(Dataset(source="own_loaders:loaded", kind="tabular"), tmp_path).std.tolist() == [2]
        with pytest.raises(DataError, match="own_loaders:wrong returned list: a dictionary with x and y is needed"):
            prepared(Dataset(source="own_loaders:wrong", kind="tabular"), tmp_path)
        with pytest.raises(ConfigError, match="os:stat failed: "):
            prepared(Dataset(source="os:stat", kind="tabular"), tmp_path)
        with pytest.raises(DataError, match="builtins:dict: has no 'x', it has: nothing"):
            prepared(Dataset(source="builtins:dict", kind="tabular"), tmp_path)
        with pytest.raises(ConfigError, match="own_loaders:none"):
            prepared(Dataset(source="own_loaders:none", kind="tabular"), tmp_path)
        with pytest.raises(ConfigError, match="no_such_module:f cannot be imported"):
            prepared(Dataset(source="no_such_module:f", kind="tabular"), tmp_path)
    finally:
        sys.modules.pop("own_loaders", None)


PICTURES = [image[:, : 5 + index % 2] for index, image in enumerate(X)]


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("tabular", {"train": np.arange(30), "test": np.arange(20, 40)}, "sample 20 is in both train and test"),
        ("tabular", {"test": [-1, 3]}, "test has values other than indices of samples, from 0 to 39"),
        ("tabular", {"train": [3, 40]}, "train has values other than indices"),
        ("tabular", {"train": [0.5]}, "train has values other than indices"),
        ("tabular", {"test": [3, 3]}, "test has a sample more than once"),
        ("tabular", {"scale": 0}, "scale is 0: one number above 0"),
        ("tabular", {"scale": None}, "scale is an array of object"),
        ("tabular", {"mean": [0] * 7}, "mean and std are needed together"),
        ("tabular", {"mean": [0] * 6, "std": [1] * 7}, r"mean is \[0.*: 7 finite numbers are needed, as x has 7"),
        ("tabular", {"mean": [0] * 7, "std": [1] * 6 + [0]}, "std is 0 somewhere: numbers above 0"),
        ("tabular", {"mean": [0] * 7, "std": [np.nan] * 7}, "std is .*: 7 finite numbers"),
        ("tabular", {"y": np.stack([Y, Y], 1)}, r"y is \[40, 2\]: one label for each"),
        ("tabular", {"y": Y + 0.5}, r"y\[0\] is 0.5: labels are whole numbers"),
        ("tabular", {"y": Y.astype(str)}, "y is an array of <U"),
        ("tabular", {"x": None}, "x is an array of object: numbers are needed"),
        ("tabular", {"x": [[1.0], [1.0, 2.0]]}, "x is not an array of numbers"),
        ("tabular", {"classes": "4"}, "classes is an array of <U1"),
        ("tabular", {"classes": 4.5}, "classes is 4.5: allowed are whole numbers"),
        ("tabular", {"origin": None}, "origin is None: text is needed"),
        ("image", {"x": X, "size": -3}, "size is -3: one number above 0"),
        ("image", {"x": X / 255}, "x is float64: images are uint8"),
        ("image", {"x": [*PICTURES[1:], X[0] / 255]}, r"x\[39\] is float64: images are uint8"),
        ("image", {"x": [*PICTURES[1:], X[0, :1]]}, "x has images of different numbers of channels"),
        ("image", {"x": PICTURES}, "mine: its images are not in one array: set image_size"),
    ],
)
def test_what_is_wrong_with_the_arrays_of_an_own_function_is_named(tmp_path, monkeypatch, kind, changes, said):
    given = {"x": TABLE, "y": Y, "origin": "mine", **changes}
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: Arrays(**given)))
    with pytest.raises(DataError, match=said) as error:
        prepared(Dataset(source="own_arrays:load", kind=kind), tmp_path)
    assert str(error.value).startswith("mine:" if "mine:" in said else "own_arrays:load: ")
    assert "\n" not in str(error.value)


def test_arrays_of_an_own_function_may_be_lists(tmp_path, monkeypatch):
    given = Arrays(PICTURES, Y.tolist(), "mine", 255, test=[0, 1, 2, 3, 4], size=6)
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: given))
    found = prepared(Dataset(source="own_arrays:load", kind="image"), tmp_path)
    assert found.x.shape == (35, 3, 6, 6) and found.y.tolist() == Y[5:].tolist()


class Album(UserList):
    """Pictures that are read one by one."""


@pytest.mark.parametrize(
    ("pictures", "said"),
    [(PICTURES, None), ([X[0] / 255, *PICTURES[1:]], r"own_arrays:load: x\[0\] is float64"), ([], "no samples")],
)
def test_pictures_of_an_own_function_may_be_read_one_by_one(tmp_path, monkeypatch, pictures, said):
    given = Arrays(Album(pictures), Y[: len(pictures)], "mine", 255, size=6)
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: given))
    with pytest.raises(DataError, match=said) if said else nullcontext():
        assert prepared(Dataset(source="own_arrays:load", kind="image"), tmp_path).x.shape == (40, 3, 6, 6)
