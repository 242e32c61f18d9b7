"""Dataset files and imported scores with every kind of mistake: prepared and attacked, or one sentence and no file."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import campaign, contents, outcome

from lira.attacks.lira import score_file
from lira.config import Dataset, RunDescription
from lira.datasets import prepare_data, read_part
from lira.evaluation.calibration import calibrate_file
from lira.shadows.imported import import_scores
from lira.storage import hdf5

MANY = pytest.mark.parametrize("examples", [80, pytest.param(1000, marks=pytest.mark.campaign)])
RUN = RunDescription(study="s", dataset="d", architecture="a", regime="r", seed=0)
DTYPES = ["u1", "i1", "i4", "u8", "f2", "f4", "f8", "g", "?", "c8", "U3", "S3", "O", "M8[s]", "V4", "i4,f4"]
ODD = [0, -1, 1.5, np.nan, np.inf, 1e300, -1e300, 10**18, 255, 7]


@st.composite
def spoilt(draw, values):
    """The array with up to two changes of its values, shape or type."""
    for _ in range(draw(st.integers(0, 2))):
        change = draw(st.sampled_from(["value", "dtype", "fewer", "axis", "flat", "none", "scalar", "turned"]))
        with np.errstate(all="ignore"):
            if change == "value" and values.size and values.dtype.kind in "uif":
                wide = values.astype("f8" if values.dtype.kind == "f" else "i8").ravel()
                odd = draw(st.sampled_from(ODD))
                odd = odd if wide.dtype.kind == "f" else int(np.clip(np.nan_to_num(odd), -(2**62), 2**62))
                wide[draw(st.integers(0, wide.size - 1))] = odd
                values = wide.reshape(values.shape)
            elif change == "dtype":
                values = recast(values, draw(st.sampled_from(DTYPES)))
            elif change == "fewer" and values.ndim:
                values = values[: draw(st.integers(0, 2))]
            elif change == "axis":
                values = values[..., None]
            elif change == "flat":
                values = values.ravel()
            elif change == "none" and values.ndim > 1:
                values = values[..., :0]
            elif change == "scalar" and values.size:
                values = values.ravel()[0]
                values = np.asarray(values)
            elif change == "turned":
                values = values.T
    return values


def recast(values, dtype):
    try:
        return values.astype(dtype)
    except (ValueError, TypeError, OverflowError):
        return np.zeros(values.shape, dtype)


def write(path, arrays, kind):
    """The arrays as a file: whole, cut, with bytes changed, or not an archive at all."""
    form, _, damage = kind.partition(" ")
    if form == "npz":
        with path.open("wb") as file:
            np.savez(file, **arrays)
    elif form == "npy":
        with path.open("wb") as file:
            np.save(file, next(iter(arrays.values())) if arrays else 0, allow_pickle=True)
    elif form == "pickle":
        path.write_bytes(np.array([arrays], object).dumps())
    elif form == "text":
        path.write_bytes(b"x,y\n1,2\n")
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                try:
                    file[name] = values.astype("S32") if values.dtype.kind in "UM" else values
                except (TypeError, ValueError, OSError):
                    file.create_group(name)
            if damage == "links":
                file["more"] = h5py.SoftLink("/nowhere")
                file["other"] = h5py.ExternalLink("nowhere.h5", "x")
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        middle = len(whole) // 3
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])


FORMS = (
    ["npz"] * 6 + ["h5"] * 6 + ["npz cut", "npz flipped", "h5 cut", "h5 flipped", "h5 links", "npy", "pickle", "text"]
)
RNG = np.random.default_rng(0)
LABELS = np.arange(24) % 3
OWN = {
    "tabular": {"x": RNG.normal(size=(24, 4)), "y": LABELS},
    "image": {"x": RNG.integers(0, 256, (24, 3, 5, 4), np.uint8), "y": LABELS},
}
SETTINGS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["tabular", "image"])},
    optional={
        "test": st.sampled_from([1, 3, 6, 23, 24, 10**9]),
        "public": st.sampled_from([0, 3, 6, 10**9]),
        "pool": st.sampled_from(["train", "train+test"]),
        "seed": st.sampled_from([0, 2**32 - 1]),
    },
)
LONE = st.sampled_from(
    [np.array(v) for v in (0, 2, -1, 3.0, np.nan, np.inf, 10**18, True, "x", [1, 2], [[3]], None, b"3", 1j)]
)


@st.composite
def own_file(draw):
    """Settings of a user's file, its arrays, and how it is written."""
    chosen = draw(SETTINGS)
    arrays = dict(OWN[chosen["kind"]])
    if draw(st.booleans()):
        arrays |= {"x_test": arrays["x"][:9], "y_test": arrays["y"][:9]}
    for name in draw(st.lists(st.sampled_from(list(arrays)), max_size=2)):
        arrays[name] = draw(spoilt(arrays[name]))
    for name in draw(st.lists(st.sampled_from(["scale", "classes", "z", "x", "y"]), max_size=2)):
        arrays[name] = draw(LONE)
    for name in draw(st.lists(st.sampled_from(list(arrays)), max_size=1)):
        del arrays[name]
    return chosen, arrays, draw(st.sampled_from(FORMS)), draw(st.sampled_from([None, 3, 8]))


