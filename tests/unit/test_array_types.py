"""The annotations of arrays are checked in every test."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from lira.attacks.block import usable
from lira.attacks.order_statistics import Scratch, surprise
from lira.shadows.membership import balanced_membership
from lira.storage.run import cut_sizes


def test_an_array_of_another_shape_is_found():
    assert usable(np.zeros((3, 4, 1))).all()
    with pytest.raises(TypeCheckError, match="parameters of lira.attacks.block.usable"):
        usable(np.zeros((3, 4)))


def test_an_array_of_another_kind_is_found():
    with pytest.raises(TypeCheckError, match="parameters of lira.storage.run.cut_sizes"):
        cut_sizes(np.zeros((3, 4)))


def test_axes_of_one_name_are_of_one_size():
    sums = np.empty((2, 3, 4))
    surprise(np.zeros((3, 1, 2)), np.zeros((3, 1, 4)), sums, Scratch())
    with pytest.raises(TypeCheckError, match="parameters of lira.attacks.order_statistics.surprise"):
        surprise(np.zeros((3, 1, 2)), np.zeros((5, 1, 4)), sums, Scratch())


def test_what_is_returned_is_checked_too(monkeypatch):
    monkeypatch.setattr(np, "argsort", lambda *_, **__: np.zeros(3))
    with pytest.raises(TypeCheckError, match="return value of lira.shadows.membership.balanced_membership"):
        balanced_membership(3, 2, 0.5, 0)
