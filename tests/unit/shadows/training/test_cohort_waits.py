"""A training epoch waits for the GPU once, at its end: watched on tensors that say they are on one and hold nothing."""

import numpy as np
import pytest
import torch
from packaging.version import Version
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from lira.config import Architecture, Recipe
from lira.shadows.models import build
from lira.shadows.rng import Streams
from lira.shadows.training import cohort
from lira.shadows.training.progress import Pass

MODELS, SHAPE = 2, (3, 16, 16)


class Waits(TorchDispatchMode):
    """Collects operations for which the host has to wait: copies that are not asynchronous, and values read."""

    def __init__(self):
        super().__init__()
        self.found, self.copies = [], 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        options = options or {}
        result = operation(*arguments, **options)
        name = operation.name()
        if name in ("aten::_local_scalar_dense", "aten::nonzero"):
            self.found.append(name)
        elif name in ("aten::_to_copy", "aten::copy_"):
            source = arguments[name == "aten::copy_"]
            if {source.device.type, result.device.type} == {"cpu", "cuda"}:
                self.copies += 1
                asynchronous = options.get("non_blocking") or (len(arguments) > 2 and arguments[2])
                if not (asynchronous and source in PINNED):
                    self.found.append(f"{name} of {tuple(source.shape)} from {source.device.type}")
        return result


class Known:
    """Tensors by identity."""

    def __init__(self):
        self.tensors = []

    def add(self, tensor):
        self.tensors.append(tensor)
        return tensor

    def __contains__(self, tensor):
        return any(known is tensor for known in self.tensors)


PINNED = Known()


@pytest.fixture
def gpu(monkeypatch):
    """A GPU without arithmetic: torch's own random draws, backward pass and fused kernels are left out."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: PINNED.add(tensor.clone()))
    monkeypatch.setattr(torch.Tensor, "numpy", lambda tensor: np.zeros(tensor.shape))
    monkeypatch.setattr(torch.autograd, "grad", lambda _, inputs, **__: [torch.zeros_like(value) for value in inputs])
    monkeypatch.setattr(torch, "_fused_sgd_", lambda *_, **__: None)
    monkeypatch.setattr(torch, "_fused_adamw_", lambda *_, **__: None)
    monkeypatch.setattr(
        Streams, "uniform", lambda streams, shape: torch.rand(len(streams.noise), *shape, device="cuda")
    )
    monkeypatch.setattr(Streams, "scalars", lambda streams: np.full(len(streams.host), 0.3))
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def samples():
    pool = object.__new__(cohort.Samples)
    pool.x = torch.zeros(40, *SHAPE, dtype=torch.uint8, device="cuda")
    pool.y = torch.zeros(40, dtype=torch.long, device="cuda")
    pool.mean, pool.std = (torch.ones(3, 1, 1, device="cuda") for _ in range(2))
    pool.scale, pool.device = 255.0, "cuda"
    return pool


@pytest.mark.skipif(
    Version(torch.__version__) < Version("2.10") and not torch.cuda.is_available(),
    reason="before torch 2.10, tensors that say they are on a GPU need one",
)
@pytest.mark.parametrize(
    "settings",
    [
        {"augment": ["flip", "crop", "rotate", "jitter", "cutout", "cutmix", "mixup"], "dropout": 0.1},
        {"optimizer": "adamw", "schedule": "onecycle"},
    ],
    ids=["sgd", "adamw"],
)
def test_an_epoch_waits_once_at_its_end(settings, gpu):
    recipe = Recipe(batch_size=8, precision="float32", **settings)
    network = build(Architecture(family="wideresnet", depth=10, width=1), MODELS, SHAPE, 5, recipe.dropout)
    initial = {name: torch.zeros(value.shape, device="cuda") for name, value in network.state_dict().items()}
    state, streams = cohort.start(network, initial, recipe, MODELS).state, Streams(0, range(MODELS))
    streams.device = "cuda"
    members = [torch.arange(24), torch.arange(34)]  # models of unequal numbers of steps
    with Waits() as waits:
        cohort.train_epoch(network, state, recipe, samples(), Pass.of(members, streams), streams, 0)
    assert waits.copies > 3
    assert waits.found == ["aten::_to_copy of (2,) from cuda"]  # the losses
