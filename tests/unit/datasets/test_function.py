"""Arrays of the user's own function, and what is said of those that cannot be used."""

import sys
from collections import UserList
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from raw_files import TABLE, X, Y, prepared
from scipy.sparse import csr_matrix

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


MODES = [Image.new("RGB", (6, 6))] * 39


def palette(first):
    pictures = [Image.fromarray(image[0]) for image in X]
    return pictures[:first] + [picture.convert("P") for picture in pictures[first:]]


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("tabular", {"train": np.arange(30), "test": np.arange(20, 40)}, "sample 20 is in both train and test"),
        ("tabular", {"test": [-1, 3]}, "test has values other than indices of samples, from 0 to 39"),
        ("tabular", {"train": [3, 40]}, "train has values other than indices"),
        ("tabular", {"train": [0.5]}, "train has values other than indices"),
        ("tabular", {"test": [3, 3]}, "test has a sample more than once"),
        ("tabular", {"scale": 0}, "scale is 0: one number above 0"),
        ("tabular", {"scale": None}, "scale is None: an array of numbers is needed"),
        ("tabular", {"mean": [0] * 7}, "mean and std are needed together"),
        ("tabular", {"mean": [0] * 6, "std": [1] * 7}, r"mean is \[0.*: 7 finite numbers are needed, as x has 7"),
        ("tabular", {"mean": [0] * 7, "std": [1] * 6 + [0]}, "std is 0 somewhere: numbers above 0"),
        ("tabular", {"mean": [0] * 7, "std": [np.nan] * 7}, "std is .*: 7 finite numbers"),
        ("tabular", {"y": np.stack([Y, Y], 1)}, r"y is \[40, 2\]: one label for each"),
        ("tabular", {"y": Y + 0.5}, r"y\[0\] is 0.5: labels are whole numbers"),
        ("tabular", {"y": Y.astype(str)}, "y is an array of <U"),
        ("tabular", {"x": None}, "x is None: an array of numbers is needed"),
        ("tabular", {"x": [[1.0], [1.0, 2.0]]}, "x is not an array of numbers"),
        ("tabular", {"classes": "4"}, "classes is an array of <U1"),
        ("tabular", {"classes": 4.5}, "classes is 4.5: allowed are whole numbers"),
        ("tabular", {"origin": None}, "origin is None: text is needed"),
        ("image", {"x": X, "size": -3}, "size is -3: one number above 0"),
        ("image", {"x": X / 255}, "x is float64: images are uint8"),
        ("image", {"x": [*PICTURES[1:], X[0] / 255]}, r"x\[39\] is float64: images are uint8"),
        (
            "image",
            {"x": [*PICTURES[1:], X[0, :1]]},
            r"x\[39\] has 1 channels, own_arrays:load: x\[0\] has 3: .* convert\('RGB'\)",
        ),
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
    [
        (PICTURES, None),
        ([X[0] / 255, *PICTURES[1:]], r"own_arrays:load: x\[0\] is float64"),
        (palette(0), r"own_arrays:load: x\[0\] holds places in a palette"),
        ([], "no samples"),
    ],
)
def test_pictures_of_an_own_function_may_be_read_one_by_one(tmp_path, monkeypatch, pictures, said):
    given = Arrays(Album(pictures), Y[: len(pictures)], "mine", 255, size=6)
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: given))
    with pytest.raises(DataError, match=said) if said else nullcontext():
        assert prepared(Dataset(source="own_arrays:load", kind="image"), tmp_path).x.shape == (40, 3, 6, 6)


def returns(monkeypatch, **given):
    """Settings of a function that returns a dictionary."""
    monkeypatch.setitem(sys.modules, "own_arrays", SimpleNamespace(load=lambda: given))
    return Dataset(source="own_arrays:load", kind="image" if given.get("scale") == 255 else "tabular")


def test_a_frame_of_booleans_and_nullable_numbers(tmp_path, monkeypatch):
    nullable = {"b": pd.array(Y, "Int64"), "c": pd.array(Y / 2, "Float64"), "d": pd.array(Y > 1, "boolean")}
    frame = pd.DataFrame({"a": TABLE[:, 0], "e": Y > 0, **nullable})
    expected = np.column_stack([TABLE[:, 0], Y > 0, Y, Y / 2, Y > 1])
    np.testing.assert_array_equal(prepared(returns(monkeypatch, x=frame, y=Y), tmp_path).x, expected.astype(np.float32))
    for name, values in nullable.items():
        holed = frame.assign(**{name: pd.Series(values).mask(np.arange(40) == 3)})
        with pytest.raises(DataError, match=f"own_arrays:load: x: column '{name}' has no value in row 3: fill it in"):
            prepared(returns(monkeypatch, x=holed, y=Y), tmp_path)