@MANY
def test_broken_datasets(tmp_path, examples):
    (tmp_path / "there").mkdir()
    file, output = tmp_path / "own.npz", tmp_path / "there" / "data.h5"

    @campaign(examples)
    @given(own_file())
    def run(case):
        chosen, arrays, form, size = case
        write(file, arrays, form)
        output.write_bytes(b"an older preparation")
        settings = Dataset(source="file", path=str(file), **({"pool": "train"} | chosen))
        if not outcome(lambda: prepare_data(settings, size, 0, output), tmp_path, ("own.npz", "test:", "public:")):
            pool = read_part(output, "pool")
            assert len(pool.x) == len(pool.y) > 0 and set(pool.y) == set(range(pool.classes))
            assert np.isfinite(pool.x.astype(float)).all() and np.isfinite(pool.mean).all() and (pool.std > 0).all()
        assert [path.name for path in output.parent.iterdir()] == ["data.h5"]

    run()


MEMBER = np.argsort(RNG.random((6, 24)), axis=0) < 3
SCORES = {
    "phi": {"phi": RNG.normal(size=(6, 24, 2)).astype("f4"), "member": MEMBER},
    "logits": {"logits": RNG.normal(size=(6, 24, 2, 3)).astype("f4"), "member": MEMBER, "labels": LABELS},
    "probabilities": {"probabilities": RNG.dirichlet([1] * 3, (6, 24)), "member": MEMBER, "labels": LABELS},
}
KINDS = {"phi": "scores", "logits": "logits", "probabilities": "probabilities"}


@st.composite
def scores(draw):
    """Arrays of imported scores, how they are written, and the labels of a prepared pool if there is one."""
    arrays = dict(SCORES[draw(st.sampled_from(list(SCORES)))])
    if draw(st.booleans()):
        arrays |= {"labels": LABELS}
    for name in draw(st.lists(st.sampled_from(list(arrays)), max_size=2)):
        arrays[name] = draw(spoilt(arrays[name]))
    for name in draw(st.lists(st.sampled_from(["labels", "z", "member", "phi", "test_loss"]), max_size=1)):
        arrays[name] = draw(LONE)
    for name in draw(st.lists(st.sampled_from(list(arrays)), max_size=1)):
        del arrays[name]
    pool = draw(st.sampled_from([None, None, LABELS, LABELS[1:], LABELS % 2, np.arange(24) % 4]))
    if pool is not None and draw(st.integers(0, 2)):
        arrays.pop("labels", None)
    return arrays, draw(st.sampled_from([*FORMS, "folder", "folder", "folder"])), pool


