import numpy as np
import pytest
import torch

from lira.core.errors import DataError
from lira.shadows.logits import scaled_logit


def test_scaled_logit_against_the_definition():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 3, 4)), rng.integers(0, 4, 6)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for sample in range(6):
        true = p[sample, :, labels[sample]]
        others = np.delete(p[sample], labels[sample], axis=-1).sum(-1)
        np.testing.assert_allclose(scaled_logit(logits, labels)[sample], np.log(true) - np.log(others), rtol=1e-12)
    shifted = scaled_logit(logits + 100, labels)
    np.testing.assert_allclose(shifted, scaled_logit(logits, labels), atol=1e-10)
    assert scaled_logit(logits.astype(np.float32), labels).dtype == np.float64


def test_scaled_logit_is_finite_at_the_extremes_and_keeps_its_input():
    logits = np.array([[[1000.0, 0, 0]], [[-1000.0, 0, 0]]])
    before = logits.copy()
    high, low = scaled_logit(logits, np.zeros(2, int))[:, 0]
    assert high == pytest.approx(-np.log(1e-45)) and low == pytest.approx(np.log(1e-45))
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("shape", [(6, 4), (6, 1, 3, 4)])
def test_scaled_logit_refuses_other_shapes(shape):
    with pytest.raises(DataError, match=r"must be \[samples, views, classes\]"):
        scaled_logit(np.zeros(shape), np.zeros(6, int))


@pytest.mark.parametrize("label", [-1, 3, 1.0])
def test_scaled_logit_refuses_labels_that_are_no_classes(label):
    with pytest.raises(DataError, match="labels must be classes, whole numbers from 0 to 2"):
        scaled_logit(np.zeros((2, 1, 3)), np.array([0, label]))


def test_scaled_logit_takes_true_and_false_for_two_classes():
    logits, labels = np.random.default_rng(0).normal(size=(6, 2, 2)), np.arange(6) % 3 == 1
    np.testing.assert_array_equal(scaled_logit(logits, labels), scaled_logit(logits, labels.astype(int)))


@pytest.mark.parametrize("classes", [0, 1])
def test_scaled_logit_refuses_less_than_two_classes(classes):
    with pytest.raises(
        DataError, match=rf"logits \(2, 1, {classes}\) are of {classes} classes: two or more are needed"
    ):
        scaled_logit(np.zeros((2, 1, classes)), np.zeros(2, int))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_scaled_logit_takes_what_a_network_returns(dtype):
    logits = torch.randn(6, 2, 3, dtype=torch.float64).to(dtype).requires_grad_()
    labels = torch.arange(6) % 3
    expected = scaled_logit(logits.detach().double().numpy(), labels.numpy())
    np.testing.assert_array_equal(scaled_logit(logits, labels), expected)


def test_scaled_logit_refuses_probabilities():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(20, 2, 3)), rng.integers(0, 3, 20)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for given in (p, p.round(2), torch.as_tensor(p).bfloat16()):
        with pytest.raises(
            DataError, match="logits are probabilities, all are from 0 to 1 and sum to 1: give logits, or"
        ):
            scaled_logit(given, labels)
    np.testing.assert_allclose(scaled_logit(np.log(p), labels), scaled_logit(logits, labels), rtol=1e-12)


@pytest.mark.parametrize("logits", [np.full((20, 1, 2), 0.5), np.eye(3)[:, None], np.zeros((0, 1, 3))])
def test_scaled_logit_takes_a_few_rows_and_equal_ones(logits):
    assert np.isfinite(scaled_logit(logits, np.zeros(len(logits), int))).all()
