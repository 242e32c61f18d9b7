"""Loads single shadow models from the shards of a study with ``store_weights``."""

from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

import h5py
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lira.config import Architecture, Recipe
from lira.core.errors import StoreError
from lira.core.plugins import check_code, load_function
from lira.datasets import read_part
from lira.shadows.loading import normalised
from lira.shadows.models import build
from lira.shadows.training.cohort import Samples
from lira.shadows.training.optimizers import Tensors
from lira.storage import hdf5
from lira.storage.identity import data_identity, digest_of


class ShadowModel(nn.Module):
    """Wraps a cohort network of one model as an ordinary module.

    Args:
        network: Built for one model.
        samples: Gives scale, mean and standard deviation of the training data.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, samples: Samples):
        super().__init__()
        self.network, self.scale = network, samples.scale
        self.register_buffer("mean", samples.mean)
        self.register_buffer("std", samples.std)

    def forward(self, x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch class"]:
        """Maps samples, with values as in the prepared dataset, to logits."""
        return self.network(((x.float() / self.scale - self.mean) / self.std)[None])[0]


def write_weights(file: h5py.File, weights: Tensors) -> None:
    """Writes parameters and buffers ``[m, ...]`` to a shard in their own types, those of 16 bits as float32.

    HDF5 takes a ``/``, which the key of a ModuleDict may have, for a group: names are written as in URLs.
    """
    for name, weight in weights.items():
        array = (weight.float() if weight.dtype in (torch.bfloat16, torch.float16) else weight).cpu().numpy()
        chunks = (1, *array.shape[1:])  # a chunk per model, so that one can be read by itself
        hdf5.dataset(file, f"weights/{quote(name, safe='')}", data=array, chunks=chunks)


def load_model(shard: Path | str, model: int, data: Path | str) -> ShadowModel:
    """Loads one shadow model as it was queried, in evaluation mode on the CPU.

    In a study with ``query_batchnorm: batch``, the stored logits are those of this model with its BatchNorm layers in
    training mode, on the same batches (:func:`lira.shadows.models.layers.set_query_mode`).

    Args:
        shard: Shard that holds the model.
        model: Its index in the run, from 0.
        data: The run's prepared dataset.

    Raises:
        StoreError: The shard lacks the model or its weights, or was made from another dataset.
        ConfigError: A network of one's own is now other code than that which the model was trained with.
    """
    with hdf5.read(data, "data") as file:
        checksum = file.attrs["sha256"]
    prepared = digest_of(data_identity(Path(data)))
    with hdf5.read(shard, "shard") as file:
        made = hdf5.attributes(file)
        if made["data_sha256"] != checksum or made.get("data_identity", prepared) != prepared:
            raise StoreError(
                f"{shard} was not made from {data}, or it was normalised otherwise: give the run's own prepared dataset"
            )
        if not made["first"] <= model <= made["last"]:
            raise StoreError(f"{shard} holds models {made['first']} to {made['last']}, not {model}")
        if "weights" not in file:
            raise StoreError(f"{shard} has no weights: set store_weights: true in the study and run snakemake again")
        row = model - made["first"]
        stored = file["weights"].items()
        weights = {unquote(name): torch.as_tensor(values[row : row + 1]) for name, values in stored}
    architecture, recipe = Architecture(**made["network"]), Recipe(**made["recipe"])
    part = normalised(read_part(data, "pool", slice(0)), architecture, recipe)
    check = partial(check_code, made["code"], f"{shard} was made", "take the code and the packages of then")
    check()
    for function, digest in made["code"].items():
        load_function(function, digest)
    network = build(architecture, 1, part.x.shape[1:], part.classes, recipe.dropout)
    check()  # again, as building may import more
    network.load_state_dict(weights)
    return ShadowModel(network, Samples(part, "cpu")).eval()