def write_folder(folder, arrays):
    """As the released code writes scores: a folder per model."""
    name = next((name for name in KINDS if name in arrays), "phi")
    kind, values = KINDS[name], arrays.get(name, np.zeros(0))
    for model, own in enumerate(values if values.ndim else [values]):
        place = folder / f"model_{model}" / kind
        place.mkdir(parents=True)
        np.save(place / f"{kind}.npy", own, allow_pickle=True)
    for name, stored in (("member", "keep_indices.npy"), ("labels", "labels.npy")):
        if name in arrays:
            folder.mkdir(exist_ok=True)
            np.save(folder / stored, arrays[name], allow_pickle=True)


@MANY
def test_broken_scores(tmp_path_factory, examples):
    @campaign(examples)
    @given(scores())
    def run(case):
        arrays, form, pool = case
        folder = tmp_path_factory.mktemp("scores", numbered=True)
        source, output = folder / "given", folder / "shadows.h5"
        models = [None, None, None, 4, 7][len(form) % 5]
        if form == "folder":
            write_folder(source, arrays)
        else:
            write(source, arrays, form)
        output.write_bytes(b"an older import")
        data = None if pool is None else folder / "data.h5"
        if data:
            with hdf5.create(data, "data", {}) as file:
                file["pool/y"] = pool
        if outcome(lambda: import_scores(source, RUN, None, data, output, models), folder, ("given",)):
            return
        steps = [
            lambda: score_file(output, folder / "scores.h5"),
            lambda: calibrate_file(folder / "scores.h5", [0.1], [0.5], folder / "metrics.csv", folder / "samples.csv"),
        ]
        for step in steps:
            if outcome(step, folder, ("shadows.h5", "scores.h5")):
                return
        assert "metrics.csv" in contents(folder)

    run()


METRICS = [
    "Best_epoch,Train_loss,Test_loss,Train_acc (%),Test_acc (%)",
    "3,.1,.2,99,88",
    "",
    "x",
    "3,-1,.2,101,nan",
    ",",
]
CONFIGS = ["training: {epochs: 3}", "training: 3", "model: {drop_rate: 2}", "training: {epochs: []}", "[", "", "a: 1"]
CONFIGS += [
    "train_data_augmentation: [random_crop, 3, {}]",
    "dataset: {input_size: 32.5}",
    "training: {optimizer: [1]}",
]


@st.composite
def texts(draw):
    """CSV files of scores and what the released code writes beside its models, some of them odd."""
    values = RNG.normal(size=(3, 8, 3))
    index = np.indices((3, 8)).reshape(2, -1)
    names = ["model", "sample", "member", "label", "logit_0", "logit_1", "logit_2"]
    rows = [names, *zip(*index, index.sum(0) % 2, index[1] % 3, *values.reshape(-1, 3).T, strict=True)]
    lines = [",".join(map(str, row)) for row in rows]
    for _ in range(draw(st.integers(0, 2))):
        line = draw(st.integers(0, len(lines) - 1))
        cells = lines[line].split(",")
        cells[draw(st.integers(0, len(cells) - 1))] = draw(
            st.sampled_from(["", "nan", "inf", "x", "-1", "1e300", "0,1"])
        )
        lines[line] = draw(st.sampled_from([",".join(cells), ",".join(cells), "", lines[line][:5]]))
    metrics = "\n".join(draw(st.lists(st.sampled_from(METRICS), min_size=1, max_size=3)))
    return "\n".join(lines), metrics, draw(st.sampled_from(CONFIGS)), draw(st.booleans())


@MANY
def test_broken_texts(tmp_path_factory, examples):
    @campaign(examples)
    @given(texts())
    def run(case):
        table, metrics, configured, alone = case
        folder = tmp_path_factory.mktemp("texts", numbered=True)
        source = folder / ("given.csv" if alone else "given")
        if alone:
            source.write_text(table)
        else:
            write_folder(source, SCORES["phi"])
            (source / "model_0" / "metrics.csv").write_text(metrics)
            (source / "train_config.yaml").write_text(configured)
            (source / "labels.csv").write_text(table if metrics == "x" else "\n".join(map(str, LABELS)))
        outcome(lambda: import_scores(source, RUN, None, None, folder / "shadows.h5"), folder, ("given",))

    run()
