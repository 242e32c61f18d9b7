"""The section of a dataset: where its samples come from, and how they are divided."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lira.config.catalogue import DATASETS, FORM, FUNCTION
from lira.config.paths import PlainPath
from lira.config.sections import Count, Positive, Seed, Settings
from lira.core.errors import ConfigError
from lira.core.validation import allowed, check_choice

VIEW = r"(?:\d+px-)?train(?:-test)?(?:-test\d+)?(?:-public\d+)?-split(\d+)"
"""Pattern of :meth:`Dataset.view`, with the seed of the split as a group."""


class Dataset(Settings):
    """Where samples come from and how they are divided into pool, test set and public part."""

    source: str = Field(
        "digits",
        description="digits, cifar10, cifar100, gtsrb, purchase100, synthetic, file or package.module:function.",
    )
    path: PlainPath | None = Field(
        None, description="Folder of the raw files (default: data), or the user's own .npz or HDF5 file."
    )
    kind: Literal["image", "tabular"] | None = Field(None, description="file and functions: what the samples are.")
    pool: Literal["train", "train+test"] | None = Field(
        None, description="Samples the shadow models divide among them; the protocol's if not given."
    )
    test: Positive | None = Field(
        None,
        description="Samples set aside to choose the best epoch and measure utility; the dataset's own if not given.",
    )
    public: Count = Field(0, description="Samples set aside to pretrain on, disjoint from the others.")
    seed: Seed | Literal["run"] = Field(0, description="Seed of the split; run: each run's own, as for Purchase-100.")
    normalise: bool = Field(
        True, description="Whether values are centred and scaled; false for categories, such as ids of tokens."
    )
    mean: list[float] | None = Field(
        None, description="Per channel or feature, after division by scale; the dataset's or the pool's if not given."
    )
    std: list[Annotated[float, Field(gt=0)]] | None = Field(None, description="Standard deviation, likewise.")
    samples: Positive = Field(20_000, description="synthetic: number of samples.")
    features: Positive = Field(600, description="synthetic: number of binary features.")
    classes: Annotated[Positive, Field(ge=2)] = Field(100, description="synthetic: number of classes.")

    @model_validator(mode="after")
    def _loadable(self) -> "Dataset":
        if self.source not in DATASETS and not re.fullmatch(FUNCTION, self.source):
            check_choice(self.source, "source", [*DATASETS, FORM])
        if DATASETS.get(self.source) is None and self.kind is None:
            raise ConfigError(f"kind is missing: {self.source} needs it, {allowed(['image', 'tabular'])}")
        if DATASETS.get(self.source) is not None and self.kind is not None:
            raise ConfigError(f"kind is {self.kind!r}: what {self.source} holds is known, leave it out")
        if self.source == "file" and self.path is None:
            raise ConfigError("path is missing: file needs the path of an .npz or HDF5 file")
        if (self.mean is None) != (self.std is None):
            raise ConfigError("mean and std are needed together: give both or neither")
        if self.mean is not None and not self.normalise:
            raise ConfigError("normalise is False: allowed with mean and std is True")
        return self

    @property
    def holds(self) -> str:
        """``image`` or ``tabular``."""
        return self.kind or str(DATASETS[self.source])

    @property
    def draws_pool(self) -> bool:
        """Tells whether runs of different seeds have different pools."""
        own = self.source == "purchase100" and self.pool != "train+test"
        return self.seed == "run" and bool(own or self.test or self.public)

    def split_seed(self, seed: int) -> int:
        """Returns the seed of the split in a run of the given seed."""
        return seed if self.seed == "run" else self.seed

    def view(self, size: int | None, seed: int) -> str:
        """Returns the part of the file name that identifies how the dataset is prepared.

        Args:
            size: Height and width to which images are resized, if they are.
            seed: The run's seed.
        """
        parts = [f"{size}px" if size else "", str(self.pool).replace("+", "-")]
        parts += [f"test{self.test}" if self.test else "", f"public{self.public}" if self.public else ""]
        parts += [f"split{self.split_seed(seed)}"]
        return "-".join(filter(None, parts))


class DataSpec(Settings):
    """What is asked of a prepared dataset."""

    settings: Dataset
    size: Positive | None
    seed: Seed
    code: dict[str, str] = Field({})
