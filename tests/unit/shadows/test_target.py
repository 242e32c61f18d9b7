"""Predictions of a given model: every form that is read gives the same φ, and what is wrong is said."""

from decimal import Decimal

import h5py
import numpy as np
import pandas as pd
import pytest

from lira.core.errors import DataError
from lira.shadows.logits import scaled_logit
from lira.shadows.target import import_target
from lira.storage import hdf5
from lira.storage.records import write_names

N, C = 30, 3
RUN = {"study": "s", "dataset": "d", "architecture": "a", "regime": "r", "seed": 0}
IDS = np.array([f"{7 * i:03d}" for i in range(N)])


@pytest.fixture
def place(tmp_path):
    """A run with shadow models of one view, labels and ids."""
    return tmp_path


def write_run(path, views=1, named=True, labels=True, names=None, **more):
    with hdf5.create(path / "shadows.h5", "shadows", RUN | {"sha256": "of shadows", "recipe": {}} | more) as file:
        hdf5.dataset(file, "phi", data=np.zeros((4, N, views), np.float32))
        hdf5.dataset(file, "member", data=np.zeros((4, N), bool))
        if labels:
            hdf5.dataset(file, "labels", data=np.arange(N) % C)
        if named:
            write_names(file, {"id": IDS} | (names or {}))
    return path / "shadows.h5"


def outputs(views=1):
    logits = np.random.default_rng(0).normal(0, 3, size=(N, views, C))
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return logits, shares, scaled_logit(logits, np.arange(N) % C).astype("f4")


def read(path):
    with hdf5.read(path, "target") as file:
        return file["phi"][0], file["member"][0] if "member" in file else None, hdf5.attributes(file)


def table(values, prefix, **more):
    columns = {f"{prefix}_{c}": values[:, 0, c] for c in range(values.shape[-1])}
    return pd.DataFrame(more | columns)


@pytest.mark.parametrize("form", ["npz", "h5", "csv", "parquet"])
@pytest.mark.parametrize("kind", ["logit", "probability", "phi"])
@pytest.mark.parametrize("by", ["order", "sample", "id"])
def test_all_forms_give_the_same_phi(place, form, kind, by):
    logits, shares, phi = outputs()
    values = {"logit": logits, "probability": shares, "phi": phi}[kind]
    order = np.arange(N) if by == "order" else np.random.default_rng(1).permutation(N)
    named = {} if by == "order" else {by: order if by == "sample" else IDS[order]}
    path = place / f"given.{form}"
    if form in ("csv", "parquet"):
        frame = pd.DataFrame(named | {"phi": phi[order, 0]}) if kind == "phi" else table(values[order], kind, **named)
        frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
    else:
        arrays = named | {{"logit": "logits", "probability": "probabilities", "phi": "phi"}[kind]: values[order]}
        if form == "npz":
            np.savez(path, **arrays)
        else:
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    file[name] = np.char.encode(array) if array.dtype.kind == "U" else array
    import_target(path, write_run(place), place / "target.h5")
    found, member, about = read(place / "target.h5")
    np.testing.assert_allclose(found, phi, rtol=1e-4, atol=1e-4)
    assert member is None and about["shadows_sha256"] == "of shadows" and about["remarks"] == []


@pytest.mark.parametrize("kind", ["probabilities", "logits", "phi"])
@pytest.mark.parametrize("clip", [0.01, None])
def test_a_fixed_clip_of_the_run_holds_for_predictions_of_all_forms(place, kind, clip):
    logits, shares, phi = outputs()
    np.savez(place / "given.npz", **{kind: {"probabilities": shares, "logits": logits, "phi": phi.astype(float)}[kind]})
    shadows = write_run(place, network={"family": "sklearn", "clip": clip})
    import_target(place / "given.npz", shadows, place / "target.h5")
    found, _, attributes = read(place / "target.h5")
    bound, above = np.log(99), (np.abs(phi) > np.log(99)).sum()
    assert above > 0
    if clip is None:
        np.testing.assert_allclose(found, phi, rtol=1e-5)
        assert not attributes["remarks"]
    else:
        np.testing.assert_allclose(found, phi.clip(-bound, bound), rtol=1e-5)
        said = "values of φ are of probabilities below 0.01 or above 0.99, and were clipped to ±4.595"
        assert attributes["remarks"] == [f"{above} of {N} {said}"]


