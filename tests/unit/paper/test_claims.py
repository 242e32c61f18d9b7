"""A study judged whole: its claims and its numbers beside the published ones."""

import re

import pandas as pd
import pytest
from paper_results import PUBLISHED, RATES, write_run
from synthetic_study import RUNS, agreement_folder, run_folder

from lira.config.margins import Margins
from lira.paper.claims import judge_study

MARGINS = Margins().model_dump()


def test_a_study_without_the_papers_regimes_is_judged(tmp_path):
    runs = [write_run(tmp_path, "cifar10/resnet18/other", "resnet18", rates=RATES)]
    judge_study(runs, [], Margins(), tmp_path / "judged")
    assert {path.stem for path in (tmp_path / "judged").iterdir()} == {"claims"}
    assert "studies/paper.yaml sets each beside its own" in (tmp_path / "judged" / "claims.md").read_text()
    claims = pd.read_csv(tmp_path / "judged" / "claims.csv").set_index("claim")
    assert set(claims["verdict"]) == {"cannot tell"}
    assert claims.loc["AOF cuts the TPR", "numbers"] == "no cell with a baseline"


@pytest.fixture(scope="module")
def judged(study, tmp_path_factory):
    output = tmp_path_factory.mktemp("judged")
    runs = [run_folder(study, *key, seeds[0]) for key, seeds in RUNS.items()]
    judge_study(runs, [agreement_folder(study)], Margins(), output, PUBLISHED)
    return output


def test_a_study_is_judged_whole(judged):
    made = {"verdict", "claims", *(f"published-{name}" for name in PUBLISHED)}
    assert {path.stem for path in judged.iterdir()} == made
    assert {path.suffix for path in judged.iterdir()} == {".csv", ".md", ".tex", ".html"}
    verdict = pd.read_csv(judged / "verdict.csv").set_index("table")
    assert (verdict[["agrees", "differs", "cannot tell"]] == 0).all(axis=None)
    assert verdict.loc["utility", "not comparable"] == 50
    claims = pd.read_csv(judged / "claims.csv")
    assert set(claims["verdict"]) <= {"holds", "does not hold", "cannot tell"}
    by = claims.set_index(["claim", "part"])["verdict"]
    assert by["AOF cuts the TPR", "direction"] == "holds"  # as the made-up study was made
    for path in judged.glob("*.md"):
        text, rows = path.read_text(), pd.read_csv(path.with_suffix(".csv"))
        folded = int((rows["verdict"] == "not comparable").sum()) if path.stem.startswith("published") else 0
        assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + len(rows) - folded
        assert sum(map(int, re.findall(r"as not comparable \(.*\): (\d+)\.", text))) == folded
    assert "not comparable (dataset" in (judged / "published-utility.md").read_text()


def test_the_same_results_give_the_same_bytes(judged, study, tmp_path):
    runs = [run_folder(study, *key, seeds[0]) for key, seeds in RUNS.items()]
    judge_study(runs, [agreement_folder(study)], Margins(), tmp_path, PUBLISHED)
    for path in judged.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name
