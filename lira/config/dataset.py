"""The section of a dataset: where its samples come from, and how they are divided."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lira.config.catalogue import DATASETS
from lira.config.paths import PlainPath
from lira.config.sections import MOST, Count, Positive, Seed, Settings, check_function
from lira.core.errors import ConfigError
from lira.core.validation import allowed, check_distinct, quoted

VIEW = r"(?:\d+px-)?train(?:-test)?(?:-samples\d+)?(?:-test\d+)?(?:-public\d+)?-split(\d+)"
"""Pattern of :meth:`Dataset.view`, with the seed of the split as a group."""


SYNTHETIC = 20_000, 600
"""Samples and features of ``synthetic`` if it is given no others."""

COLUMNS = ("label", "id", "groups")
"""Settings that name a column of the user's own table."""


def _number_or_names(value: Any) -> Any:
    names = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    if value is not None and not names and not (isinstance(value, int) and 1 <= value <= MOST):
        raise PydanticCustomError("features", "allowed are a list of columns, or for synthetic their number")
    return value


def _seed_or_run(value: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validated(value)
    except ValidationError:
        raise PydanticCustomError("seed", "allowed are whole numbers from 0 to 4294967295 and 'run'") from None


class Dataset(Settings):
    """Where samples come from and how they are divided into pool, test set and public part."""

    source: str = Field(
        "digits",
        description="digits, cifar10, cifar100, gtsrb, purchase100, location30, synthetic, file or "
        "package.module:function.",
    )
    path: PlainPath | None = Field(
        None, description="Folder of the raw files (default: data), or the user's own .npz, HDF5, CSV or parquet file."
    )
    kind: Literal["image", "tabular"] | None = Field(None, description="file and functions: what the samples are.")
    label: str | None = Field(None, description="file: column of the labels, which CSV and parquet files need.")
    features: Annotated[int | list[str] | None, BeforeValidator(_number_or_names)] = Field(
        None,
        description="Columns of CSV or parquet to learn from, all others if not given; synthetic: their number, 600.",
    )
    id: str | None = Field(None, description="Column of CSV or parquet that names each record in the results.")
    groups: str | None = Field(None, description="Column of CSV or parquet to split results by, kept with them.")
    named_labels: bool = Field(
        False, description="file and functions: number the labels that are there from 0, as is always done with text."
    )
    channels: Literal["first", "last"] | None = Field(
        None, description="file and functions: where images of [N, 3, 8, 3] and the like have their channels."
    )
    pool: Literal["train", "train+test"] | None = Field(
        None, description="Samples the shadow models divide among them; the protocol's if not given."
    )
    samples: Positive | None = Field(
        None,
        description="Part of the training samples to use, of each class alike, drawn with seed; synthetic: all, 20000.",
    )
    test: Positive | None = Field(
        None,
        description="Samples set aside to choose the best epoch and measure utility; the dataset's own if not given.",
    )
    public: Count = Field(0, description="Samples set aside to pretrain on, disjoint from the others.")
    seed: Annotated[Seed | Literal["run"], WrapValidator(_seed_or_run)] = Field(
        0, description="Seed of the split; run: each run's own, as for Purchase-100."
    )
    normalise: bool = Field(
        True, description="Whether values are centred and scaled; false for categories, such as ids of tokens."
    )
    mean: list[float] | None = Field(
        None, description="Per channel or feature, after division by scale; the dataset's or the pool's if not given."
    )
    std: list[Annotated[float, Field(gt=0)]] | None = Field(None, description="Standard deviation, likewise.")
    classes: Annotated[Positive, Field(ge=2)] = Field(100, description="synthetic: number of classes.")

    @model_validator(mode="after")
    def _loadable(self) -> "Dataset":
        check_function(self.source, "source", DATASETS)
        if DATASETS.get(self.source) is None and self.kind is None:
            raise ConfigError(f"kind is missing: {self.source} needs it, {allowed(['image', 'tabular'])}")
        if DATASETS.get(self.source) is not None and self.kind is not None:
            raise ConfigError(f"kind is {self.kind!r}: what {self.source} holds is known, leave it out")
        if self.source == "file" and self.path is None:
            raise ConfigError("path is missing: file needs the path of an .npz, HDF5, CSV or parquet file")
        if (self.mean is None) != (self.std is None):
            raise ConfigError("mean and std are needed together: give both or neither")
        if self.mean is not None and not self.normalise:
            raise ConfigError("normalise is False: allowed with mean and std is True")
        return self

    @model_validator(mode="after")
    def _arranged(self) -> "Dataset":
        columns = {name: value for name in COLUMNS if (value := getattr(self, name)) is not None}
        features = self.features if isinstance(self.features, list) else []
        columns |= {"features": features} if features else {}
        if columns and self.source != "file":
            name = next(iter(columns))
            raise ConfigError(f"{name} is {quoted(columns[name])}: {self.source} has no columns, leave it out")
        if self.source == "file" and isinstance(self.features, int):
            raise ConfigError(f"features is {self.features}: allowed is a list of columns, all others if not given")
        if columns and self.label is None:
            raise ConfigError(f"label is missing: {next(iter(columns))} is of CSV or parquet, which needs label too")
        if columns and self.kind != "tabular":
            raise ConfigError(f"kind is {self.kind!r}: allowed with label is 'tabular', give images as .npz or HDF5")
        check_distinct([columns[name] for name in COLUMNS if name in columns], " and ".join(COLUMNS))
        check_distinct(features, "features")
        if taken := [name for name in ("label", "id") if columns.get(name) in features]:
            raise ConfigError(f"features: {columns[taken[0]]!r} is the {taken[0]}: leave it out")
        if self.channels is not None and self.kind != "image":
            raise ConfigError(
                f"channels is {self.channels!r}: images of file and functions alone take it, leave it out"
            )
        if self.named_labels and self.kind is None:
            raise ConfigError(f"named_labels is True: the labels of {self.source} are known, leave it out")
        return self

    @property
    def holds(self) -> str:
        """``image`` or ``tabular``."""
        return self.kind or str(DATASETS[self.source])

    @property
    def part(self) -> int | None:
        """Number of samples to take of those that the source has; ``None`` for all."""
        return None if self.source == "synthetic" else self.samples

    @property
    def synthetic_shape(self) -> tuple[int, int]:
        """Number of samples and of features of ``synthetic``."""
        samples, features = SYNTHETIC
        return self.samples or samples, self.features if isinstance(self.features, int) else features

    @property
    def draws_pool(self) -> bool:
        """Tells whether runs of different seeds have different pools."""
        own = self.source == "synthetic" or (self.source == "purchase100" and self.pool != "train+test")
        return self.seed == "run" and bool(own or self.part or self.test or self.public)

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
        parts += [f"samples{self.part}"] if self.part else []
        parts += [f"test{self.test}" if self.test else "", f"public{self.public}" if self.public else ""]
        parts += [f"split{self.split_seed(seed)}"]
        return "-".join(filter(None, parts))


class DataSpec(Settings):
    """What is asked of a prepared dataset."""

    settings: Dataset
    size: Positive | None
    seed: Seed
    code: dict[str, str] = Field({})
