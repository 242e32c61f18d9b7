"""What the library's functions are given in a notebook is taken as it is meant, or refused in one sentence."""

import numpy as np
import pytest

import lira
from lira.core.errors import LiraError

RANDOM = np.random.default_rng(0)
MEMBER = lira.balanced_membership(samples=40, models=8, fraction=0.5, seed=0)
PHI = RANDOM.normal(2 * MEMBER)
SCORES = lira.leave_one_out(PHI, MEMBER)
RATES = lira.calibrate(SCORES, MEMBER, [0.05], [0.1])


def loo(phi=PHI, attacks="online"):
    return lira.leave_one_out(phi, MEMBER, attacks)


def summarise():
    return lira.summarise(SCORES, MEMBER, RATES.to_dict())


@pytest.mark.parametrize(
    "targets",
    [[], np.zeros(8, bool), "0", ["0"], [[0], [1, 2]], np.ma.array([0, 1], mask=[0, 1]), None, [True]],
    ids=str,
)
def test_targets_that_are_none_are_refused(targets):
    with pytest.raises(LiraError, match="^targets are .*allowed are model indices from 0 to 7, or 8 truth values"):
        lira.held_out(PHI, MEMBER, targets)


def test_targets_of_a_tensor_with_a_gradient_are_taken():
    import torch

    given = lira.held_out(PHI, MEMBER, torch.tensor([1.0], requires_grad=True), "online")
    np.testing.assert_array_equal(given["online"], lira.held_out(PHI, MEMBER, 1, "online")["online"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: loo(attacks=[]), "attacks are .*: one or more are needed, allowed are 'online'"),
        (lambda: loo(attacks=None), "attacks are None: one or more are needed, allowed are 'online'"),
        (lambda: loo(attacks=3), "attacks are 3: one or more are needed"),
        (lambda: loo(attacks=iter(["onlin"])), "attack is 'onlin': allowed are"),
        (lambda: loo(1 / (1 + np.exp(-PHI))), "phi: all φ are from .* as probabilities are"),
        (lambda: loo(PHI > 0), "phi: all φ are from 0 to 1, as probabilities are"),
        (lambda: lira.calibrate(SCORES, MEMBER, [True], [0.1]), "fpr is True: allowed is a false positive rate"),
        (lambda: lira.calibrate(SCORES, MEMBER, [0.1], [True]), "prior is True: allowed"),
        (lambda: lira.threshold_at_fpr(SCORES["online"][0], MEMBER[0], True), "fpr is True"),
        (lambda: lira.balanced_membership(10, 4, True, 0), "fraction is True: allowed is a share of members"),
        (summarise, "metrics are a dict: a DataFrame is needed"),
        (lambda: lira.plot_roc(SCORES, MEMBER, axes="x"), "axes is 'x': allowed is one Axes of matplotlib"),
        (lambda: lira.plot_roc(SCORES, MEMBER, axes=np.array([1, 2])), "axes is array.*: allowed is one Axes"),
        (lambda: lira.set_agreement([{1, 2}, {2, 3}], 2), r"give masks \[runs, samples\], true where the run flags"),
        (lambda: lira.set_agreement([[1, 2], [2, 3]], 2), r"give masks \[runs, samples\]"),
    ],
)
def test_arguments_of_another_kind_are_refused(call, said):
    with pytest.raises(LiraError, match=said):
        call()


def test_long_doubles_and_generators_are_taken():
    for given in (loo(PHI.astype(np.longdouble)), loo(attacks=(name for name in ["online"]))):
        np.testing.assert_array_equal(given["online"], SCORES["online"])
