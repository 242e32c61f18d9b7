"""Classes and records that are known by name, in arrays of any form; and the axis of the channels."""

import sys
from collections import UserList
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from raw_files import TABLE, X, Y, own, prepared

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import Arrays, read_part
from lira.datasets._names import in_order
from lira.datasets.file import measure
from lira.storage.records import read_names

WORDS = np.array(["cat", "dog", "élan", "ant"])[Y]
CALLED = {"id": [f"r{row}" for row in range(40)], "groups": Y % 2}
ENDS = {"id_test": ["t0", "t1", "t2", "t3"], "groups_test": [0, 1, 0, 1]}


def names_in(tmp_path, part="pool"):
    with h5py.File(tmp_path / "data.h5") as file:
        return {name: values.tolist() for name, values in read_names(file[part]).items()}


def text_in_hdf5(tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["x"], file["y"] = TABLE, WORDS.astype(object)
        file["x_test"], file["y_test"] = TABLE[:4], np.char.encode(WORDS[:4], "utf-8")
    return Dataset(source="file", path=str(tmp_path / "own.h5"), kind="tabular")


@pytest.mark.parametrize("form", ["npz", "h5", "function"])
def test_text_numbers_the_classes(tmp_path, monkeypatch, form):
    given = {"x": TABLE, "y": WORDS, "x_test": TABLE[:4], "y_test": WORDS[:4]}
    loaded = given | {"x": pd.DataFrame(TABLE), "y": pd.Series(WORDS)}
    monkeypatch.setitem(sys.modules, "own_names", SimpleNamespace(load=lambda: loaded))
    settings = {
        "npz": lambda: own(tmp_path, **given),
        "h5": lambda: text_in_hdf5(tmp_path),
        "function": lambda: Dataset(source="own_names:load", kind="tabular"),
    }[form]()
    pool = prepared(settings, tmp_path)
    names = names_in(tmp_path)["class_names"]
    assert names == ["ant", "cat", "dog", "élan"] and [names[label] for label in pool.y] == WORDS.tolist()
    assert read_part(tmp_path / "data.h5", "test").y.tolist() == pool.y[:4].tolist()
    if form != "function":
        assert measure((tmp_path / f"own.{form}"), "tabular") == (40, 4, (7,), 4)


def test_names_have_one_order():
    assert in_order({"10", "9", "1", "01"}) == ["01", "1", "9", "10"] and in_order({"b", "10", "9"}) == ["10", "9", "b"]


def test_numbers_are_names_where_the_study_says_so(tmp_path, monkeypatch):
    settings = own(tmp_path, x=TABLE, y=Y * 10 + 5).model_copy(update={"named_labels": True})
    assert prepared(settings, tmp_path).y.tolist() == Y.tolist()
    assert names_in(tmp_path)["class_names"] == ["5", "15", "25", "35"]
    assert measure(tmp_path / "own.npz", "tabular", named=True)[3] == 4
    arrays = Arrays(TABLE, Y + 1, "mine")
    monkeypatch.setitem(sys.modules, "own_names", SimpleNamespace(load=lambda: arrays))
    made = Dataset(source="own_names:load", kind="tabular", named_labels=True)
    assert prepared(made, tmp_path).y.tolist() == Y.tolist()


def test_records_of_arrays_have_names_and_groups(tmp_path):
    tested = {"x_test": TABLE[:4], "y_test": Y[:4]}
    prepared(own(tmp_path, x=TABLE, y=Y, **tested, **CALLED, **ENDS), tmp_path)
    assert names_in(tmp_path) == {"id": CALLED["id"], "group": [str(group) for group in Y % 2]}
    assert names_in(tmp_path, "test") == {"id": ENDS["id_test"], "group": ["0", "1", "0", "1"]}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": WORDS, "x_test": TABLE, "y_test": Y}, "own.npz: y_test has no text, as other labels are: give all as"),
        ({"y": np.where(Y == 3, "", WORDS)}, r"own.npz: y\[3\] is '': text is needed, as the others are"),
        ({"y": WORDS[:-1]}, r"own.npz: y is \[39\]: one label for each of the 40 samples"),
        (
            {"y": np.array([b"c", "é".encode("latin1")])[Y % 2]},
            r"own.npz: y\[1\] is b'\\xe9': text .*, or bytes in UTF-8",
        ),
        (
            {"y": Y.astype(np.uint64) + 2**63},
            r"own.npz: y\[0\] is 9223372036854775808: labels are less than 2\^63, or text",
        ),
        ({"y": Y * 1e30}, r"own.npz: y\[1\] is 1e\+30: labels are less than 2\^63"),
        ({"y": Y, "id": ["a"]}, r"own.npz: id is \[1\]: 40 names are needed"),
        ({"y": Y, "id": CALLED["id"], "x_test": TABLE, "y_test": Y}, "own.npz: has no 'id_test'"),
        ({"y": np.where(np.arange(40) == 1, "lone", WORDS)}, "class 'lone' has one training sample"),
        (
            {"y": WORDS, "x_test": TABLE[:2], "y_test": ["cat", "new"]},
            "the pool has no sample of class 'new' of 'ant' to",
        ),
    ],
)
def test_what_is_wrong_with_names_is_said(tmp_path, arrays, said):
    with pytest.raises(DataError, match=said):
        prepared(own(tmp_path, x=TABLE, **arrays), tmp_path)


HOLED = [*WORDS[:-1].tolist(), float("nan")]
MASKED = np.ma.array(WORDS, mask=np.arange(40) == 39)


