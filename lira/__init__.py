"""Honest evaluation of the LiRA membership inference attack.

Does a model leak, which records, and how sure is that? From the scaled logits of shadow models to the answer:

>>> import lira, numpy as np
>>> world = np.random.default_rng(0)  # records differ in how easy they are, models fit their members better
>>> member = lira.balanced_membership(samples=400, models=16, fraction=0.5, seed=0)  # [model, sample]
>>> phi = world.normal(world.normal(0, 2, size=400) + 2 * member)[..., np.newaxis]  # scaled logits, with one view
>>> scores = lira.leave_one_out(phi, member)  # by attack, [model, sample]: each model is the target once
>>> rates = lira.calibrate(scores, member, fprs=[0.05], priors=[0.1])  # at thresholds that an attacker could choose
>>> summary = lira.summarise(scores, member, rates).query("metric == 'ppv' and mode == 'shadow'")  # over targets
>>> summary.set_index("attack")[["mean", "low", "high"]].round(2)  # how often a flag is right at 10 % members
               mean   low  high
attack
online         0.49  0.46  0.53
online_fixed   0.57  0.53  0.62
offline        0.43  0.40  0.47
offline_fixed  0.50  0.46  0.54
best           0.57  0.53  0.62
>>> axes = lira.plot_roc(scores, member)

Each name is loaded on first use. Every step of a study is a command too: ``lira --help``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_MODULES = {
    "Definition": "lira.attacks.lira",
    "held_out": "lira.attacks.lira",
    "leave_one_out": "lira.attacks.lira",
    "load_study": "lira.config",
    "audit": "lira.evaluation.audits.whole",
    "set_agreement": "lira.evaluation.agreement",
    "calibrate": "lira.evaluation.calibration",
    "count_detections": "lira.evaluation.detections",
    "epsilon_bound": "lira.evaluation.privacy",
    "threshold_at_fpr": "lira.evaluation.roc",
    "summarise": "lira.evaluation.summary",
    "plot_roc": "lira.report.figures.roc",
    "scaled_logit": "lira.shadows.logits",
    "balanced_membership": "lira.shadows.membership",
    "load_model": "lira.shadows.weights",
    "Run": "lira.storage.run",
}
__all__ = sorted(_MODULES)

if TYPE_CHECKING:
    from lira.attacks.lira import Definition as Definition
    from lira.attacks.lira import held_out as held_out
    from lira.attacks.lira import leave_one_out as leave_one_out
    from lira.config import load_study as load_study
    from lira.evaluation.agreement import set_agreement as set_agreement
    from lira.evaluation.audits.whole import audit as audit
    from lira.evaluation.calibration import calibrate as calibrate
    from lira.evaluation.detections import count_detections as count_detections
    from lira.evaluation.privacy import epsilon_bound as epsilon_bound
    from lira.evaluation.roc import threshold_at_fpr as threshold_at_fpr
    from lira.evaluation.summary import summarise as summarise
    from lira.report.figures.roc import plot_roc as plot_roc
    from lira.shadows.logits import scaled_logit as scaled_logit
    from lira.shadows.membership import balanced_membership as balanced_membership
    from lira.shadows.weights import load_model as load_model
    from lira.storage.run import Run as Run
else:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(import_module(_MODULES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
