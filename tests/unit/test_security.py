"""Files and names cannot run code: pickles are refused, and the package has no call that would run any."""

import ast
import pickle
import re

import numpy as np
import pytest
import torch
from torchvision import datasets as vision

from lira.config import Architecture, Dataset, ImportedRecipe, RunDescription, load_study
from lira.core.errors import ConfigError, DataError, LiraError, StoreError
from lira.datasets import prepare_data
from lira.shadows.imported import import_scores
from lira.shadows.jobs import _initial
from lira.shadows.models import build
from lira.shadows.training.progress import Checkpoint

RUN = RunDescription(study="s", dataset="d", architecture="a", regime="r", seed=0)

FORBIDDEN = {"eval", "exec", "compile", "os.system", "os.popen", "__import__"}
NEEDED = {name: ("weights_only", True) for name in ("torch.load", "load_state_dict")}
NEEDED |= {"np.load": ("allow_pickle", False)}


class Payload:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.path),)


@pytest.fixture
def payload(tmp_path):
    """The pickle, and where it shows that it was loaded."""
    (tmp_path / "loaded").mkdir()
    pickle.loads(pickle.dumps(Payload(tmp_path / "loaded" / "it_works")))
    assert (tmp_path / "loaded" / "it_works").is_dir()
    yield Payload(tmp_path / "loaded" / "by_lira")
    assert not (tmp_path / "loaded" / "by_lira").exists()


