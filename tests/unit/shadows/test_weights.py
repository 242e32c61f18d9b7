"""Kept weights are those that were queried, whichever cohort, shard or resumed job wrote them."""

import sys

import numpy as np
import pytest
import torch
from array_files import read_arrays
from own_networks import Own
from receipts import models_of

from lira.config import Architecture, Dataset, load_study
from lira.core import preemption
from lira.core.errors import ConfigError, StoreError
from lira.core.plugins import code_digest
from lira.datasets import prepare_data, read_part
from lira.shadows.jobs import train_shadows
from lira.shadows.logits import scaled_logit
from lira.shadows.weights import load_model

ARCHITECTURES = {
    "fcn": Architecture(family="fcn", hidden=[12], activation="relu", flatten=True),
    "resnet": Architecture(family="resnet", widths=[4, 6]),
    "timm": Architecture(family="timm", name="test_efficientnet"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "digits.h5"
    prepare_data(Dataset(test=100, public=1497, pool="train"), None, 0, file)
    return file


def study(architecture="fcn", **settings):
    epochs, cohort = (1, 1) if architecture == "timm" else (2, 2)
    regime = {"epochs": epochs, "batch_size": 32, "cohort": cohort, "query_views": 1}
    return load_study(
        {
            "study": "kept",
            "shadow_models": 4,
            "shard_size": 4,
            "seeds": [0],
            "store_logits": True,
            "datasets": {"digits": {"source": "digits", "test": 100, "public": 1497}},
            "architectures": {name: each.model_dump() for name, each in ARCHITECTURES.items()},
            "regimes": {"r": regime | {"query_batchnorm": "running"}},
            "runs": {f"digits/{architecture}/r": {}},
        }
        | settings
    )


def train(data, output, architecture="fcn", **settings):
    made, key = study(architecture, **settings), f"digits/{architecture}/r"
    train_shadows(made.training_settings(key), made.describe_run(key, 0), data, 0, 3, output)
    return models_of(output)[0]


@pytest.mark.parametrize("options", [{}, {"normalise": False, "target_model": "last"}], ids=["default", "options"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_that_is_loaded_back_gives_its_stored_logits(data, tmp_path, architecture, options):
    runs = {f"digits/{architecture}/r": options}
    shard = train(data, tmp_path / "shard" / "0-3.json", architecture, store_weights=True, runs=runs)
    pool, stored = read_part(data, "pool"), read_arrays(shard)
    for model in range(4):
        with torch.no_grad():
            loaded = load_model(shard, model, data)
            logits = loaded(torch.as_tensor(pool.x)).numpy()
        assert (loaded.mean.max() == 0 and loaded.std.min() == 1) == bool(options)
        np.testing.assert_allclose(logits, stored["logits"][model, :, 0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(scaled_logit(logits[:, None], pool.y), stored["phi"][model], rtol=1e-3, atol=1e-3)
    types = {name: values.dtype for name, values in stored.items() if name.startswith("weights/")}
    counted = {name for name in types if name.endswith("num_batches_tracked")}
    assert all(found == (np.int64 if name in counted else np.float32) for name, found in types.items())
    assert not np.allclose(stored["logits"][0], stored["logits"][1])


def test_a_resumed_shard_holds_the_weights_of_every_model(data, tmp_path, monkeypatch):
    def stop():
        if list((tmp_path / "cut").glob("0-1.*.h5")):
            raise preemption.Preempted

    whole = read_arrays(train(data, tmp_path / "whole" / "0-3.json", store_weights=True))
    with monkeypatch.context() as patched:
        patched.setattr(preemption, "may_stop", stop)
        with pytest.raises(preemption.Preempted):
            train(data, tmp_path / "cut" / "0-3.json", store_weights=True)
    assert [file.name.split(".")[0] for file in (tmp_path / "cut").glob("*.h5")] == ["0-1"]
    resumed = read_arrays(train(data, tmp_path / "cut" / "0-3.json", store_weights=True))
    assert resumed.keys() == whole.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(resumed[name], values)


@pytest.mark.parametrize("first", [True, False])
def test_models_that_have_no_weights_are_given_none_by_those_that_have(data, tmp_path, monkeypatch, first):
    def stop():
        if list((tmp_path / "cut").glob("0-1.*.h5")):
            raise preemption.Preempted

    with monkeypatch.context() as patched:
        patched.setattr(preemption, "may_stop", stop)
        with pytest.raises(preemption.Preempted):
            train(data, tmp_path / "cut" / "0-3.json", store_weights=first)
    train(data, tmp_path / "cut" / "0-3.json")
    shards = models_of(tmp_path / "cut" / "0-3.json")
    assert [file.name.split(".")[0] for file in shards] == (["0-1", "2-3"] if first else ["0-3"])
    if first:
        load_model(shards[0], 1, data)
    with pytest.raises(StoreError, match="has no weights: set store_weights: true"):
        load_model(shards[-1], 3, data)


def test_nothing_else_depends_on_whether_weights_are_kept(data, tmp_path):
    kept, left = (
        read_arrays(train(data, tmp_path / "a" / "0-3.json", store_weights=True)),
        read_arrays(train(data, tmp_path / "b" / "0-3.json")),
    )
    assert {name for name in kept if name not in left} == {
        f"weights/{layer}.{name}" for layer in ("hidden.0", "classifier") for name in ("weight", "bias")
    }
    for name, values in left.items():
        np.testing.assert_array_equal(kept[name], values)


def test_what_cannot_be_loaded_is_said(data, tmp_path):
    shard = train(data, tmp_path / "shard" / "0-3.json")
    other = tmp_path / "other.h5"
    prepare_data(Dataset(test=110, public=1487, pool="train"), None, 0, other)
    scaled = tmp_path / "scaled.h5"
    prepare_data(Dataset(test=100, public=1497, pool="train", mean=[3.0], std=[2.0]), None, 0, scaled)
    for model, given, said in (
        (0, data, "has no weights: set store_weights: true"),
        (4, data, "holds models 0 to 3, not 4"),
        (0, other, "was not made from"),
        (0, scaled, "was not made from .*scaled.h5, or it was normalised otherwise"),
    ):
        with pytest.raises(StoreError, match=said):
            load_model(shard, model, given)


KEPT = """
class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.parts = nn.ModuleDict({"a/b": nn.Linear(12, 8), "a%2Fb": nn.Linear(8, classes)})
        self.own = nn.ParameterDict({"a": nn.Parameter(torch.ones(8)), "a/b": nn.Parameter(torch.zeros(classes))})
        self.short = nn.Linear(8, 8).bfloat16()
        self.register_buffer("large", torch.tensor([2**40 + 1]))
        self.register_buffer("time", torch.tensor(1.7e9 + 0.123, dtype=torch.float64))
        self.register_buffer("chosen", torch.arange(12) % 2 == 0)

    def forward(self, x):
        x = self.parts["a/b"](x * self.chosen) * self.own["a"] * (self.large % 2)
        x = torch.relu(x + self.short(x.bfloat16()).float()) + 10 * (self.time - 1.7e9).float()
        return self.parts["a%2Fb"](x) + self.own["a/b"]


def build(shape, classes, dropout):
    return Net(classes)
"""


def test_weights_of_every_type_and_name_are_loaded_as_they_were(tmp_path, monkeypatch):
    """2**40 + 1 and seconds since 1970 are no float32, and HDF5 takes a / in a name for a group."""
    stored = Own(tmp_path, monkeypatch, KEPT, epochs=1).train()
    (shard,) = (tmp_path / "0-3").glob("*.h5")
    model = load_model(shard, 1, tmp_path / "data.h5")
    with torch.no_grad():
        logits = model(torch.as_tensor(read_part(tmp_path / "data.h5", "pool").x)).numpy()
    np.testing.assert_allclose(logits, stored["logits"][1, :, 0], rtol=1e-3, atol=1e-3)
    own = model.network.module
    assert (own.large.item(), own.large.dtype, own.chosen.dtype) == (2**40 + 1, torch.int64, torch.bool)
    assert own.time.item() == 1.7e9 + 0.123 and own.short.weight.dtype == torch.bfloat16


def test_weights_are_not_put_into_a_network_of_other_code(tmp_path, monkeypatch):
    network = "nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, classes))"
    own = Own(tmp_path, monkeypatch, f"def build(shape, classes, dropout):\n    return {network}\n")
    code, probe = {"probe:build": code_digest("probe:build")}, tmp_path / "probe.py"
    settings, output = own.study.training_settings(own.key, code), tmp_path / "0-3" / "0-3.json"
    train_shadows(settings, own.study.describe_run(own.key, 0), tmp_path / "data.h5", 0, 3, output)
    models, written = models_of(output)[0], probe.read_text()
    pool = torch.as_tensor(read_part(tmp_path / "data.h5", "pool").x)
    with torch.no_grad():
        logits = load_model(models, 1, tmp_path / "data.h5")(pool).numpy()
    np.testing.assert_allclose(logits, read_arrays(models)["logits"][1, :, 0], rtol=1e-4, atol=1e-4)
    for forgotten in (False, True):
        probe.write_text(written.replace("ReLU", "Tanh"))
        if forgotten:
            sys.modules.pop("probe")
        with pytest.raises(ConfigError, match=r"^probe:build: probe.py .* has changed since .*h5 was made: take"):
            load_model(models, 1, tmp_path / "data.h5")
        probe.write_text(written)
        load_model(models, 1, tmp_path / "data.h5")
