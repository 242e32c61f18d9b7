"""The user's own tables, CSV and parquet: columns by name, what records are called, and what cannot be used."""

import logging
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from raw_files import prepared

from lira.config import Dataset, load_study, read_yaml
from lira.core.errors import ConfigError, DataError
from lira.datasets import read_part
from lira.datasets._tables import measure_table
from lira.datasets.file import measure
from lira.storage.records import read_names
from lira.work import check_sizes, size_of

N = 24
RNG = np.random.default_rng(0)
WARD = pd.DataFrame(
    {
        "patient": [f"p{row:02}" for row in range(N)],
        "age": RNG.integers(20, 60, N),
        "bmi": RNG.normal(25, 3, N),
        "smokes": np.arange(N) % 3 == 0,
        "sex": ["m", "f"] * (N // 2),
        "diagnosis": ["élan", "benign", "malign"] * (N // 3),
    }
)
PLAIN = WARD.drop(columns=["patient", "sex"])
BOTH = pytest.mark.parametrize("suffix", ["csv", "parquet"])


def written(tmp_path, frame, suffix="csv", **settings):
    """Settings of a table in a file."""
    path = tmp_path / f"ward.{suffix}"
    if isinstance(frame, pd.DataFrame):
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    else:
        path.write_bytes(frame if isinstance(frame, bytes) else frame.encode())
    given = {"source": "file", "path": str(path), "kind": "tabular", "label": "diagnosis"} | settings
    return Dataset(**{name: value for name, value in given.items() if value is not None})


def names_in(tmp_path, part="pool"):
    with h5py.File(tmp_path / "data.h5") as file:
        return {name: values.tolist() for name, values in read_names(file[part]).items()}


@BOTH
def test_a_table_with_names_of_classes_and_records(tmp_path, suffix):
    settings = written(tmp_path, WARD, suffix, id="patient", groups="sex", test=6)
    pool, test = prepared(settings, tmp_path), read_part(tmp_path / "data.h5", "test")
    with h5py.File(tmp_path / "data.h5") as file:
        source, other = file["pool/source"][:], file["test/source"][:]
    expected = WARD[["age", "bmi", "smokes"]].to_numpy(np.float64).astype(np.float32)
    np.testing.assert_array_equal(pool.x, expected[source])
    np.testing.assert_array_equal(test.x, expected[other])
    found = names_in(tmp_path)
    assert found["class_names"] == ["benign", "malign", "élan"] and pool.classes == 3
    assert [found["class_names"][label] for label in pool.y] == WARD["diagnosis"][source].tolist()
    assert found["id"] == WARD["patient"][source].tolist() and found["group"] == WARD["sex"][source].tolist()
    assert names_in(tmp_path, "test")["id"] == WARD["patient"][other].tolist()
    assert measure_table(settings) == (N, 0, (3,), 3)


@BOTH
def test_listed_features_in_their_order(tmp_path, suffix):
    settings = written(tmp_path, WARD, suffix, features=["smokes", "age"], groups="smokes")
    np.testing.assert_array_equal(prepared(settings, tmp_path).x, WARD[["smokes", "age"]].to_numpy(np.float32))
    assert names_in(tmp_path)["group"][:2] in (["True", "False"], ["true", "false"])
    assert measure_table(settings)[2] == (2,)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_and_a_byte_order_mark(tmp_path, delimiter):
    text = PLAIN.to_csv(index=False, sep=delimiter).encode("utf-8-sig")
    np.testing.assert_array_equal(prepared(written(tmp_path, text), tmp_path).x[:, 0], PLAIN["age"])


def test_a_character_at_the_end_of_the_first_bytes_is_whole(tmp_path):
    for blanks in range(2):
        text = PLAIN.to_csv(index=False).replace("diagnosis", "d" * blanks + "é" * 300)
        settings = written(tmp_path, text, label="d" * blanks + "é" * 300)
        assert prepared(settings, tmp_path).classes == 3


def test_a_name_with_a_dot_is_a_name(tmp_path):
    frame = PLAIN.rename(columns={"diagnosis": "d.x", "age": "a.1"})
    settings = written(tmp_path, frame, "parquet", label="d.x")
    assert prepared(settings, tmp_path).x.shape == (N, 3) and measure_table(settings) == (N, 0, (3,), 3)


@pytest.mark.parametrize(
    ("labels", "settings", "names", "codes"),
    [
        (np.arange(N) % 3 + 1, {"named_labels": True}, ["1", "2", "3"], np.arange(N) % 3),
        (np.arange(N) % 2 * 2 - 1, {"named_labels": True}, ["-1", "1"], np.arange(N) % 2),
        (np.arange(N) % 2 == 1, {}, ["False", "True"], np.arange(N) % 2),
        (np.arange(N) % 12, {}, None, np.arange(N) % 12),
        (np.arange(N) % 2 + 0.0, {}, None, np.arange(N) % 2),
    ],
)
@BOTH
def test_labels_that_are_no_text(tmp_path, suffix, labels, settings, names, codes):
    given = written(tmp_path, PLAIN.assign(diagnosis=labels), suffix, **settings)
    assert prepared(given, tmp_path).y.tolist() == codes.tolist()
    assert names_in(tmp_path).get("class_names") == names
    assert measure_table(given)[3] == len(set(codes))


def test_numbers_as_text_keep_their_order(tmp_path):
    given = written(tmp_path, PLAIN.assign(diagnosis=[str(row % 12) for row in range(N)]), "parquet")
    assert prepared(given, tmp_path).y.tolist() == [row % 12 for row in range(N)]
    assert names_in(tmp_path)["class_names"] == [str(label) for label in range(12)]


@pytest.mark.parametrize("name", ["{:05}", "9{:030}", "{}.10", "{}e5", "2020-01-01T00:00:{:02}Z", " {}"])
def test_records_keep_their_text(tmp_path, name):
    called = ["NA", *(name.format(row) for row in range(1, N))]
    prepared(written(tmp_path, PLAIN.assign(i=called, g="02123"), id="i", groups="g"), tmp_path)
    assert names_in(tmp_path)["id"] == called and {*names_in(tmp_path)["group"]} == {"02123"}


@pytest.mark.parametrize(
    "names",
    [["01", "02"], ["NA", "x"], ["NaN", "null"], [str(10**30), str(10**30 + 1)], ["false", "true"], ["2020-01", "b"]],
)
def test_labels_keep_their_text(tmp_path, names):
    given = written(tmp_path, PLAIN.assign(diagnosis=names * (N // 2)))
    prepared(given, tmp_path)
    assert names_in(tmp_path)["class_names"] == names and measure_table(given)[3] == 2


def test_labels_that_numbers_miss_are_missing(tmp_path):
    with pytest.raises(DataError, match="column 'diagnosis' has no value in row 2, line 4"):
        prepared(written(tmp_path, PLAIN.assign(diagnosis=["0", "1", "NA"] * (N // 3))), tmp_path)


def test_categories_and_decimals_of_parquet_are_what_they_are_called(tmp_path):
    from decimal import Decimal

    kinds = PLAIN.assign(diagnosis=pd.Categorical(PLAIN["diagnosis"]), cost=[Decimal("1.25") * row for row in range(N)])
    pool = prepared(written(tmp_path, kinds, "parquet"), tmp_path)
    assert pool.x[:, 3].tolist() == [1.25 * row for row in range(N)] and pool.classes == 3


def test_nanoseconds_beside_fractions_keep_their_digits(tmp_path):
    times = 1_700_000_000_000_000_001 + 7 * np.arange(N)[::-1]
    pool = prepared(written(tmp_path, PLAIN.assign(time=times), "parquet"), tmp_path)
    np.testing.assert_array_equal(np.diff(pool.x[:, 3]), -7)


def test_an_index_is_no_feature(tmp_path):
    indexed = PLAIN.set_index(WARD["patient"])
    assert prepared(written(tmp_path, indexed, "parquet"), tmp_path).x.shape == (N, 3)
    assert prepared(written(tmp_path, PLAIN[::-1], "parquet"), tmp_path).x.shape == (N, 3)
    prepared(written(tmp_path, indexed, "parquet", id="patient"), tmp_path)
    assert names_in(tmp_path)["id"] == WARD["patient"].tolist()
    prepared(written(tmp_path, PLAIN.to_csv(), id="Unnamed: 0"), tmp_path)
    assert names_in(tmp_path)["id"][:3] == ["0", "1", "2"]
    listed = written(tmp_path, PLAIN.assign(visit=range(N)), features=["visit", "age"])
    assert prepared(listed, tmp_path).x[:, 0].tolist() == list(range(N))


def test_a_constant_column_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "lira"):
        prepared(written(tmp_path, PLAIN.assign(ward=3)), tmp_path)
    assert "ward.csv: 'ward': one value in all rows, of which nothing can be learned" in caplog.text


def without(column, row, frame=WARD):
    return frame.astype({column: object}).mask((frame.index == row)[:, None] & (frame.columns == column))


NAMED = {"id": "patient", "groups": "sex"}


@pytest.mark.parametrize(
    ("frame", "settings", "said"),
    [
        (
            WARD,
            {},
            r"column 'patient' has text, 'p00' in row 0, line 2 of the file; so have 'sex': features are numbers",
        ),
        (
            WARD,
            {"id": "patient"},
            r"column 'sex' has text, 'm' in row 0.*: features are numbers, so write one in its pl",
        ),
        (PLAIN.astype({"age": object}).replace({"age": {PLAIN["age"][9]: "?"}}), {}, r"'age' has text, '\?' in row"),
        (PLAIN.assign(when="2020-01-31"), {}, "column 'when' has times, '2020-01-31' in row 0"),
        (PLAIN.to_csv(index=False, sep=";", decimal=","), {}, r"column 'bmi' has text, '\d+,\d+' in row 0"),
        (
            without("bmi", 7),
            NAMED,
            "column 'bmi' has no value in row 7, line 9 of the file: fill it in, or leave the row",
        ),
        (without("age", 5), NAMED, "column 'age' has no value in row 5"),
        (without("smokes", 4), NAMED, "column 'smokes' has no value in row 4"),
        (without("diagnosis", 3), NAMED, "column 'diagnosis' has no value in row 3"),
        (without("patient", 2), NAMED, "column 'patient' has no value in row 2"),
        (without("sex", 1), NAMED, "column 'sex' has no value in row 1"),
        (PLAIN.to_csv(), {}, "'Unnamed: 0', a column without a name, may be an index .*: set id: 'Unnamed: 0' if it"),
        (PLAIN.to_csv(index=False).replace("\n", ",\n"), {}, "'Unnamed: 4', a column without .* a delimiter ends each"),
        (PLAIN.assign(row=range(N)), {}, "column 'row' counts the rows, as an index does: set id: 'row' if it names"),
        (PLAIN.assign(row=range(1, N + 1)), {}, "column 'row' counts the rows"),
        (PLAIN.assign(age=np.where(np.arange(N) == 4, np.inf, 1.0)), {}, r"feature 0 \('age'\) of sample 4 is inf"),
        (
            PLAIN,
            {"label": "outcome"},
            "has no column 'outcome', which label names: it has 'age', 'bmi', 'smokes', 'dia",
        ),
        (PLAIN, {"features": ["agee"]}, "has no column 'agee', which features names: it has"),
        (PLAIN[["diagnosis"]], {}, "no column is left to learn from, it has 'diagnosis'"),
        ("a,a,diagnosis\n1,2,x\n3,4,y\n", {}, "two columns are called 'a': rename one"),
        ("a,b,diagnosis\n1,2,x\n3,4\n", {}, "line 3 has 2 values where the first line has 3: write as many in each"),
        ("a,b,diagnosis\n1,2,x\n3,4,y,5\n", {}, "line 3 has 4 values where the first line has 3"),
        ("a,diagnosis\n", {}, "there are no rows below the names of its columns"),
        (PLAIN.assign(diagnosis=np.arange(N) % 3 + 1), {}, "no sample of class 0 of 0 to 3; named_labels: true takes"),
        (PLAIN.assign(diagnosis=np.arange(N) % 2 * 2 - 1), {}, "label of sample 0 is -1: .*; named_labels: true takes"),
        (PLAIN.assign(diagnosis=np.arange(N) % 2 + 0.5), {}, r"column 'diagnosis'\[0\] is 0.5: labels are whole"),
        (PLAIN.assign(diagnosis=["a"] + ["b"] * (N - 1)), {}, "class 'a' has one training sample"),
        (PLAIN.assign(diagnosis="a"), {}, "all samples are of one class"),
        (PLAIN.replace({"diagnosis": {"élan": "benign "}}), {}, "y: 'benign' and 'benign ' differ by blanks"),
        (PLAIN, {"label": None}, "it is text, such as CSV: numpy.savez makes .*, or label names the column of labels"),
        ("", {}, "cannot be read as CSV or parquet, as label asks: it is empty"),
        (PLAIN.to_csv(index=False).encode("utf-16"), {}, "it is text that is not in UTF-8: save it in"),
        (
            (PLAIN.to_csv(index=False).replace("é", "e") + "1,2.0,True,é\n" * 3).encode("latin1"),
            {},
            "'diagnosis' has binary: numbers, or text, are needed: save text in UTF-8",
        ),
        (PLAIN.to_csv(index=False).encode("latin1"), {}, "it is text that is not in UTF-8: save it in UTF-8"),
        (PLAIN.assign(row=np.random.default_rng(1).permutation(N)), {}, "column 'row' counts the rows"),
        (PLAIN.assign(scan=np.random.default_rng(1).permutation(N) + 1), {}, "column 'scan' counts the rows"),
        (PLAIN[:9].assign(ID=np.random.default_rng(1).permutation(9)), {}, "column 'ID' counts the rows"),
        *(
            (
                PLAIN.astype({"age": object}).mask(PLAIN["age"] == PLAIN["age"][9], sign),
                {},
                rf"{re.escape(repr(sign))} in row \d+, .* \(if it stands for a missing value: fill it in",
            )
            for sign in ("?", "-")
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path, frame, settings, said):
    with pytest.raises(DataError, match=f"ward.csv.*{said}") as error:
        prepared(written(tmp_path, frame, **settings), tmp_path)
    assert "\n" not in str(error.value) and [path.name for path in tmp_path.iterdir()] == ["ward.csv"]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (PLAIN.assign(scans=[[1, 2]] * (N - 1) + [[1]]), r"column 'scans' has list<.*, '\[1, 2\]' in row 0: features"),
        (PLAIN.assign(when=pd.Timestamp("2020-01-31")), "column 'when' has times, '2020-01-31 00:00:00' in row 0"),
        (PLAIN.assign(sex=pd.Categorical(WARD["sex"])), "column 'sex' has text, 'm' in row 0: features"),
        (PLAIN.assign(age=PLAIN["age"].astype("Int64").mask(PLAIN.index == 5)), "column 'age' has no value in row 5: "),
        (PLAIN.assign(bmi=PLAIN["bmi"].mask(PLAIN.index == 5)), "column 'bmi' has no value in row 5: "),
        (b"PAR1 and no more", "is damaged, or not whole, as a parquet file"),
    ],
)
def test_what_is_wrong_with_parquet_is_named(tmp_path, frame, said):
    with pytest.raises(DataError, match=f"ward.parquet.*{said}"):
        prepared(written(tmp_path, frame, "parquet"), tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"features": 3}, "features is 3: allowed is a list of columns"),
        ({"features": []}, r"features is \[\]: allowed are a list of columns"),
        ({"features": ["age", "age"]}, "features: age is given more than once"),
        ({"features": ["y"]}, "features: 'y' is the label: leave it out"),
        ({"features": ["who"], "id": "who"}, "features: 'who' is the id: leave it out"),
        ({"id": "y"}, "label and id and groups: y is given more than once"),
        ({"label": None, "id": "who"}, "label is missing: id is of CSV or parquet, which needs label too"),
        ({"kind": "image"}, "kind is 'image': allowed with label is 'tabular', give images as .npz or HDF5"),
        ({"source": "cifar10", "kind": None}, "label is 'y': cifar10 has no columns, leave it out"),
        ({"channels": "last"}, "channels is 'last': images of file and functions alone take it"),
        (
            {"source": "digits", "kind": None, "label": None, "named_labels": True},
            "named_labels is True: the labels of",
        ),
    ],
)
def test_settings_that_do_not_fit_a_table(request, settings, said):
    smoke = read_yaml(request.config.rootpath / "studies" / "smoke.yaml")
    dataset = {"source": "file", "path": "w.csv", "kind": "tabular", "label": "y", "test": 100} | settings
    smoke["datasets"]["digits"] |= {name: value for name, value in dataset.items() if value is not None}
    with pytest.raises(ConfigError, match=f"datasets.digits.{said}"):
        load_study(smoke)


def test_a_few_numbers_may_be_all_the_row_numbers(tmp_path):
    prepared(written(tmp_path, PLAIN[:9].assign(visits=[3, 1, 2, 0, 8, 7, 6, 5, 4])), tmp_path)
    prepared(written(tmp_path, PLAIN.assign(visits=[0, *range(1, N - 1), 1])), tmp_path)


@pytest.mark.parametrize("settings", [{}, {"label": None}])
def test_a_folder_is_no_table(tmp_path, settings):
    WARD.to_parquet(tmp_path / "ward.parquet", partition_cols=["sex"])
    made = {
        "source": "file",
        "path": str(tmp_path / "ward.parquet"),
        "kind": "tabular",
        "label": "diagnosis",
    } | settings
    made = Dataset(**{name: value for name, value in made.items() if value is not None})
    with pytest.raises(DataError, match="ward.parquet is a folder: an? .* file is needed"):
        prepared(made, tmp_path)
    with pytest.raises(DataError, match="is a folder"):
        (measure_table if made.label else lambda made: measure(Path(made.path), made.kind))(made)


def test_a_study_of_a_table_is_planned_by_its_size(tmp_path):
    def study(**settings):
        dataset = written(tmp_path, WARD, id="patient", groups="sex", **settings).model_dump(exclude_defaults=True)
        network = {"family": "fcn", "hidden": [4]}
        runs = {"runs": {"ward/fcn/r": {}}, "regimes": {"r": {}}, "architectures": {"fcn": network}}
        return load_study({"study": "s", "datasets": {"ward": dataset}, **runs})

    assert size_of(study(test=6), "ward/fcn/r") == (18, 6, (3,), 3, True)
    assert size_of(study(test=6, samples=12), "ward/fcn/r") == (6, 6, (3,), 3, True)
    with pytest.raises(ConfigError, match="runs.ward/fcn/r.test_set: test needs datasets.ward.test$"):
        check_sizes(study())
    for samples in (5, 25):
        with pytest.raises(ConfigError, match=f"datasets.ward.samples is {samples}: allowed are 6 to 24"):
            check_sizes(study(test=6, samples=samples))
