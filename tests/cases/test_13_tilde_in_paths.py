"""choosehappy/HistoQC#197 and #198, ludwig-ai/ludwig#2754, hyperopt/hyperopt#72: ``~`` is the home folder."""

from types import SimpleNamespace

import pytest
from raw_files import TABLE, Y, own, prepared

from lira.config import Dataset, load_study
from lira.core.errors import DataError, StoreError
from lira.datasets import download_data, read_part
from lira.storage.run import Run
from lira.workflow import Plan


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    return tmp_path


def test_every_path_of_a_study_is_expanded(home):
    study = {
        "study": "s",
        "datasets": {"d": {"source": "file", "path": "~/own.npz", "kind": "image"}},
        "architectures": {"a": {"family": "timm", "name": "resnet18", "weights": "~/w.pt"}},
        "regimes": {"r": {}},
        "runs": {"d/a/r": {}, "d/b/r": {"scores": "~/s-{seed}.npz"}},
    }
    plan = Plan(load_study(study))
    assert plan.raw_files(SimpleNamespace(dataset="d")) == [f"{home}/own.npz"]
    assert plan.study.architectures["a"].weights == f"{home}/w.pt"
    run = SimpleNamespace(dataset="d", architecture="b", regime="r", seed="42")
    assert plan.scores_files(run) == [f"{home}/s-42.npz"]
    assert (
        load_study(study | {"datasets": "{d: {source: file, path: ~/x, kind: image}}"}).datasets["d"].path
        == f"{home}/x"
    )


def test_a_file_in_the_home_folder_is_found(home):
    own(home, x=TABLE, y=Y)
    assert len(prepared(Dataset(source="file", path="~/own.npz", kind="tabular"), home).x) == 40
    assert len(read_part("~/data.h5", "pool").x) == 40


@pytest.mark.parametrize("source", ["cifar10", "gtsrb", "purchase100"])
def test_raw_files_are_looked_for_where_they_are_to_be_put(home, monkeypatch, source):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(DataError) as error:
        download_data(Dataset(source=source, path="~/data"), home / "raw.json")
    assert f"{home}/data" in str(error.value) and "~/d" not in str(error.value)


def test_results_and_studies_are_found_from_a_notebook(home):
    (home / "s.yaml").write_text("study: s\nruns: {a/b/c: {scores: x}}\n")
    assert load_study("~/s.yaml").study == "s"
    with pytest.raises(StoreError, match=f"^{home}/results/shadows.h5 does not exist"):
        _ = Run("~/results").attributes