def calls(root):
    """Calls in the package as (file, name, keywords); ``.load_state_dict`` of a module loads no file."""
    for file in sorted((root / "lira").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                yield file, ast.unparse(node.func), {word.arg: word.value for word in node.keywords}


def test_no_call_in_the_package_runs_what_a_file_or_a_name_says(request):
    seen = set()
    for file, name, keywords in calls(request.config.rootpath):
        assert name not in FORBIDDEN and not name.startswith(("pickle.", "marshal.", "shelve.")), (file, name)
        assert not getattr(keywords.get("shell"), "value", False), (file, name)
        if name == "yaml.load":
            assert keywords["Loader"].id == "_UniqueKeys", file  # a SafeLoader
        if name in NEEDED:
            keyword, value = NEEDED[name]
            assert keyword in keywords and keywords[keyword].value is value, (file, name)
        seen.add(name)
    assert {"yaml.load", *NEEDED} <= seen


def test_every_value_in_a_shell_command_is_quoted(request):
    checked = 0
    for file in (request.config.rootpath / "rules").glob("*.smk"):
        for block in re.findall(r"^    shell:\n((?:        .*\n)+)", file.read_text(), re.MULTILINE):
            for value in re.findall(r"\{[^}]*\}", block):
                assert value.endswith(":q}"), (file.name, value)
                checked += 1
    assert checked > 50


def test_pickles_among_data_and_scores_are_refused(tmp_path, payload):
    objects = np.array([payload], object)
    np.savez(tmp_path / "own.npz", x=objects, y=objects)
    np.savez(tmp_path / "scores.npz", phi=objects, member=objects)
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(payload))
    for name in ("own.npz", "raw.npz"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            prepare_data(Dataset(source="file", path=str(tmp_path / name), kind="tabular"), None, 0, tmp_path / "d.h5")
    with pytest.raises(DataError, match=r"scores.npz cannot be read"):
        import_scores(tmp_path / "scores.npz", RUN, ImportedRecipe(), None, tmp_path / "s.h5")
    (tmp_path / "folder" / "model_0" / "scores").mkdir(parents=True)
    np.save(tmp_path / "folder" / "keep_indices.npy", objects)
    np.save(tmp_path / "folder" / "model_0" / "scores" / "scores.npy", objects)
    with pytest.raises(DataError, match=r"keep_indices.npy is not a readable .npy array"):
        import_scores(tmp_path / "folder", RUN, ImportedRecipe(), None, tmp_path / "s.h5")


def test_pickles_among_weights_and_checkpoints_are_refused(tmp_path, payload):
    for name in ("model.pt", "weights.pt"):
        torch.save({"fingerprint": "f", "x": payload}, tmp_path / name)
    with pytest.raises(StoreError, match=r"model.pt is damaged \(Weights only load failed"):
        _initial(torch.nn.Linear(1, 1), [torch.Generator()], tmp_path / "model.pt", "cpu")
    assert Checkpoint(tmp_path / "model.pt", "f").load(None, "cpu") is None
    architecture = Architecture(family="timm", name="resnet18", weights=str(tmp_path / "weights.pt"))
    with pytest.raises(DataError, match=r"weights.pt is neither a safetensors file nor a state dict"):
        build(architecture, 1, (3, 32, 32), 10, 0.0, True)


def test_cifar_is_unpickled_only_after_its_checksum(tmp_path, payload):
    batches = tmp_path / vision.CIFAR10.base_folder
    batches.mkdir()
    files = [file for file, _ in vision.CIFAR10.train_list + vision.CIFAR10.test_list]
    for name in [*files, vision.CIFAR10.meta["filename"]]:
        (batches / name).write_bytes(pickle.dumps(payload))
    with pytest.raises(DataError, match=r"data_batch_1 is damaged \(MD5 .*\): delete it and run again"):
        prepare_data(Dataset(source="cifar10", path=str(tmp_path), pool="train"), None, 0, tmp_path / "d.h5")


STUDY = {"study": "s", "runs": {"d/a/r": {"scores": "scores.npz"}}}
HOSTILE = ["; rm -rf x", "$(touch x)", "`touch x`", "x && y", "a|b", "a>b", "<script>alert(1)</script>", "a'b", 'a"b']
HOSTILE += ["a\nb", "--output=x", "-x", "{wildcards.x}", "{input}", "a\x00b", "a\x1b[2Jb", "*", "a\\b", "x\u202ey"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_paths_that_a_shell_or_a_page_would_act_on_are_refused(text):
    dataset = {"source": "file", "path": "x.npz", "kind": "tabular"}
    for study in (
        STUDY | {"study": text},
        STUDY | {"datasets": {text: dataset}},
        STUDY | {"datasets": {"d": dataset | {"path": text}}},
        STUDY | {"datasets": {"d": dataset | {"source": text}}},
        STUDY | {"datasets": {"d": dataset | {"source": f"module:{text}"}}},
        STUDY | {"architectures": {text: {"family": "fcn"}}},
        STUDY | {"architectures": {"a": {"family": text}}},
        STUDY | {"architectures": {"a": {"family": "timm", "name": text}}},
        STUDY | {"architectures": {"a": {"family": "timm", "name": "x", "weights": text}}},
        STUDY | {"regimes": {text: {}}},
        STUDY | {"regimes": {"r": {"augment": [text]}}},
        STUDY | {"runs": {f"d/a/{text}": {"scores": "x"}}},
        STUDY | {"runs": {"d/a/r": {"scores": text}}},
        STUDY | {"runs": {"d/a/r": {"scores": "x", "augment": [text]}}},
        STUDY | {"agreement": {text: []}},
        STUDY | {"ablation": [text]},
        STUDY | {"device": text},
    ):
        with pytest.raises(ConfigError) as error:
            load_study(study)
        assert str(error.value).isprintable() and "\n" not in str(error.value)


def test_ordinary_paths_are_fine():
    for path in ("data/x.npz", "/home/a b/x (1).npz", "~x/é, #2 @50%=~.h5", "../x", "scores-{seed}.npz"):
        assert load_study({"study": "s", "runs": {"d/a/r": {"scores": path}}}).runs["d/a/r"].scores == path


def test_an_error_is_one_line_that_no_terminal_acts_on():
    assert str(LiraError("a\n  b\x1b[2J\u202e")) == r"a b\x1b[2J\u202e"
    assert str(LiraError("é ± φ is fine")) == "é ± φ is fine"
