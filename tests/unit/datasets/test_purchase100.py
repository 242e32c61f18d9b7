"""Purchase-100's real on-disk format, read by the real loader; what is damaged is refused."""

import h5py
import numpy as np
import pytest
from raw_files import prepared

from lira.config import Dataset
from lira.core.errors import DataError
from lira.datasets import download_data, purchase100

RNG = np.random.default_rng(0)
ROWS = np.concatenate([np.arange(300)[:, None] % 100 + 1, RNG.integers(0, 2, (300, 600))], axis=1)


@pytest.fixture
def purchase(tmp_path, monkeypatch):
    monkeypatch.setattr(purchase100, "SHAPE", ROWS.shape)
    path = tmp_path / "raw" / "purchase" / "features_labels.npy"
    path.parent.mkdir(parents=True)
    np.save(path, ROWS)
    return path


PURCHASE = {"source": "purchase100", "seed": "run"}


def test_purchase_rows_are_divided_by_the_runs_seed(tmp_path, purchase):
    import torch

    settings = Dataset(**PURCHASE, path=str(tmp_path / "raw"))
    download_data(settings, tmp_path / "record.json")
    drawn = torch.utils.data.random_split(range(300), [210, 90], torch.Generator().manual_seed(5))
    pool = prepared(settings, tmp_path, seed=5)
    with h5py.File(tmp_path / "data.h5") as file:
        for name, part in zip(("pool", "test"), drawn, strict=True):
            assert file[name]["source"][:].tolist() == list(part.indices)
    np.testing.assert_array_equal(pool.x, ROWS[list(drawn[0].indices), 1:])
    np.testing.assert_array_equal(pool.y, ROWS[list(drawn[0].indices), 0] - 1)
    assert pool.x.dtype == np.float32 and pool.classes == 100
    assert pool.mean.tolist() == [0] * 600 and pool.std.tolist() == [1] * 600
    whole = prepared(settings.model_copy(update={"pool": "train+test"}), tmp_path)
    np.testing.assert_array_equal(whole.x, ROWS[:, 1:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: np.save(path, ROWS[:, :-1]), r"holds int64 \[300, 600\], expected numbers of shape \[300, 601\]"),
        (lambda path: np.save(path, ROWS - 1), "the label in row 0 is 0: allowed are 1 to 100"),
        (lambda path: np.save(path, ROWS + 0.25), r"column 0\[0\] is 1.25: labels are whole numbers"),
        (lambda path: np.save(path, ROWS.astype(object)), "not a readable .npy array"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "not a readable .npy array"),
        (lambda path: path.write_text("1,0,0,1"), "not a readable .npy array"),
        (lambda path: path.unlink(), r"purchase/features_labels.npy does not exist: put .* shape \[300, 601\]"),
    ],
)
def test_an_unusable_purchase_array_is_refused(tmp_path, purchase, change, said):
    change(purchase)
    settings = Dataset(**PURCHASE, path=str(tmp_path / "raw"))
    with pytest.raises(DataError, match=said):
        prepared(settings, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def test_the_real_purchase_shape_is_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"data/purchase/features_labels.npy does not exist: .*\[197324, 601\]"):
        download_data(Dataset(source="purchase100", path=str(tmp_path / "data")), tmp_path / "record.json")