def test_single_logits_are_of_class_1_and_views_have_rows(place):
    rng, y = np.random.default_rng(0), np.arange(N) % 2
    logits = rng.normal(size=(N, 2))
    rows = pd.DataFrame({"sample": np.repeat(np.arange(N), 2), "view": np.tile([0, 1], N), "logit": logits.ravel()})
    rows.assign(label=np.repeat(y, 2)).sample(frac=1, random_state=0).to_csv(place / "given.csv", index=False)
    import_target(place / "given.csv", write_run(place, views=2, labels=False), place / "target.h5")
    np.testing.assert_allclose(read(place / "target.h5")[0], np.where(y[:, None] == 1, logits, -logits), rtol=1e-4)


@pytest.mark.parametrize("form", ["list", "flags", "npz"])
def test_members_may_be_listed_or_flagged_and_those_outside_the_pool_are_counted(place, form):
    _, _, phi = outputs()
    np.savez(place / "given.npz", phi=phi)
    truth = np.arange(N) % 3 == 0
    if form == "list":
        pd.DataFrame({"id": [*IDS[truth], "elsewhere", "too"]}).to_csv(place / "members.csv", index=False)
    elif form == "flags":
        rows = pd.DataFrame({"id": [*IDS, "elsewhere", "too", "not"], "member": [*truth.astype(int), 1, 1, 0]})
        rows.to_csv(place / "members.csv", index=False)
    else:
        np.savez(place / "members.csv.npz", member=truth)
    path = place / ("members.csv.npz" if form == "npz" else "members.csv")
    import_target(place / "given.npz", write_run(place), place / "target.h5", path)
    _, member, about = read(place / "target.h5")
    assert (member == truth).all()
    said = [] if form == "npz" else ["2 of its 12 members are not in the pool, and were not attacked"]
    assert about["remarks"] == said


def test_predictions_of_other_records_are_left_out(place):
    _, _, phi = outputs()
    rows = pd.DataFrame({"id": [*IDS, "elsewhere"], "phi": [*phi[:, 0], 5.0], "member": [1] * N + [0]})
    rows.to_csv(place / "given.csv", index=False)
    import_target(place / "given.csv", write_run(place), place / "target.h5")
    found, member, about = read(place / "target.h5")
    np.testing.assert_allclose(found, phi, rtol=1e-5)
    assert member.all() and about["remarks"] == [
        "1 predictions are of records that are not in the pool, and were left out"
    ]


def good():
    return pd.DataFrame({"id": IDS, "phi": outputs()[2][:, 0]})


WRONG = [
    (
        good().assign(id=[f"X{name}" for name in IDS]),
        {},
        f"none of its ids is in the pool: it has 'X{IDS[0]}', the pool '",
    ),
    (good().iloc[1:], {}, "sample 0 of the pool is lacking: one row of each"),
    (
        pd.concat([good(), good().iloc[3:5]]),
        {},
        "sample 3 of the pool is there more than once, and .* 2 of 30",
    ),
    (good().drop(columns="id").iloc[1:], {}, "has 29 rows, the pool 30 records: give all in pool order, or say which"),
    (
        good().assign(id=np.arange(N)).rename(columns={"id": "sample"}).replace({"sample": {4: 99}}),
        {},
        "sample is 99: allowed",
    ),
    (good(), {"named": False}, "has ids, but the run knows none"),
    (good(), {"views": 2}, "is of 1 views, the shadow models of 2"),
    (good().rename(columns={"phi": "score"}), {}, "has the columns id, score: predictions need one of phi, logit"),
    (good().assign(phi=0.5), {}, "all φ are from 0.5 to 0.5, as probabilities are"),
    (good().assign(label=0), {}, "sample 1 has label 0, in the run it is 1: the predictions are of other records"),
    (good().assign(phi="x"), {}, "line 2, column phi, has 'x'"),
    (table(outputs()[0][:, :, :2], "logit", id=IDS), {}, "label of sample 2 is 2: allowed are 0 to 1"),
    (table(outputs()[0], "logit", id=IDS), {"labels": False}, "logits need labels, and the run has none"),
    (good().assign(view=[0, None] + [0] * 28), {}, "line 3, column view, has '': numbers are needed"),
    (good().assign(view=np.inf), {}, "line 2 has view inf: views are numbered from 0, without gaps"),
    (good().assign(view=-1), {}, "line 2 has view -1: views are numbered from 0"),
    (good().assign(view=0.5), {}, "line 2 has view 0.5: views are numbered from 0"),
    (good().assign(view=1), {}, "views are numbered from 1: they are numbered from 0"),
    (good().drop(columns="id").assign(sample=[None, *range(1, N)]), {}, "line 2, column sample, has '': numbers are"),
    (good().replace({"id": {IDS[4]: ""}}), {}, r"id\[4\] is '': text is needed"),
]


