"""The user's own attacks: what each of them is given."""

import numpy as np
import pytest
from worlds import gaussian_world

from lira.attacks.block import Reader
from lira.attacks.definition import Definition
from lira.attacks.own import OwnAttacks
from lira.attacks.target import score_target

CODE = """
def spoils(phi, member):
    phi -= 1000
    member[:] = True
    return phi[:, :, 0]


def looks(phi, member):
    return phi[:, :, 0] + member
"""
OWN = {"spoils": "in_place:spoils", "looks": "in_place:looks"}


@pytest.fixture
def written(tmp_path, monkeypatch):
    (tmp_path / "in_place.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("targets", [None, np.array([2, 5])])
def test_one_that_works_in_place_changes_nothing_for_the_next(written, targets):
    phi, member = gaussian_world(8, 30, 1.0, views=2)
    before, rows = phi.copy(), slice(None) if targets is None else targets
    found = dict(OwnAttacks(OWN).scores(phi, member, targets))
    np.testing.assert_array_equal(found["looks"], (before[:, :, 0] + member)[rows])
    np.testing.assert_array_equal(phi, before)


def test_nor_where_a_given_model_is_the_target(written):
    phi, member = gaussian_world(8, 30, 1.0, views=2)
    both = score_target(Reader(phi), member, phi[0], [], Definition(), OWN)
    np.testing.assert_array_equal(both["looks"], phi[0, :, 0])
