"""bethgelab/foolbox#158, aidotse/LeakPro#116, AI-SDC/SACRO-ML#353: outputs of a classifier are what they are called."""

import h5py
import numpy as np
import pytest
from array_files import write_arrays

from lira.config import RunDescription
from lira.core.errors import DataError
from lira.shadows.imported import import_scores
from lira.shadows.logits import scaled_logit
from lira.shadows.membership import balanced_membership

M, N, C = 16, 300, 4
RNG = np.random.default_rng(0)
MEMBER = balanced_membership(samples=N, models=M, fraction=0.5, seed=0)
LABELS = np.arange(N) % C
LOGITS = RNG.normal(size=(M, N, 1, C))
LOGITS[np.arange(M)[:, None], np.arange(N)[None], 0, LABELS[None]] += 1 + 2 * MEMBER
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
PHI = np.stack([scaled_logit(logits, LABELS) for logits in LOGITS])
RUN = RunDescription(study="s", dataset="d", architecture="a", regime="r", seed=0)


def imported(folder, suffix=".npz", **arrays):
    scores = write_arrays(folder / f"given{suffix}", **{"member": MEMBER, "labels": LABELS} | arrays)
    import_scores(scores, RUN, None, None, folder / "shadows.h5")
    with h5py.File(folder / "shadows.h5") as file:
        return file["phi"][:], file.attrs.get("remarks", "")


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_probabilities_give_the_phi_of_their_logits(tmp_path, suffix, dtype):
    for values in (PROBABILITIES, PROBABILITIES[:, :, 0]):
        phi, remarks = imported(tmp_path, suffix, probabilities=values.astype(dtype))
        np.testing.assert_allclose(phi, PHI, atol=2e-5)
        assert not remarks


def test_rounded_probabilities_are_clipped_and_said(tmp_path):
    phi, remarks = imported(tmp_path, probabilities=np.round(PROBABILITIES, 2)[:, :, 0])
    zeros = np.isclose(np.round(PROBABILITIES, 2)[..., 0, :], 1).any(-1).sum()
    assert np.isfinite(phi).all() and np.abs(phi).max() == pytest.approx(np.log(99) + np.log(2), abs=0.02)
    assert np.abs(phi - PHI).max() < 4 and remarks.count("clipped") == 1 and zeros > 0
    clipped = int(remarks.split('"')[1].split()[0])
    assert clipped == (np.abs(phi) == np.abs(phi).max()).sum() >= zeros


ONE = np.log(PROBABILITIES[..., 1] / PROBABILITIES[..., 0])  # of class 1, were there two


@pytest.mark.parametrize("shape", [(M, N), (M, N, 1), (M, N, 1, 1)])
def test_one_output_is_of_class_1_of_two(tmp_path, shape):
    labels = LABELS % 2
    expected = np.where(labels == 1, 1, -1) * ONE[..., 0]
    phi, _ = imported(tmp_path, logits=ONE.reshape(shape), labels=labels)
    np.testing.assert_allclose(phi[..., 0], expected, atol=1e-5)
    phi, _ = imported(tmp_path, probabilities=(1 / (1 + np.exp(-ONE))).reshape(shape), labels=labels)
    np.testing.assert_allclose(phi[..., 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"logits": PROBABILITIES}, r"the logits are probabilities \(all are from 0 to 1 and sum to 1\): give them as"),
        ({"logits": np.round(PROBABILITIES, 3)}, "the logits are probabilities"),
        ({"logits": PROBABILITIES.astype("f2")}, "the logits are probabilities"),
        ({"logits": np.eye(C)[np.tile(LABELS, (M, 1))][:, :, None]}, "the logits are probabilities"),
        ({"logits": PROBABILITIES[..., 0, 0], "labels": LABELS % 2}, r"are probabilities \(all are from 0 to 1\)"),
        (
            {"probabilities": LOGITS},
            r"a probability of sample 0 is -?\d.*: allowed are numbers from 0 to 1; give logits",
        ),
        ({"probabilities": PROBABILITIES * 0.5}, "probabilities of sample 0 sum to 0.5: those of all classes sum to 1"),
        ({"probabilities": PROBABILITIES[..., :3]}, "since the probabilities are of 3 classes"),
        ({"probabilities": PROBABILITIES * 100}, "a probability of sample 0 is .*: allowed are numbers from 0 to 1"),
        ({"probabilities": np.where(LOGITS > 3, np.nan, PROBABILITIES)}, "a probability of sample .* is nan"),
        ({"probabilities": np.eye(C)[LOGITS.argmax(-1)]}, "all probabilities are 0 or 1, as predicted classes are"),
        ({"probabilities": PROBABILITIES[..., 0, 0]}, "allowed are 0 to 1, .* with one output for both"),
        ({"phi": PROBABILITIES[..., 0]}, r"all φ are from 0\.\d+ to 0\.\d+, as probabilities are: give log\(p_y\)"),
        ({"phi": PROBABILITIES, "logits": LOGITS}, "one of phi"),
    ],
)
def test_outputs_that_are_not_what_they_are_called(tmp_path, arrays, said):
    with pytest.raises(DataError, match=said) as error:
        imported(tmp_path, **arrays)
    assert "given.npz" in str(error.value) and [path.name for path in tmp_path.iterdir()] == ["given.npz"]


def test_probabilities_need_labels(tmp_path):
    scores = write_arrays(tmp_path / "given.npz", probabilities=PROBABILITIES, member=MEMBER)
    with pytest.raises(DataError, match=r"probabilities need labels: add labels \[N\]"):
        import_scores(scores, RUN, None, None, tmp_path / "shadows.h5")


@pytest.mark.parametrize("logits", [LOGITS * 1e-3 + 0.5, np.log(PROBABILITIES), np.zeros_like(LOGITS), LOGITS * 1e6])
def test_logits_are_taken_whatever_their_size(tmp_path, logits):
    imported(tmp_path, logits=logits)