@pytest.mark.parametrize(
    "kept",
    [{"x": np.arange(60, dtype=np.int64), "add": 2**60}, {"x": np.arange(60, dtype=np.uint64), "add": 2**63}],
)
def test_whole_numbers_that_float64_would_take_for_one_are_kept_apart(tmp_path, monkeypatch, kept):
    x = (kept["x"] + kept["x"].dtype.type(kept["add"])).reshape(-1, 1)
    found = prepared(returns(monkeypatch, x=x, y=np.arange(60) % 4), tmp_path).x[:, 0]
    assert np.diff(found).tolist() == [1] * 59


def mixed(grey):
    return [Image.fromarray(np.moveaxis(X[row], 0, 2)).convert("L" if row == grey else "RGB") for row in range(40)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"x": pd.DataFrame(TABLE).astype(object)},
            r"x: column 0 is object: features are numbers: astype\(float\) makes",
        ),
        (
            {"x": csr_matrix(TABLE)},
            r"x is of type csr_matrix: an array of numbers is needed, as its toarray\(\) returns",
        ),
        ({"x": (row for row in TABLE)}, r"x is of type generator: .* as numpy.array\(list\(...\)\) makes it"),
        ({"y": None}, "y is None: an array of numbers is needed$"),
        ({"x": mixed(3), "scale": 255}, r"x\[3\] is \[6, 5\], .*x\[0\] \[6, 5, 3\]: images must .* convert\('RGB'\)"),
        ({"x": mixed(0), "scale": 255}, r"x\[1\] is \[6, 5, 3\], .*x\[0\] \[6, 5\]: images must have one size"),
        ({"x": palette(39), "scale": 255}, r"x\[39\] holds places in a palette, .*: give image.convert\('L'\) or"),
        ({"x": tuple(palette(0)), "scale": 255}, r"x\[0\] holds places in a palette"),
        ({"x": [*X[:-1], X[0] > 9], "scale": 255}, r"x\[39\] is bool: images are uint8"),
        ({"x": [*palette(40)[:-1], palette(40)[0].convert("1")], "scale": 255}, r"x\[39\] is bool: images are uint8"),
        ({"x": [*X[:-1], np.ma.array(X[0], mask=X[0] > 9)], "scale": 255}, r"x\[39\] has masked values: fill them"),
        ({"x": [*TABLE[:-1], np.ma.masked_greater(TABLE[-1], -9)]}, r"x\[39\] has masked values: fill them"),
        ({"x": Album(palette(0)), "scale": 255}, r"x\[0\] holds places in a palette"),
        (
            {"x": [*MODES, MODES[0].convert("HSV")], "scale": 255},
            r"x\[39\] is of Pillow's mode HSV, own_arrays:load: x\[0\] of RGB: convert all to one",
        ),
        ({"classes": 10}, "no sample of class 4 of 0 to 9; classes is 10: leave it out, or give the number"),
        ({"classes": 2}, "label of sample 2 is 2: allowed are 0 to 1; classes is 2: leave it out"),
        (
            {"x_test": TABLE, "y_test": Y + 1},
            "no sample of class 4 of 0 to 4; y_test alone has it: leave its samples out",
        ),
        ({"x": TABLE[:0], "y": Y[:0]}, "own_arrays:load: there are no samples"),
    ],
)
def test_what_is_wrong_with_a_dictionary_is_named(tmp_path, monkeypatch, given, said):
    with pytest.raises(DataError, match=said) as error:
        prepared(returns(monkeypatch, **{"x": TABLE, "y": Y} | given), tmp_path)
    assert "named_labels" not in str(error.value)


def test_an_empty_dataset_has_no_samples_to_set_aside(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="there are no samples"):
        prepared(returns(monkeypatch, x=TABLE[:0], y=Y[:0]).model_copy(update={"test": 3}), tmp_path)