@pytest.mark.parametrize(("frame", "run", "said"), WRONG)
def test_what_does_not_fit_is_said(place, frame, run, said):
    frame.to_csv(place / "given.csv", index=False)
    with pytest.raises(DataError, match=said):
        import_target(place / "given.csv", write_run(place, **run), place / "target.h5")
    assert not (place / "target.h5").exists()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"name": ["a"]}, "has name: members need id, sample or member"),
        ({"sample": [0, 30]}, "sample is 30: allowed are indices in the pool, 0 to 29"),
        ({"member": [0, 1]}, "has 2 rows, the pool 30 records"),
        ({"member": [2] * N}, "member has values other than 0 and 1"),
        ({"sample": [0, None]}, "line 3, column sample, has '': numbers are needed"),
    ],
)
def test_a_list_of_members_that_cannot_be_one_is_said(place, members, said):
    good().to_csv(place / "given.csv", index=False)
    pd.DataFrame(members).to_csv(place / "members.csv", index=False)
    with pytest.raises(DataError, match=said):
        import_target(place / "given.csv", write_run(place), place / "target.h5", place / "members.csv")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"member": 1}, "members.npz: member is one value: one for each record is needed"),
        ({"id": "007"}, "members.npz: id is one value: one for each record is needed"),
        ({"sample": 3}, "members.npz: sample is one value: one for each record is needed"),
        ({"sample": [[3, 4]]}, r"members.npz: sample is \[1, 2\]: one for each of 1 rows is needed"),
    ],
)
def test_arrays_that_are_no_list_of_members_are_said(place, arrays, said):
    good().to_csv(place / "given.csv", index=False)
    np.savez(place / "members.npz", **arrays)
    with pytest.raises(DataError, match=said):
        import_target(place / "given.csv", write_run(place), place / "target.h5", place / "members.npz")


@pytest.mark.parametrize("samples", [3, np.arange(N - 1), np.arange(N + 1) % N])
def test_arrays_of_predictions_name_as_many_samples_as_there_are_rows(place, samples):
    np.savez(place / "given.npz", phi=outputs()[2], sample=samples)
    said = (
        rf"given.npz: sample is \[{'' if np.ndim(samples) == 0 else len(samples)}\]: one for each of 30 rows is needed"
    )
    with pytest.raises(DataError, match=said):
        import_target(place / "given.npz", write_run(place), place / "target.h5")


def test_a_record_may_be_called_as_a_missing_value_is(place):
    ids = [*IDS[:-3], "NA", "nan", "None"]
    with hdf5.create(place / "shadows.h5", "shadows", RUN | {"sha256": "of shadows", "recipe": {}}) as file:
        hdf5.dataset(file, "phi", data=np.zeros((4, N, 1), np.float32))
        hdf5.dataset(file, "member", data=np.zeros((4, N), bool))
        write_names(file, {"id": np.array(ids)})
    good().assign(id=ids).sample(frac=1, random_state=0).to_csv(place / "given.csv", index=False)
    pd.DataFrame({"id": ids[-3:]}).to_csv(place / "members.csv", index=False)
    import_target(place / "given.csv", place / "shadows.h5", place / "target.h5", place / "members.csv")
    found, member, about = read(place / "target.h5")
    np.testing.assert_allclose(found, outputs()[2], rtol=1e-5)
    assert member.tolist() == [False] * (N - 3) + [True] * 3 and about["remarks"] == []


def shuffled():
    return good().sample(frac=1, random_state=0)


def write_arrays(frame, path, name="id"):
    np.savez(path, phi=frame["phi"], **{name: frame["id"].to_numpy(str)})


