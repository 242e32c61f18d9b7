"""The claim that a regime protects against the best attack, on made-up rates."""

import numpy as np
import pytest
from paper_results import write_run

from lira.paper.on_protection import judge_protection
from lira.paper.results import Results


def rates_of(attack, tpr, ppv, error=0.1):
    found = [(attack, mode, 1e-3, "tpr", np.nan, tpr, error) for mode in ("target", "shadow")]
    found += [(attack, "target", np.nan, "auc", np.nan, 60, 0.1)]
    return [*found, (attack, "shadow", 1e-3, "ppv_pooled", 0.01, ppv, 1.0)]


def judged(folder, baseline, aof):
    for regime, (lira, best) in (("baseline", baseline), ("aof", aof)):
        rates = [*rates_of("online", lira, 5 * lira), *(rates_of("best", best, 5 * best) if best is not None else [])]
        write_run(folder, f"cifar10/resnet18/{regime}", "resnet18", rates=rates)
    results = Results(sorted(folder.glob("runs/*/*/*/seed42")))
    rows = [row for row in judge_protection(results) if row["claim"].startswith("AOF")]
    return {row["part"]: row for row in rows}


def test_a_reduction_that_only_lira_sees_is_not_the_models(tmp_path):
    found = judged(tmp_path, baseline=(8.0, 8.0), aof=(1.0, 4.0))
    for place in ("own thresholds", "shadow thresholds"):
        assert found[f"direction, {place}"]["verdict"] == "holds"
        assert found[f"direction, {place}"]["ours"] == pytest.approx(2.0)
        compared = found[f"as much as against LiRA, {place}"]
        assert compared["verdict"] == "does not hold" and compared["ours"] == pytest.approx(2 / 8)
        assert "2.00× by the best attack, 8.00× by LiRA" in compared["numbers"]
    assert found["PPV at π = 1 %"]["ours"] == pytest.approx(20.0)
    assert found["PPV at π = 1 %"]["verdict"] == "holds"


def test_a_regime_that_protects_from_lira_alone(tmp_path):
    found = judged(tmp_path, baseline=(8.0, 8.0), aof=(1.0, 9.0))
    assert found["direction, own thresholds"]["verdict"] == "does not hold"


def test_a_study_of_one_attack_cannot_tell(tmp_path):
    found = judged(tmp_path, baseline=(8.0, None), aof=(1.0, None))
    assert {row["verdict"] for row in found.values()} == {"cannot tell"}


def test_a_rate_of_zero_says_why_there_is_no_reduction(tmp_path):
    found = judged(tmp_path, baseline=(8.0, 8.0), aof=(1.0, 0.0))
    assert "TPR of 0 after AOF" in found["direction, own thresholds"]["numbers"]
