"""Which of the paper's tables stand beside a study's own numbers."""

import pytest
from paper_results import PUBLISHED

from lira.config import load_study, read_yaml
from lira.paper.benchmarks import comparable_tables


@pytest.fixture
def settings(request):
    return lambda name: read_yaml(request.config.rootpath / name)


def tables_of(settings):
    study = load_study(settings)
    return comparable_tables(study, list(study.agreement))


def test_the_papers_study_has_all_of_them(settings):
    assert sorted(tables_of(settings("studies/paper.yaml"))) == PUBLISHED


@pytest.mark.parametrize("name", ["workflow_config.yaml", "studies/smoke.yaml"])
def test_studies_of_other_data_have_none(settings, name):
    assert tables_of(settings(name)) == []


def test_fewer_models_and_another_network_have_none(settings):
    paper = settings("studies/paper.yaml")
    assert tables_of(paper | {"shadow_models": 64}) == []
    networks = {name: {"family": "resnet"} for name in paper["architectures"]}
    other = {key: run for key, run in paper["runs"].items() if key.startswith("cifar10/resnet18/")}
    kept = {"runs": other, "agreement": {}, "ablation": [], "transfer": []}
    assert tables_of(paper | kept) == ["utility", "optimistic", "calibrated"]
    recipes = {key: {"start": "scratch"} for key in other}
    assert tables_of(paper | kept | {"runs": recipes, "architectures": networks}) == []


def test_imported_scores_go_by_the_name_of_their_architecture(settings, tmp_path):
    place = {"scores": str(tmp_path), "seeds": [0]}
    settings = settings("studies/smoke.yaml") | {"agreement": {}, "ablation": [], "transfer": []}
    assert tables_of(settings | {"runs": {"cifar10/resnet18/baseline": place}}) == PUBLISHED_OF_ONE
    assert tables_of(settings | {"runs": {"cifar10/mine/baseline": place}}) == []


PUBLISHED_OF_ONE = ["utility", "optimistic", "calibrated"]