@pytest.mark.parametrize(
    ("file", "write", "called"),
    [
        ("g.parquet", lambda frame, path: frame.set_index("id").rename_axis("patient").to_parquet(path), "patient"),
        ("g.parquet", lambda frame, path: frame.set_index("id").rename_axis(None).to_parquet(path), "a column without"),
        ("g.parquet", lambda frame, path: good()[["phi"]][::-1].to_parquet(path), "a column without a name"),
        ("g.csv", lambda frame, path: frame.to_csv(path, header=["patient", "phi"], index=False), "patient"),
        ("g.csv", lambda frame, path: frame.to_csv(path, header=["ID", "phi"], index=False), "ID"),
        ("g.csv", lambda frame, path: frame.set_index("id")["phi"].rename_axis(None).to_csv(path), "a column without"),
        ("g.csv", lambda frame, path: frame[["phi"]].to_csv(path), "a column without a name"),
        ("g.npz", lambda frame, path: write_arrays(frame, path, "ids"), "ids"),
        ("g.csv", lambda frame, path: frame.to_csv(path, header=["sample_id", "phi"], index=False), "sample_id"),
        ("g.csv", lambda frame, path: frame.reset_index()[["index", "phi"]].to_csv(path, index=False), "index"),
        ("g.csv", lambda frame, path: frame[["phi"]].to_csv(path, index_label="position"), "position"),
        ("g.npz", lambda frame, path: np.savez(path, phi=frame["phi"], place=frame.index + 1), "place"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_column_that_may_say_another_order_is_not_passed_over(place, file, write, called, named):
    write(shuffled(), place / file)
    if called == "patient" and not named:  # which might say anything
        import_target(place / file, write_run(place, named=False), place / "target.h5")
        return
    with pytest.raises(DataError, match=f"{file}: {called}.* may say which record each row is of: call it id or sam"):
        import_target(place / file, write_run(place, named=named), place / "target.h5")


@pytest.mark.parametrize("name", ["id", "sample"])
def test_an_index_of_pandas_says_which_records_the_rows_are_of(place, name):
    frame = shuffled().assign(sample=lambda frame: frame.index).set_index(name)
    frame[["phi"]].to_parquet(place / "given.parquet")
    frame.assign(z=1)[["z"]].iloc[:5].to_parquet(place / "members.parquet")
    import_target(place / "given.parquet", write_run(place), place / "target.h5", place / "members.parquet")
    found, member, _ = read(place / "target.h5")
    np.testing.assert_array_equal(found, outputs()[2])
    assert np.flatnonzero(member).tolist() == sorted(shuffled().index[:5])


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    "frame",
    [
        good()[["phi"]],  # with pandas' row numbers
        good()[["phi"]].set_index(np.arange(N) * 3 + 100),  # of some rows of a table
        good().set_index("id"),
        good().rename(columns={"id": "patient"}),
        good().assign(id=np.arange(N) % 9, row=np.arange(1, N + 1)).rename(columns={"id": "age"}),
        good().assign(id=np.arange(N) % 3).rename(columns={"id": "number"}),
        good().assign(id=outputs()[0][:, 0, 0]).rename(columns={"id": "sample_weight"}),
    ],
    ids=range(7),
)
def test_columns_that_say_nothing_of_another_order_do_not_matter(place, form, frame):
    frame.to_csv(place / "given.csv") if form == "csv" else frame.to_parquet(place / "given.parquet")
    import_target(place / f"given.{form}", write_run(place), place / "target.h5")
    np.testing.assert_allclose(read(place / "target.h5")[0], outputs()[2], rtol=1e-6)


def test_flags_of_members_by_another_name_of_the_id_are_not_taken_in_pool_order(place):
    good().to_csv(place / "given.csv", index=False)
    flags = shuffled().assign(member=np.arange(N) % 2).rename(columns={"id": "patient"})[["patient", "member"]]
    flags.to_csv(place / "members.csv", index=False)
    with pytest.raises(DataError, match="members.csv: patient may say which record"):
        import_target(place / "given.csv", write_run(place), place / "target.h5", place / "members.csv")


@pytest.mark.parametrize("header", ["id,phi", "id ,phi", "\ufeffid,phi", '\ufeff"id","phi"'])
def test_ids_keep_their_zeros_however_the_column_is_written(place, header):
    rows = [f"{name},{phi!r}" for name, phi in zip(IDS, outputs()[2][:, 0].tolist(), strict=True)]
    (place / "given.csv").write_text("\n".join([header, *rows[::-1]]), encoding="utf-8")
    import_target(place / "given.csv", write_run(place), place / "target.h5")
    np.testing.assert_array_equal(read(place / "target.h5")[0], outputs()[2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,probability\n000,0.05,3\n007,0.1,4\n", "its lines have more values than the first has names: name each"),
        ("id,probability\n000,0.05,\n007,0.1,\n", "its lines have more values than the first has names: name each"),
        ("id,probability\n000,0.05\n007,0.1,4\n", "cannot be read as CSV or parquet: its lines are of different len"),
        ("id,probability,ä\n000,0.05,3\n".encode("latin-1"), "it is text that is not in UTF-8: save it in UTF-8"),
        ("id,probability\n000,0.05\n".encode("utf-16"), "it is text that is not in UTF-8: save it in UTF-8"),
    ],
)
def test_tables_that_cannot_be_read_are_said(place, text, said):
    (place / "given.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=said):
        import_target(place / "given.csv", write_run(place), place / "target.h5")


CLASSES = {"class_names": np.array(["healthy", "ill", "01"])}


@pytest.mark.parametrize("form", ["csv", "parquet", "npz"])
def test_labels_may_be_names_of_the_runs_classes(place, form):
    shares, y = outputs()[1], np.arange(N) % C
    path, wrong = place / f"given.{form}", "label 'sick' is no class of the run: allowed are 'healthy', 'ill' and '01'"
    for labels in (CLASSES["class_names"][y], y, np.where(y == 1, "sick", "healthy")):
        frame = table(shares, "probability", label=labels)
        if form == "npz":
            np.savez(path, probabilities=shares, labels=labels)
        else:
            frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
        if "sick" in labels.astype(str):
            with pytest.raises(DataError, match=wrong):
                import_target(path, write_run(place, names=CLASSES), place / "target.h5")
        else:
            import_target(path, write_run(place, names=CLASSES, labels=False), place / "target.h5")
            np.testing.assert_allclose(read(place / "target.h5")[0], outputs()[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["csv", "parquet", "npz"])
def test_labels_of_two_named_classes_may_be_true_and_false(place, form):
    path, share = place / f"given.{form}", np.linspace(0.1, 0.9, N)
    for words in (["False", "True"], ["FALSE", "TRUE"]) if form == "csv" else ([False, True],):
        label = np.array(words)[np.arange(N) % 2]
        frame = pd.DataFrame({"probability": share, "label": label})
        if form == "npz":
            np.savez(path, probabilities=share, labels=label)
        else:
            frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
        run = write_run(place, names={"class_names": np.array(["no", "yes"])}, labels=False)
        import_target(path, run, place / "target.h5")
        of_one = np.log(share / (1 - share))
        found = read(place / "target.h5")[0][:, 0]
        np.testing.assert_allclose(found, np.where(np.arange(N) % 2, of_one, -of_one), rtol=1e-4, atol=1e-4)


DAYS = np.datetime64("2020-01-31", "D") - np.arange(N)


@pytest.mark.parametrize(
    ("ids", "given", "form"),
    [
        (DAYS, DAYS, "npz"),
        (DAYS, [day.item() for day in DAYS], "parquet"),
        ([str(day.item()) for day in DAYS.astype("M8[us]")], DAYS.astype("M8[ns]"), "parquet"),
        (np.arange(N) * 7, (np.arange(N) * 7).astype(object), "parquet"),
        ([f"{one}.5" for one in range(N)], [Decimal(f"{one}.5") for one in range(N)], "parquet"),
    ],
    ids=["days", "dates", "times", "objects", "decimals"],
)
def test_ids_may_be_dates_and_numbers(place, ids, given, form):
    order, path = np.random.default_rng(0).permutation(N), place / f"given.{form}"
    phi, given = outputs()[2][order, 0], [given[row] for row in order]
    if form == "npz":
        np.savez(path, phi=phi, id=np.array(given))
    else:
        pd.DataFrame({"id": given, "phi": phi}).to_parquet(path)
    import_target(path, write_run(place, names={"id": np.array(ids).astype(str)}), place / "target.h5")
    np.testing.assert_array_equal(read(place / "target.h5")[0], outputs()[2])


def test_an_id_that_is_neither_text_nor_number_nor_date_is_said(place):
    np.savez(place / "given.npz", phi=outputs()[2], id=np.where(np.arange(N) == 3, np.datetime64("NaT"), DAYS))
    with pytest.raises(DataError, match=r"id\[3\] is None: text, a number or a date is needed"):
        import_target(place / "given.npz", write_run(place), place / "target.h5")


def test_members_are_given_once(place):
    good().assign(member=1).to_csv(place / "given.csv", index=False)
    good()[["id"]].to_csv(place / "members.csv", index=False)
    with pytest.raises(DataError, match="leave one of them out"):
        import_target(place / "given.csv", write_run(place), place / "target.h5", place / "members.csv")


@pytest.mark.parametrize("content", [b"", b"\x89HDF rest", b"PK\x03\x04", b"PAR1 rest"])
def test_damaged_files_are_said(place, content):
    (place / "given.npz").write_bytes(content)
    with pytest.raises(DataError, match="given.npz"):
        import_target(place / "given.npz", write_run(place), place / "target.h5")