@pytest.mark.parametrize("name", ["y", "id", "groups"])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (HOLED, r"\[39\] is nan: text is needed, as the others are"),
        (tuple(HOLED), r"\[39\] is nan: text is needed, as the others are"),
        (UserList(HOLED), r"\[39\] is nan: text is needed, as the others are"),
        ([*WORDS[:-1], 3], r"\[39\] is 3: text is needed, as the others are"),
        (pd.Series(HOLED, dtype="string"), r"\[39\] is <NA>: text is needed"),
        (pd.Categorical(HOLED), r"\[39\] is nan: text is needed"),
        (MASKED, " has masked values: fill them"),
        (np.where(Y == 3, np.nan, 1.0), r"\[3\] is nan: (labels are whole|text, a number or a date)"),
        (pd.Series(Y, dtype="Int64").mask(Y == 3), r"(\[3\] is (nan|<NA>)|an array of object)"),
    ],
)
def test_a_missing_name_is_no_name(tmp_path, monkeypatch, name, values, said):
    given = {"x": TABLE, "y": Y, name: values}
    monkeypatch.setitem(sys.modules, "own_names", SimpleNamespace(load=lambda: given))
    with pytest.raises(DataError, match=f"^own_names:load: {name}.*{said}"):
        prepared(Dataset(source="own_names:load", kind="tabular"), tmp_path)


def test_lists_have_names_as_arrays_have(tmp_path, monkeypatch):
    given = {"x": TABLE, "y": WORDS.tolist(), "id": list(range(40)), "groups": [*map(np.array, WORDS)]}
    monkeypatch.setitem(sys.modules, "own_names", SimpleNamespace(load=lambda: given))
    prepared(Dataset(source="own_names:load", kind="tabular"), tmp_path)
    found = names_in(tmp_path)
    assert found["id"] == [str(row) for row in range(40)] and found["group"] == WORDS.tolist()
    days = pd.date_range("2020-01-31", periods=40)
    monkeypatch.setitem(given, "groups", pd.Categorical(WORDS))
    for ids in (days, [day.date() for day in days], days.to_numpy().astype("datetime64[D]")):
        monkeypatch.setitem(given, "id", ids)
        prepared(Dataset(source="own_names:load", kind="tabular"), tmp_path)
        found = names_in(tmp_path)
        assert found["group"] == WORDS.tolist()
        assert [name.removesuffix(" 00:00:00") for name in found["id"]] == days.strftime("%Y-%m-%d").tolist()


def test_a_frame_with_a_column_of_text_is_refused_by_name(tmp_path, monkeypatch):
    frame = pd.DataFrame(TABLE).assign(sex="m")
    monkeypatch.setitem(sys.modules, "own_names", SimpleNamespace(load=lambda: {"x": frame, "y": Y}))
    with pytest.raises(DataError, match="own_names:load: x: column 'sex' is str: features are numbers"):
        prepared(Dataset(source="own_names:load", kind="tabular"), tmp_path)


def test_a_pool_with_one_sample_of_a_class_is_refused(tmp_path):
    two = np.where(np.arange(40) < 2, 2, Y % 2)
    with pytest.raises(DataError, match="own.npz: the pool has one sample of class 2, and .*: set less aside"):
        prepared(own(tmp_path, x=TABLE, y=two).model_copy(update={"test": 20}), tmp_path)


SQUARE = np.arange(40 * 3 * 8 * 3, dtype=np.uint8).reshape(40, 3, 8, 3)


@pytest.mark.parametrize("shape", [(3, 8, 3), (3, 3, 3), (1, 8, 1), (3, 8, 1), (1, 1, 3)])
def test_channels_that_may_be_first_or_last_are_asked_for(tmp_path, shape):
    x = np.arange(40 * np.prod(shape), dtype=np.uint8).reshape(40, *shape)
    settings = own(tmp_path, "image", x=x, y=Y)
    with pytest.raises(
        DataError, match=r"x is \[40, .*\]: its .* may be first or last, set channels: first or channels: "
    ):
        prepared(settings, tmp_path)
    first, last = (prepared(settings.model_copy(update={"channels": axis}), tmp_path).x for axis in ("first", "last"))
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(last, np.moveaxis(x, 3, 1))
    assert measure(tmp_path / "own.npz", "image", "last")[2] == last.shape[1:]


def test_channels_that_are_not_where_the_study_says(tmp_path):
    for axis, x in (("last", X), ("first", np.moveaxis(X, 1, 3))):
        settings = own(tmp_path, "image", x=x, y=Y).model_copy(update={"channels": axis})
        with pytest.raises(DataError, match=f"images are .*, C 1 or 3, and channels is '{axis}'"):
            prepared(settings, tmp_path)
    one = own(tmp_path, "image", x=np.ones((40, 1, 1, 1), np.uint8), y=Y)
    assert prepared(one, tmp_path).x.shape == (40, 1, 1, 1)


@pytest.mark.parametrize(
    ("pictures", "settings", "said"),
    [
        (np.moveaxis(X, 1, 3), {}, None),
        (SQUARE, {"channels": "last"}, None),
        (SQUARE, {}, r"x\[0\] is \[1, 3, 8, 3\]: its channels may be first or last"),
        ([*X[:-1], X[0, :1]], {}, r"x\[39\] has 1 channels, own_names:load: x\[0\] has 3"),
        ([*X[:-1], X[0] / 255], {}, r"x\[39\] is float64: images are uint8"),
    ],
)
def test_pictures_that_are_read_one_by_one_are_checked_as_they_are(tmp_path, monkeypatch, pictures, settings, said):
    given = Arrays(UserList(pictures), Y, "mine", 255, size=6)
    monkeypatch.setitem(sys.modules, "own_names", SimpleNamespace(load=lambda: given))
    made = Dataset(source="own_names:load", kind="image", **settings)
    if said:
        with pytest.raises(DataError, match=said):
            prepared(made, tmp_path)
    else:
        assert prepared(made, tmp_path).x.shape == (40, 3, 6, 6)
