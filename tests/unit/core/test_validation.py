"""What every public function that takes scores and membership says of those it cannot use."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds import gaussian_world

from lira.attacks.lira import Definition, held_out, leave_one_out
from lira.core.errors import ConfigError, DataError, LiraError
from lira.core.validation import check_path
from lira.evaluation.audits.whole import audit
from lira.evaluation.bootstrap import Draws, clopper_pearson, resample_auc, resample_rates
from lira.evaluation.calibration import (
    calibrate,
    confusion,
    positive_predictive_value,
    resolution,
    shadow_thresholds,
)
from lira.evaluation.controls import coin, oracle, permuted_membership
from lira.evaluation.detections import count_detections, support_qualified
from lira.evaluation.ranks import vulnerability
from lira.evaluation.robust import influence, median_rmad
from lira.evaluation.roc import flagged, summarise_roc, threshold_at_fpr
from lira.evaluation.summary import summarise
from lira.report.figures.roc import plot_roc

PHI, MEMBER = gaussian_world(6, 30, 1.0)
SCORES = PHI[..., 0]
DRAWN = Draws.of(30, 6, draws=5)
RATES = calibrate({"online": SCORES}, MEMBER, [0.1], [0.5])
NO_THRESHOLD = np.zeros(6)

ENTRIES = {
    "leave_one_out": lambda scores, member, **other: leave_one_out(_views(scores), member, **other)["online"],
    "held_out": lambda scores, member, **other: held_out(_views(scores), member, [0], **other)["online"],
    "calibrate": lambda scores, member, **other: calibrate({"online": scores}, member, [0.1], [0.5], **other),
    "count_detections": lambda scores, member, **other: count_detections(scores, member, NO_THRESHOLD, **other),
    "vulnerability": lambda scores, member, **other: vulnerability(scores, member, **other),
    "threshold_at_fpr": lambda scores, member, **other: threshold_at_fpr(scores[0], member[0], 0.1, **other),
    "summary": lambda scores, member, **other: summarise_roc(scores[0], member[0], **other),
    "confusion": lambda scores, member: confusion(scores, member, NO_THRESHOLD),
    "resample_rates": lambda scores, member: np.concatenate(resample_rates(scores, member, DRAWN, [0.1])[0][0.1]),
    "resample_auc": lambda scores, member: resample_auc(scores, member, DRAWN),
    "summarise": lambda scores, member: summarise({"online": scores}, member, RATES, draws=5),
}
WITH_NONFINITE = list(ENTRIES)[:7]


def _views(scores):
    return scores[..., np.newaxis] if isinstance(scores, np.ndarray) else [[[view] for view in row] for row in scores]


@pytest.mark.parametrize("entry", ENTRIES)
def test_membership_of_other_types_counts_the_same(entry):
    expected = ENTRIES[entry](SCORES, MEMBER)
    for member in (MEMBER.astype(int), MEMBER.astype(np.float32), MEMBER.tolist(), np.ma.array(MEMBER)):
        pd.testing.assert_frame_equal(pd.DataFrame(ENTRIES[entry](SCORES, member)), pd.DataFrame(expected))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("member", "said"),
    [
        (np.where(MEMBER, np.nan, 0), "member.* has values other than 0 and 1"),
        (MEMBER * 0.3, "values other than 0 and 1"),
        (MEMBER * 2, "values other than 0 and 1"),
        (MEMBER.astype(int).astype(str), "member.* is an array of <U"),
        (np.ma.masked_equal(MEMBER.astype(int), 1), "member.* has masked values"),
        ([[[True], [True, False]]] * 6, "member.* is not an array of numbers"),
        (MEMBER[:, :5], "member.* \\("),
    ],
    ids=["nan", "0.3", "2", "text", "masked", "ragged", "shape"],
)
def test_what_is_no_membership(entry, member, said):
    with pytest.raises(DataError, match=said):
        ENTRIES[entry](SCORES, member)


@pytest.mark.parametrize("entry", ["calibrate", "confusion", "count_detections", "resample_auc", "summarise"])
def test_membership_of_one_target_is_not_that_of_all(entry):
    with pytest.raises(DataError, match=r"member \(1, 30\) must both be \[models, samples\]"):
        ENTRIES[entry](SCORES, MEMBER[:1])


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (SCORES + 1j, "is an array of complex"),
        (SCORES.astype(str), "is an array of <U"),
        (SCORES.astype(object), "is an array of object"),
        (np.ma.masked_greater(SCORES, 0), "has masked values"),
        ([[[1.0], [1.0, 2.0]]] * 6, "is not an array of numbers"),
    ],
    ids=["complex", "text", "object", "masked", "ragged"],
)
def test_what_are_no_scores(entry, scores, said):
    with pytest.raises(DataError, match=said):
        ENTRIES[entry](scores, MEMBER)


@pytest.mark.parametrize("entry", ["resample_rates", "resample_auc", "summarise"])
def test_nothing_is_resampled_of_nan(entry):
    with pytest.raises(DataError, match="scores of target 3 are NaN"):
        ENTRIES[entry](np.where(np.arange(6)[:, None] == 3, np.nan, SCORES), MEMBER)


@pytest.mark.parametrize("entry", WITH_NONFINITE)
@pytest.mark.parametrize("nonfinite", ["bogus", None])
def test_unknown_nonfinite(entry, nonfinite):
    with pytest.raises(ConfigError, match=f"nonfinite is {nonfinite!r}: allowed are 'error' and 'official'"):
        ENTRIES[entry](SCORES, MEMBER, nonfinite=nonfinite)


def test_arrays_that_can_be_used_are_not_copied():
    from lira.core.validation import check_scores

    scores, member = SCORES.astype(np.float32), MEMBER
    assert all(given is found for given, found in zip((scores, member), check_scores(scores, member), strict=True))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: leave_one_out(PHI, MEMBER, definition=None), "definition is None"),
        (lambda: Definition(cut="no"), "cut is 'no': allowed are True and False"),
        (lambda: Definition(offline=None), "offline is None: allowed are 'two-sided' and 'one-sided'"),
        (lambda: calibrate(SCORES, MEMBER, [0.1], [0.5]), "scores are a ndarray: a dictionary"),
        (lambda: calibrate(None, MEMBER, [0.1], [0.5]), "scores are a NoneType: a dictionary"),
        (lambda: positive_predictive_value(0.5, 0.1, [0.5, 2]), "prior is 2.0: allowed is a fraction from 0 to 1"),
        (lambda: positive_predictive_value(-0.5, 0.1, 0.5), "tpr is -0.5: allowed is a fraction from 0 to 1"),
        (lambda: positive_predictive_value("a", 0.1, 0.5), "tpr is an array of <U1"),
        (lambda: resolution(-0.1, 10), "fpr is -0.1"),
        (lambda: threshold_at_fpr(SCORES[0], MEMBER[0], None), "fpr is None"),
        (lambda: threshold_at_fpr(SCORES[0], MEMBER[0], "0.1"), "fpr is '0.1'"),
        (lambda: threshold_at_fpr(SCORES[0], MEMBER[0], [0.1]), r"fpr is \[0.1\]"),
        (lambda: shadow_thresholds([[1.0]]), r"thresholds \(1, 1\) must be \[models\]"),
        (lambda: shadow_thresholds(["a"]), "thresholds is an array of <U1"),
        (lambda: confusion(SCORES, MEMBER, np.zeros(1)), r"thresholds \(1,\) \[models\]"),
        (lambda: flagged(SCORES, ["a"] * 6), "thresholds is an array of <U1"),
        (lambda: support_qualified(pd.DataFrame({"tp": [1], "fp": [0]}), 0.5), "support is 0.5: allowed are whole"),
        (lambda: resample_rates(SCORES, MEMBER, DRAWN, []), r"fprs are \[\]: allowed is a list of one number or more"),
        (lambda: resample_rates(SCORES, MEMBER, DRAWN, [-0.1]), "fpr is -0.1"),
        (lambda: resample_rates(SCORES, MEMBER, DRAWN, [0.1], [0.2]), "shadow is 0.2: allowed is 0.1"),
        (lambda: resample_auc(SCORES, MEMBER, Draws.of(7, 6)), "draws are of 7 samples, scores of 30"),
        (lambda: resample_auc(SCORES, np.ones_like(MEMBER), DRAWN), "target 0 has only members"),
        (lambda: Draws.of(30, -1), "targets is -1: allowed are whole numbers from 0"),
        (lambda: clopper_pearson([1, 2], [3, 4, 5]), r"successes \(2,\) and trials \(3,\) must be of one shape"),
        (lambda: clopper_pearson("a", 3), "successes is an array of <U1"),
        (
            lambda: summarise({"online": SCORES[:3]}, MEMBER[:3], RATES),
            "online, shadow, FPR 0.1 are not of the 3 targets",
        ),
        (lambda: summarise({"offline": SCORES}, MEMBER, RATES), "metrics have no rows of offline"),
        (lambda: summarise({"best": SCORES}, MEMBER, RATES), "scores have an attack best, as rows of the best one"),
        (lambda: summarise({"online": SCORES}, MEMBER, RATES.drop(columns="auc")), "metrics have no column 'auc'"),
        (
            lambda: summarise({"online": SCORES}, MEMBER, pd.concat([RATES, RATES])),
            "have a target more than once",
        ),
        (
            lambda: summarise(
                {"online": SCORES, "a": SCORES},
                MEMBER,
                pd.concat([RATES, calibrate({"a": SCORES}, MEMBER, [0.2], [0.5])]),
            ),
            "metrics of a and online have other FPRs: calibrate both at once",
        ),
        (lambda: calibrate({0: SCORES}, MEMBER, [0.1], [0.5]), "scores have an attack 0: its name, as text, is needed"),
        (lambda: plot_roc({("a", 1): SCORES}, MEMBER), r"scores have an attack \('a', 1\): its name, as text"),
        (lambda: leave_one_out([*PHI[:-1], np.ma.masked_greater(PHI[-1], 0)], MEMBER), "phi has masked values"),
        (
            lambda: audit(PHI, MEMBER, PHI[0], labels=np.ma.masked_equal(np.arange(30), 3)),
            "class of each sample has masked values",
        ),
        (lambda: summarise({"online": SCORES}, MEMBER, RATES.drop(columns="tp")), "metrics have no column 'tp'"),
        (lambda: median_rmad(["a"]), "values is an array of <U1"),
        (lambda: influence([[1.0, 2.0]]), r"values \(1, 2\) must be \[targets\]"),
        (lambda: oracle(MEMBER * 2), "member has values other than"),
        (lambda: coin(MEMBER * 2), "member has values other than"),
        (lambda: permuted_membership(MEMBER[0]), r"member \(30,\) must be \[models, samples\]"),
    ],
)
def test_wrong_arguments(call, said):
    with pytest.raises(LiraError, match=said):
        call()


def test_thresholds_of_no_models():
    assert shadow_thresholds([]).size == shadow_thresholds([], "mean").size == 0


def test_the_home_of_a_user_who_is_not_there_stays_as_it_is():
    assert check_path("~nosuchuser/x", "folder") == Path("~nosuchuser/x")
    assert check_path("~/x", "folder") == Path.home() / "x"
