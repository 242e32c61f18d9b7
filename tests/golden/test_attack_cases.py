import numpy as np
import pytest
from reference import (
    ATTACK_NAMES,
    CASES,
    FINITE_CASES,
    FPRS,
    SCORE,
    arrays,
    inputs,
    loo_scores,
    nonfinite,
    official_points,
    table,
)

from lira.attacks.lira import PUBLISHED, held_out, leave_one_out, score_file
from lira.core.errors import DataError
from lira.evaluation.single_target import single_target
from lira.storage import hdf5

SINGLE = [(case, ntest) for case in CASES for ntest in CASES[case]["ntests"]]


@pytest.mark.parametrize("case", CASES)
def test_leave_one_out(case):
    phi, member = inputs(case)
    ours, stored = leave_one_out(phi, member, definition=PUBLISHED, nonfinite=nonfinite(case)), loo_scores(case)
    assert list(ours) == list(stored)
    for attack, scores in stored.items():
        np.testing.assert_allclose(ours[attack], scores, **SCORE, err_msg=attack)


@pytest.mark.parametrize(("case", "ntest"), SINGLE)
def test_held_out(case, ntest):
    phi, member = inputs(case)
    stored = arrays(f"attacks/{case}/single_ntest{ntest}_scores.npz")
    targets = np.arange(len(phi) - ntest, len(phi))
    np.testing.assert_array_equal(member[targets].ravel(), stored["answers"])
    empty = member[:-ntest].all(axis=0).any() or (~member[:-ntest]).all(axis=0).any()
    option = "official" if empty else nonfinite(case)
    for attack, scores in held_out(phi, member, targets, definition=PUBLISHED, nonfinite=option).items():
        np.testing.assert_allclose(scores.ravel(), stored[attack], **SCORE, err_msg=attack)


def assert_is_the_printed_table(rows, case, ntest):
    expected = table(f"attacks/{case}/single_ntest{ntest}.csv").set_index("Attack").rename(index=ATTACK_NAMES)
    first = rows.drop_duplicates("attack").set_index("attack")
    assert_rounded(100 * first["balanced_accuracy"], expected["Acc"], 2)
    assert_rounded(100 * first["auc"], expected["AUC"], 2)
    for fpr in FPRS:
        at = rows[rows["fpr"] == fpr].set_index("attack")
        assert_rounded(100 * at["tpr"], expected[f"TPR@{100 * fpr:.4f}%FPR"], 3)
        assert_rounded(100 * at["precision"], expected[f"Prec@{100 * fpr:.4f}%FPR"], 2)


@pytest.mark.parametrize(("case", "ntest"), SINGLE)
def test_held_out_table(case, ntest):
    """The reference pools the held-out targets into one ROC."""
    stored = arrays(f"attacks/{case}/single_ntest{ntest}_scores.npz")
    pooled = {attack: stored[attack][None] for attack in ATTACK_NAMES.values()}
    rows = official_points(pooled, stored["answers"][None], FPRS, CASES[case]["prior"])
    assert_is_the_printed_table(rows.rename(columns={"ppv": "precision"}), case, ntest)


@pytest.mark.parametrize(("case", "ntest"), SINGLE)
def test_single_mode(case, ntest):
    """What ``lira score-attacks --targets`` prints."""
    stored = arrays(f"attacks/{case}/single_ntest{ntest}_scores.npz")
    shape = ntest, len(stored["answers"]) // ntest
    scores = {attack: stored[attack].reshape(shape) for attack in ATTACK_NAMES.values()}
    rows = single_target(scores, stored["answers"].reshape(shape), FPRS, CASES[case]["prior"])
    assert_is_the_printed_table(rows, case, ntest)


@pytest.mark.parametrize(("case", "ntest"), [of for of in SINGLE if of[0] in FINITE_CASES])
def test_file_of_held_out_targets(case, ntest, tmp_path):
    phi, member = inputs(case)
    shadows, targets = member[:-ntest], list(range(len(phi) - ntest, len(phi)))
    with hdf5.create(tmp_path / "shadows.h5", "shadows", {"dataset": "d"}) as file:
        file["phi"], file["member"] = phi, member
    lacks_in, lacks_out = not shadows.any(axis=0).all(), shadows.all(axis=0).any()
    if lacks_out:
        with pytest.raises(DataError, match=f"has no (IN|OUT) score among the {len(shadows)} shadow models"):
            score_file(tmp_path / "shadows.h5", tmp_path / "single.h5", targets=targets)
        return
    score_file(tmp_path / "shadows.h5", tmp_path / "single.h5", targets=targets)
    stored = arrays(f"attacks/{case}/single_ntest{ntest}_scores.npz")
    with hdf5.read(tmp_path / "single.h5", "scores") as file:
        assert hdf5.attributes(file)["targets"] == targets
        np.testing.assert_array_equal(file["member"][:], member[targets])
        assert {*file} - {"member"} == {name for name in stored if name != "answers"} - (
            {"online", "online_fixed"} if lacks_in else set()
        )
        for attack in {*file} - {"member"}:
            np.testing.assert_allclose(file[attack][:].ravel(), stored[attack], **SCORE, err_msg=attack)


@pytest.mark.parametrize("case", CASES)
def test_leave_one_out_thresholds(case):
    _, member = inputs(case)
    ours = official_points(loo_scores(case), member, FPRS, CASES[case]["prior"])
    stored = table(f"attacks/{case}/loo_threshold_info.csv").replace({"attack": ATTACK_NAMES})
    names = {"target_model": "target", "target_fpr": "fpr", "actual_fpr": "fpr_achieved", "precision": "ppv"}
    merged = ours.merge(stored.rename(columns=names), on=["attack", "target", "fpr"], suffixes=("", "_stored"))
    assert len(merged) == len(stored) == len(ours)
    for column in ("threshold", "fpr_achieved", "tpr", "ppv"):
        np.testing.assert_allclose(merged[column], merged[f"{column}_stored"], rtol=1e-12, atol=0, err_msg=column)


@pytest.mark.parametrize("case", CASES)
def test_leave_one_out_summary(case):
    _, member = inputs(case)
    rows = official_points(loo_scores(case), member, FPRS, CASES[case]["prior"])
    stored = table(f"attacks/{case}/loo_summary.csv").set_index("Attack").rename(index=ATTACK_NAMES)
    once = rows[rows["fpr"] == FPRS[0]]
    columns = {"AUC": (once, "auc", 2), "Acc": (once, "balanced_accuracy", 2)}
    for fpr in FPRS:
        at = rows[rows["fpr"] == fpr]
        columns |= {f"TPR@{100 * fpr:.4f}%FPR": (at, "tpr", 3), f"Prec@{100 * fpr:.4f}%FPR": (at, "ppv", 2)}
    for name, (frame, column, digits) in columns.items():
        percent = (100 * frame[column]).groupby(frame["attack"])
        assert_rounded(percent.mean(), stored[f"{name} Mean"], digits)
        assert_rounded(percent.std(), stored[f"{name} Std"], digits)


def assert_rounded(ours, stored, digits):
    np.testing.assert_allclose(ours.reindex(stored.index), stored, rtol=0, atol=0.5 * 10**-digits * (1 + 1e-6))
