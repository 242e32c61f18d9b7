"""AI-SDC/SACRO-ML#353 and #323, salu133445/musegan#106, Echo-Ji/ST-SSL#4: what the file is, not what a library says."""

import gzip
import os
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from raw_files import TABLE, Y

from lira.config import Dataset, ImportedRecipe, RunDescription
from lira.core.errors import DataError
from lira.core.validation import check_array
from lira.datasets import prepare_data
from lira.shadows.imported import import_scores

TEXT, MAKES = "it is text, such as CSV", "numpy.savez makes an .npz file of arrays"
NO_ARRAYS = "it is a zip archive without arrays, as torch.save and spreadsheets make it"


def write(path, form):
    path.unlink(missing_ok=True)
    match form:
        case "csv":
            path.write_text(".1,.9\n.4,.6\n")
        case "accents":
            path.write_text("é,ü\n" * 200)
        case "parquet":
            pd.DataFrame({"a": [1, 2]}).to_parquet(path)
        case "pickle":
            path.write_bytes(pickle.dumps({"x": TABLE}))
        case "torch":
            torch.save({"x": torch.ones(2)}, path)
        case "zip":
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("x.csv", "1,2")
        case "gzip":
            path.write_bytes(gzip.compress(b"1,2\n"))
        case "npy":
            with path.open("wb") as file:
                np.save(file, TABLE)
        case "empty":
            path.write_bytes(b"")
        case "noise":
            path.write_bytes(b"\xff\x00" * 50)
        case "objects":
            np.savez(path.open("wb"), x=TABLE.astype(object), y=Y, phi=TABLE.astype(object), member=Y)
        case "half npz":
            np.savez(path.open("wb"), x=TABLE, y=Y)
            os.truncate(path, path.stat().st_size // 2)
        case "half hdf5":
            with h5py.File(path, "w") as file:
                file["x"] = TABLE
            os.truncate(path, path.stat().st_size // 2)


FORMS = [
    ("csv", f"{TEXT}: {MAKES}"),
    ("accents", TEXT),
    ("parquet", f"it is a parquet file: {MAKES}"),
    ("pickle", f"it is a pickle: {MAKES}"),
    ("torch", f"{NO_ARRAYS}: {MAKES}"),
    ("zip", NO_ARRAYS),
    ("gzip", "it is compressed by gzip"),
    ("npy", "it is a single .npy array"),
    ("empty", "it is empty"),
    ("noise", "it is of an unknown form"),
    ("objects", "is an array of objects"),
    ("half npz", "it is damaged, or not whole, as an .npz file: make or copy it again"),
    ("half hdf5", "it is damaged, or not whole, as an HDF5 file: make or copy it again"),
]
LIBRARIES = ("pickle=", "unsafely", "indices", "zip file)", "synchronously", "Errno", "CRC")


@pytest.mark.parametrize(("form", "said"), FORMS)
def test_data_and_scores_of_another_form(tmp_path, form, said):
    path, run = tmp_path / "given", RunDescription(study="t", dataset="d", architecture="a", regime="r", seed=0)
    write(path, form)
    for read in (
        lambda: prepare_data(Dataset(source="file", path=str(path), kind="tabular"), None, 0, tmp_path / "o.h5"),
        lambda: import_scores(path, run, ImportedRecipe(), None, tmp_path / "o.h5"),
    ):
        with pytest.raises(DataError, match=r"given cannot be read as .npz or HDF5") as error:
            read()
        assert said in str(error.value) and not any(word in str(error.value) for word in LIBRARIES)
    assert [file.name for file in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize(("form", "said"), [("csv", TEXT), ("pickle", "it is a pickle"), ("empty", "it is empty")])
def test_an_array_of_another_form_in_a_folder_of_scores(tmp_path, form, said):
    for model in range(2):
        (tmp_path / f"model_{model}" / "scores").mkdir(parents=True)
        np.save(tmp_path / f"model_{model}" / "scores" / "scores.npy", np.zeros((4, 1)))
    np.save(tmp_path / "keep_indices.npy", np.eye(2, 4))
    write(tmp_path / "model_1" / "scores" / "scores.npy", form)
    run = RunDescription(study="t", dataset="d", architecture="a", regime="r", seed=0)
    with pytest.raises(DataError, match=f"scores.npy is not a readable .npy array, {said}: numpy.save makes one"):
        import_scores(tmp_path, run, ImportedRecipe(), None, tmp_path / "o.h5")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1], [1, 2]], "its rows are of different lengths"),
        (torch.ones(2, requires_grad=True), r"numpy reads: of a tensor, give tensor.detach\(\)"),
        (torch.ones(2, dtype=torch.bfloat16), "numpy reads: of a tensor"),
    ],
)
def test_arguments_that_are_no_arrays(values, said):
    with pytest.raises(DataError, match=f"^x is not an array of numbers.*{said}"):
        check_array(values, "x")
