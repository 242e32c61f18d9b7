"""aidotse/LeakPro#123: a default that is not the user's does not fail a small pool."""

import numpy as np
import pytest

from lira.attacks.lira import score_file
from lira.config import ImportedRecipe, RunDescription, load_study
from lira.core.errors import ConfigError
from lira.pages import Pages
from lira.report.catalogue import entries
from lira.report.plot import plot
from lira.shadows.imported import import_scores
from lira.shadows.membership import balanced_membership
from lira.workflow import Plan

STUDY = {"study": "s", "runs": {"patients/clinic/baseline": {"scores": "phi.npz"}}}


@pytest.fixture
def run(tmp_path):
    member = balanced_membership(samples=15, models=8, fraction=0.5, seed=0)
    np.savez(tmp_path / "phi.npz", phi=np.random.default_rng(0).normal(2 * member, 1), member=member)
    key = RunDescription(study="s", dataset="patients", architecture="clinic", regime="baseline", seed=42)
    import_scores(tmp_path / "phi.npz", key, ImportedRecipe(), None, tmp_path / "run" / "shadows.h5")
    score_file(tmp_path / "run" / "shadows.h5", tmp_path / "run" / "scores.h5")
    return tmp_path / "run"


def test_the_default_is_a_sample_of_the_pool(run, tmp_path):
    assert len(plot("in_out", [run], tmp_path / "default.pdf")) == 2
    with pytest.raises(ConfigError, match="sample is 21: allowed are whole numbers from 0 to 14"):
        plot("in_out", [run], tmp_path / "other.pdf", sample=21)


@pytest.mark.parametrize(
    ("given", "options"), [({}, []), ({"sample": 21}, ["--sample", "21"]), ({"sample": 0}, ["--sample", "0"])]
)
def test_only_what_the_user_gives_is_passed_on(given, options):
    pages = Pages(Plan(load_study(STUDY | given)))
    (entry,) = (one for one in entries() if one.name == "in_out")
    wildcards = type("W", (), {"dataset": "patients", "architecture": "clinic", "scope": ""})
    assert pages.options(entry)(wildcards) == options
