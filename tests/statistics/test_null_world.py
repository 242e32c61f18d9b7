"""Where membership is permuted, every attack must sit at chance, whatever the scores look like."""

import numpy as np
import pytest
from worlds import gaussian_world

from lira.attacks.lira import leave_one_out
from lira.attacks.registry import ATTACKS
from lira.evaluation.agreement import set_agreement
from lira.evaluation.calibration import calibrate
from lira.evaluation.controls import permuted_membership
from lira.evaluation.detections import count_detections, support_qualified

FPRS = (0.01, 0.1)


@pytest.fixture(scope="module")
def runs():
    """Scores and membership of two null runs on one very vulnerable pool."""
    found = []
    for seed in (1, 2):
        phi, member = gaussian_world(64, 1500, 4.0, seed, views=2, spread=2.0)
        member = permuted_membership(member, seed)
        found.append((leave_one_out(phi, member, [*ATTACKS]), member))
    return found


def test_every_attack_is_at_chance(runs):
    scores, member = runs[0]
    rates = calibrate(scores, member, FPRS, [0.1])
    for attack in ATTACKS:
        rows = rates[rates["attack"] == attack]
        assert rows["auc"].mean() == pytest.approx(0.5, abs=0.01)
        for fpr in FPRS if attack != "reference" else FPRS[1:]:  # whose 33 levels do not resolve the first
            at = rows[(rows["fpr"] == fpr) & (rows["mode"] == ("target" if attack == "global" else "shadow"))]
            assert at["tpr"].mean() == pytest.approx(at["fpr_achieved"].mean(), abs=0.2 * fpr + 0.002)
    online = rates[(rates["attack"] == "online") & (rates["mode"] == "shadow") & (rates["fpr"] == 0.1)]
    assert online["ppv"].mean() == pytest.approx(0.1, abs=0.02)


def test_chance_flags_and_agrees_on_something(runs):
    """Chance flags samples too, fewer for larger support, and two runs share few of them."""
    sets = {}
    for support in (1, 4):
        chosen = []
        for scores, member in runs:
            rates = calibrate({"online": scores["online"]}, member, [0.01], [0.5])
            thresholds = rates[rates["mode"] == "shadow"]["threshold"].to_numpy()
            chosen.append(support_qualified(count_detections(scores["online"], member, thresholds), support))
        sets[support] = set_agreement(np.stack(chosen), 2)
    assert sets[1].union > 20
    assert sets[1].jaccard < 0.1
    assert sets[4].union < sets[1].union / 2
