"""The study file: typed, checked whole before anything runs, and resolved into one recipe per run.

A study names its datasets, architectures and regimes once and then lists its runs, one line per
``dataset/architecture/regime``. A run's recipe is the regime's settings with the line's own on top.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lira.errors import ConfigError

RECIPE_VERSION = 1
"""Goes into every training job's parameters: raise it when a change to the code may change a model."""

DATASETS = {
    "digits": "image",
    "cifar10": "image",
    "cifar100": "image",
    "gtsrb": "image",
    "purchase100": "tabular",
    "synthetic": "tabular",
    "file": None,
}
"""Datasets the suite can load and what their samples are; a file or a function says it itself with ``kind``."""

RAW = ("cifar10", "cifar100", "gtsrb", "purchase100")
"""Datasets whose raw files are looked for, checked and, but for purchase100, downloaded."""

FAMILIES = {"fcn": "tabular", "resnet": "image", "wideresnet": "image", "timm": "image"}
"""Architecture families and the samples they take; ``flatten`` lets images into a tabular one."""

IN_COHORTS = ("fcn", "resnet", "wideresnet")
"""Families of which several models can be trained as one batched computation."""

AUGMENTATIONS = {
    "flip": "image",
    "crop": "image",
    "rotate": "image",
    "jitter": "image",
    "cutout": "image",
    "cutmix": "image",
    "mixup": "any",
}
"""Augmentations and the samples they take."""

FUNCTION = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""A user's own dataset or architecture: ``package.module:function``."""

PROTOCOLS = {
    "artifact": {
        "study": {"pool": "train", "membership_draws": "default_rng", "offline": "two-sided"},
        "recipe": {
            "query_batchnorm": "batch",
            "query_dropout": True,
            "query_stride": 1,
            "test_set": "test",
            "crop_padding": "zeros",
        },
    },
    "preprint": {
        "study": {"pool": "train+test", "membership_draws": "legacy", "offline": "two-sided"},
        "recipe": {
            "query_batchnorm": "running",
            "query_dropout": False,
            "query_stride": 2,
            "test_set": "nonmembers",
            "crop_padding": "reflect",
        },
    },
}
"""What the released code and the preprint's code do differently, as defaults of the study and of every recipe.

Each option can be set on its own; where both codes differ from the paper's text (CutMix and rotation on half of the
batches and images, MixUp's Beta(1, 1), one-sided offline attacks), the text's value is an option too.
"""

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
Name = Annotated[str, Field(pattern=NAME)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(Settings):
    """Where samples come from and how they are divided into pool, test set and public part."""

    source: str = Field(
        "digits",
        description="digits, cifar10, cifar100, gtsrb, purchase100, synthetic, file or package.module:function.",
    )
    path: str | None = Field(
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
    public: Annotated[int, Field(ge=0)] = Field(
        0, description="Samples set aside to pretrain on, disjoint from the others."
    )
    seed: Seed | Literal["run"] = Field(0, description="Seed of the split; run: each run's own, as for Purchase-100.")
    samples: Positive = Field(20_000, description="synthetic: number of samples.")
    features: Positive = Field(600, description="synthetic: number of binary features.")
    classes: Positive = Field(100, description="synthetic: number of classes.")

    @model_validator(mode="after")
    def _loadable(self) -> "Dataset":
        if self.source not in DATASETS and not re.match(FUNCTION, self.source):
            raise ConfigError(
                f"source: unknown {self.source!r}, allowed: {', '.join(DATASETS)}, package.module:function"
            )
        if DATASETS.get(self.source) is None and self.kind is None:
            raise ConfigError(f"kind: {self.source} needs it, allowed: image, tabular")
        if DATASETS.get(self.source) is not None and self.kind is not None:
            raise ConfigError(f"kind: {self.source} samples are known, leave it out")
        if self.source == "file" and self.path is None:
            raise ConfigError("path: file needs the path of an .npz or HDF5 file")
        return self

    @property
    def holds(self) -> str:
        """``image`` or ``tabular``."""
        return self.kind or DATASETS[self.source]

    @property
    def draws_pool(self) -> bool:
        """Whether runs of different seeds have different pools."""
        own = self.source == "purchase100" and self.pool != "train+test"
        return self.seed == "run" and bool(own or self.test or self.public)

    def split_seed(self, seed: int) -> int:
        """Seed of the split in a run of the given seed."""
        return seed if self.seed == "run" else self.seed

    def view(self, size: int | None, seed: int) -> str:
        """What distinguishes this preparation of the dataset from others, as a part of its file name.

        Args:
            size: Height and width that images are resized to, if they are.
            seed: The run's seed.
        """
        parts = [f"{size}px" if size else "", self.pool.replace("+", "-")]
        parts += [f"test{self.test}" if self.test else "", f"public{self.public}" if self.public else ""]
        parts += [f"split{self.split_seed(seed)}"]
        return "-".join(filter(None, parts))


class Architecture(Settings):
    """A network: its family and its size."""

    family: str = Field(
        description="fcn: fully connected; resnet: small residual net; wideresnet; timm; or package.module:function."
    )
    hidden: list[Positive] = Field([1024, 512], description="fcn: units of each hidden layer.")
    activation: Literal["relu", "tanh"] = Field("tanh", description="fcn: nonlinearity after each hidden layer.")
    flatten: bool = Field(False, description="fcn: take images as vectors.")
    widths: list[Positive] = Field(
        [16, 32, 64], description="resnet: channels of each stage; all but the first halve the image."
    )
    blocks: Positive = Field(1, description="resnet: residual blocks per stage.")
    depth: Positive = Field(28, description="wideresnet: layers, 6n + 4.")
    width: Positive = Field(2, description="wideresnet: widening factor k.")
    name: str | None = Field(None, description="timm: the model's name, e.g. resnet18.")
    stem: Literal["original", "small"] = Field(
        "original", description="timm ResNets: small is a 3x3 convolution of stride 1 and no max-pool."
    )
    weights: str | None = Field(None, description="timm: file with pretrained weights, for machines without internet.")

    @model_validator(mode="after")
    def _buildable(self) -> "Architecture":
        if self.family not in FAMILIES and not re.match(FUNCTION, self.family):
            raise ConfigError(
                f"family: unknown {self.family!r}, allowed: {', '.join(FAMILIES)}, package.module:function"
            )
        if (self.family == "timm") != (self.name is not None):
            raise ConfigError(f"name: {'timm needs it' if self.family == 'timm' else f'{self.family} takes none'}")
        if self.family == "wideresnet" and (self.depth - 4) % 6:
            raise ConfigError(f"depth: {self.depth} is not allowed: a wideresnet has 6n + 4 layers")
        return self


class Recipe(Settings):
    """How a shadow model is trained and queried; the defaults are the paper's for SGD (Table 1)."""

    epochs: Positive = Field(100, description="Passes over a model's members.")
    batch_size: Positive = Field(256, description="Samples per step; a last short batch is dropped.")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="sgd has Nesterov momentum.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(0.1, description="The schedule's base; onecycle peaks at 3x.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="sgd: Nesterov momentum.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        5e-4, description="sgd: on all but biases; adamw: on all but names with bias or bn."
    )
    schedule: Literal["cosine", "onecycle", "constant"] = Field(
        "cosine", description="cosine: per epoch, to 1e-6; onecycle: per step, 30 % up."
    )
    patience: Positive = Field(20, description="Stop after this many epochs without a better test accuracy.")
    augment: list[str] = Field([], description="Augmentations, in order.")
    image_size: Positive | None = Field(
        None, description="Height and width to resize images to; as they are if not given."
    )
    crop_padding: Literal["reflect", "zeros"] = Field("zeros", description="What crop sees outside the image.")
    rotate_degrees: Annotated[float, Field(gt=0, le=180)] = Field(
        15.0, description="rotate: largest angle to either side."
    )
    rotate_probability: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="rotate: share of the images.")
    jitter: list[Annotated[float, Field(ge=0)]] = Field(
        [0.4, 0.4, 0.4, 0.1], min_length=4, max_length=4, description="jitter: brightness, contrast, saturation, hue."
    )
    cutmix_probability: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="cutmix: share of the batches.")
    cutmix_alpha: Annotated[float, Field(gt=0)] = Field(1.0, description="Beta parameter of CutMix's mixing weight.")
    mixup_alpha: Annotated[float, Field(gt=0)] = Field(0.2, description="Beta parameter of MixUp's mixing weight.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Drop rate.")
    start: Literal["scratch", "public", "pretrained"] = Field(
        "scratch",
        description="What is fine-tuned: a model trained on the public part, or the architecture's published weights.",
    )
    test_set: Literal["test", "nonmembers"] = Field(
        "test",
        description="What chooses the best epoch and measures utility: the test set, or the model's own non-members.",
    )
    query_views: Literal[1, 2, 18, 50] = Field(
        1, description="1: as is; 2: and mirrored; 18, 50: with shifts of 1, 2 px."
    )
    query_batchnorm: Literal["batch", "running"] = Field(
        "batch", description="Statistics in the query: of the query batch, or the running ones of training."
    )
    query_dropout: bool = Field(
        True, description="Functional dropout and drop-path of wideresnet and timm models stay on in the query."
    )
    query_stride: Literal[1, 2] = Field(1, description="Pixels between two shifts of 18 views.")
    precision: Literal["auto", "bf16", "float32"] = Field(
        "auto",
        description="Of training; auto: float32 on a CPU, bf16 on a GPU. The query is float32.",
    )
    cohort: Positive = Field(1, description="Shadow models trained as one batched computation.")


class RunSettings(Settings):
    """One line of the run list: the seeds, and recipe settings that differ from the regime's."""

    model_config = ConfigDict(extra="allow", frozen=True)
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = Field(
        None, description="Seeds of this run, if not the study's."
    )
    scores: str | None = Field(
        None, description="Scores made elsewhere, to import instead of training; {seed} stands for the seed."
    )


class Study(Settings):
    """A whole study."""

    study: Name = Field(description="Name of the study: results go to results/<study>/.")
    protocol: Literal["artifact", "preprint"] = Field(
        "artifact", description="Defaults that follow the released code or the preprint's."
    )
    membership_draws: Literal["default_rng", "legacy"] | None = Field(
        None, description="Generator of the membership matrix; the protocol's if not given."
    )
    offline: Literal["two-sided", "one-sided"] | None = Field(
        None, description="Whether a score far below the OUT centre counts as a member's; the protocol's if not given."
    )
    shadow_models: Annotated[int, Field(ge=2)] = Field(256, description="M: shadow models per run.")
    member_fraction: Fraction = Field(0.5, description="Fraction of the models that hold each sample.")
    shard_size: Positive = Field(32, description="Models trained by one job: a multiple of each recipe's cohort.")
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field([42], description="Seeds of every run that names none.")
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="Where shadow models train; a job that is to have a GPU and has none fails."
    )
    jobs_per_gpu: Positive = Field(1, description="Training jobs that may share one GPU.")
    fprs: Annotated[list[Fraction], Field(min_length=1)] = Field(
        [1e-5, 1e-3], description="Target false positive rates."
    )
    priors: Annotated[list[Fraction], Field(min_length=1)] = Field(
        [0.01, 0.1, 0.5], description="Membership priors for PPV."
    )
    store_logits: bool = Field(False, description="Keep the logits of every query in the shards.")
    datasets: dict[Name, Dataset] = Field({}, description="Datasets by name.")
    architectures: dict[Name, Architecture] = Field({}, description="Architectures by name.")
    regimes: dict[Name, dict[str, Any]] = Field(
        {}, description="Recipe settings by regime: all keys of a recipe are allowed."
    )
    pretraining: dict[str, Any] = Field({}, description="Recipe settings for pretraining on a dataset's public part.")
    runs: Annotated[dict[str, RunSettings], Field(min_length=1)] = Field(
        description="dataset/architecture/regime: {seeds: [...], and recipe settings on top of the regime's}."
    )
    agreement: dict[str, list[str]] = Field(
        {}, description="Reference run (two seeds or more): the variant runs to compare it with."
    )
    ablation: list[str] = Field([], description="Runs of the ablation table, in order.")
    transfer: list[str] = Field([], description="Runs of the scratch-against-transfer table, in order.")
    sample: Annotated[int, Field(ge=0)] = Field(21, description="Pool sample of the in/out figure.")

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        for place in ("seeds", "fprs", "priors"):
            _distinct(place, getattr(self, place))
        for name, settings in self.regimes.items():
            _recipe(f"regimes.{name}", settings)
        _recipe("pretraining", self.pretraining)
        for key, run in self.runs.items():
            self._check_run(key, run)
        for reference, variants in self.agreement.items():
            for key in (reference, *variants):
                self._known("agreement", key, self.runs)
            _distinct(f"agreement.{reference}", variants)
            if len(self.seeds_of(reference)) < 2:
                raise ConfigError(f"agreement.{reference}: the reference run has one seed, it needs two or more")
            self._check_same_pool(reference, variants)
        for table in ("ablation", "transfer"):
            _distinct(table, getattr(self, table))
            for key in getattr(self, table):
                self._known(table, key, self.runs)
        return self

    def _check_same_pool(self, reference: str, variants: list[str]) -> None:
        for key in (reference, *variants):
            dataset = key.split("/")[0]
            if dataset != reference.split("/")[0]:
                raise ConfigError(f"agreement.{reference}: {key} has another dataset, their samples cannot be compared")
            if dataset in self.datasets and self.dataset_of(key).draws_pool:
                raise ConfigError(
                    f"agreement.{reference}: with datasets.{dataset}.seed: run each seed has another pool, "
                    "samples cannot be compared"
                )

    def _known(self, place: str, name: str, allowed: Mapping) -> None:
        if name not in allowed:
            raise ConfigError(f"{place}: unknown {name!r}, allowed: {', '.join(allowed)}")

    def _check_run(self, key: str, run: RunSettings) -> None:
        place = f"runs.{key}"
        if key.count("/") != 2:
            raise ConfigError(f"{place}: not of the form dataset/architecture/regime")
        dataset, architecture, regime = key.split("/")
        _distinct(f"{place}.seeds", run.seeds or [])
        if run.scores:
            self._check_import(key, run)
            return
        self._known(place, dataset, self.datasets)
        self._known(place, architecture, self.architectures)
        self._known(place, regime, self.regimes)
        recipe = self.recipe_of(key)
        samples = self.datasets[dataset].holds
        network = self.architectures[architecture]
        takes = FAMILIES.get(network.family, samples)
        if takes != samples and not (samples == "image" and network.flatten):
            hint = f" unless architectures.{architecture}.flatten is true" if samples == "image" else ""
            raise ConfigError(
                f"{place}: {architecture} ({network.family}) takes {takes} samples, "
                f"not the {samples}s of {dataset}{hint}"
            )
        for augmentation in recipe.augment:
            self._known(f"{place}.augment", augmentation, AUGMENTATIONS)
            if AUGMENTATIONS[augmentation] not in (samples, "any"):
                raise ConfigError(f"{place}.augment: {augmentation} needs images, {dataset} is {samples}")
        _distinct(f"{place}.augment", recipe.augment)
        if recipe.image_size and samples != "image":
            raise ConfigError(f"{place}.image_size: {recipe.image_size} needs images, {dataset} is {samples}")
        if recipe.query_views > 1 and samples != "image":
            raise ConfigError(
                f"{place}.query_views: {recipe.query_views} views need images, {dataset} is {samples}: use 1"
            )
        if recipe.start == "public" and not self.datasets[dataset].public:
            raise ConfigError(f"{place}.start: public needs datasets.{dataset}.public above 0")
        if recipe.start == "public" and self.datasets[dataset].seed == "run":
            raise ConfigError(
                f"{place}.start: public needs a fixed datasets.{dataset}.seed: with run the public part would be "
                "another in each run, but is pretrained on once"
            )
        if recipe.start == "pretrained" and network.family != "timm":
            raise ConfigError(f"{place}.start: pretrained needs an architecture of family timm, not {network.family}")
        prepared = self.dataset_of(key)
        if recipe.test_set == "test" and not prepared.test and prepared.pool == "train+test":
            raise ConfigError(
                f"{place}.test_set: test needs datasets.{dataset}.test, or its pool to be train: train+test leaves none"
            )
        if recipe.test_set == "test" and not prepared.test and prepared.source in ("digits", "synthetic"):
            raise ConfigError(
                f"{place}.test_set: {prepared.source} has no test set of its own, set datasets.{dataset}.test"
            )
        if recipe.cohort > 1 and network.family not in IN_COHORTS:
            raise ConfigError(
                f"{place}.cohort: {recipe.cohort} is not allowed for {network.family}, whose models train alone: use 1"
            )
        if self.shard_size % recipe.cohort:
            raise ConfigError(f"shard_size: {self.shard_size} is not a multiple of {place}'s cohort of {recipe.cohort}")

    def _check_import(self, key: str, run: RunSettings) -> None:
        place = f"runs.{key}"
        for name in key.split("/"):
            if not re.match(NAME, name):
                raise ConfigError(f"{place}: {name!r} is not allowed: letters, digits and _ . + - are")
        if len(self.seeds_of(key)) > 1 and "{seed}" not in run.scores:
            raise ConfigError(f"{place}.scores: {run.scores!r} must have {{seed}} in it, the run has several seeds")
        self.recipe_of(key)

    def seeds_of(self, key: str) -> list[int]:
        """Seeds of a run, given as ``dataset/architecture/regime``."""
        return self.runs[key].seeds or self.seeds

    def recipe_of(self, key: str) -> Recipe:
        """The run's recipe: the regime's settings with the run's own on top."""
        return _recipe(f"runs.{key}", PROTOCOLS[self.protocol]["recipe"] | self._given(key))

    def _given(self, key: str) -> dict[str, Any]:
        return self.regimes.get(key.split("/")[2], {}) | (self.runs[key].model_extra or {})

    def imported_recipe(self, key: str) -> dict[str, Any]:
        """What the study says of how imported scores were made: a recipe with ``None`` where it says nothing."""
        known, recipe = self._given(key), self.recipe_of(key).model_dump()
        return {name: value if name in known else None for name, value in recipe.items()}

    def dataset_of(self, key: str) -> Dataset:
        """The run's dataset, its pool as the protocol says if the dataset does not."""
        dataset = self.datasets[key.split("/")[0]]
        return dataset.model_copy(update={"pool": dataset.pool or self.protocol_value("pool")})

    def view_of(self, key: str, seed: int) -> str:
        """The run's preparation of its dataset, as a part of the data file's name."""
        return self.dataset_of(key).view(self.recipe_of(key).image_size, seed)

    def pretraining_view(self, dataset: str) -> str:
        """Pretraining's preparation of a dataset."""
        return self.dataset_of(dataset).view(self._pretraining_recipe().image_size, 0)

    def views(self) -> dict[tuple[str, str], tuple[int | None, int]]:
        """Image size and seed of each preparation that some run, or pretraining, needs, by dataset and view."""
        needed = {}
        for key in self.runs:
            dataset = key.split("/")[0]
            if dataset not in self.datasets:
                continue
            sizes_seeds = [(self.recipe_of(key).image_size, seed) for seed in self.seeds_of(key)]
            if self.datasets[dataset].public:
                sizes_seeds.append((self._pretraining_recipe().image_size, 0))
            prepared = self.dataset_of(key)
            for size, seed in sizes_seeds:
                needed[dataset, prepared.view(size, seed)] = (size, prepared.split_seed(seed))
        return needed

    def protocol_value(self, option: str) -> str:
        """Value of one of the protocol's study-wide options: the study's own or the preset's."""
        return getattr(self, option, None) or PROTOCOLS[self.protocol]["study"][option]

    @staticmethod
    def stem(key: str, parts: int = 3) -> str:
        """The first parts of a run's key as a part of a file name: ``dataset-architecture-regime``."""
        return "-".join(key.split("/")[:parts])

    @staticmethod
    def label(key: str) -> str:
        """A run's name beside others of its dataset: ``architecture/regime``."""
        return key.split("/", 1)[1]

    def shards(self) -> list[tuple[int, int]]:
        """First and last model of each shard."""
        starts = range(0, self.shadow_models, self.shard_size)
        return [(first, min(first + self.shard_size, self.shadow_models) - 1) for first in starts]

    def training_settings(self, key: str) -> dict[str, Any]:
        """All that a run's shadow models depend on besides data, seed and model index."""
        return {
            "recipe_version": RECIPE_VERSION,
            "architecture": self.architectures[key.split("/")[1]].model_dump(),
            "recipe": self.recipe_of(key).model_dump(),
            "shadow_models": self.shadow_models,
            "member_fraction": self.member_fraction,
            "membership_draws": self.protocol_value("membership_draws"),
            "store_logits": self.store_logits,
        }

    def pretraining_settings(self, architecture: str) -> dict[str, Any]:
        """All that a pretrained model depends on besides the data."""
        return {
            "recipe_version": RECIPE_VERSION,
            "architecture": self.architectures[architecture].model_dump(),
            "recipe": self._pretraining_recipe().model_dump(),
        }

    def _pretraining_recipe(self) -> Recipe:
        return _recipe("pretraining", PROTOCOLS[self.protocol]["recipe"] | self.pretraining)


def checked_dataset(settings: Mapping[str, Any]) -> Dataset:
    """A dataset's settings, checked on their own.

    Raises:
        ConfigError: one line: the key, the value, what is allowed.
    """
    try:
        return Dataset(**settings)
    except ValidationError as error:
        raise ConfigError(_sentence(error, "datasets.", Dataset)) from None


def _recipe(place: str, settings: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe(**settings)
    except ValidationError as error:
        raise ConfigError(_sentence(error, f"{place}.", Recipe)) from None


def _distinct(place: str, values: list) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ConfigError(f"{place}: {repeated[0]} is given more than once")


def _sentence(error: ValidationError, prefix: str = "", section: type[Settings] | None = None) -> str:
    """The first thing wrong, as one line: the key, the value, what is allowed."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    place = prefix + ".".join(str(part) for part in first["loc"] if part != "[key]")
    if isinstance(cause, ConfigError):
        return f"{place}.{cause}" if first["loc"] else str(cause)
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key, allowed: {', '.join(_siblings(first['loc'], section))}"
    if first["type"] == "missing":
        return f"{place}: missing"
    return f"{place}: {first['input']!r} is not allowed: {first['msg'][0].lower()}{first['msg'][1:]}"


def _siblings(location: tuple, section: type[Settings] | None) -> list[str]:
    sections = {"datasets": Dataset, "architectures": Architecture}
    model = section or (sections.get(location[0], Study) if len(location) > 1 else Study)
    return list(model.model_fields)


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of the last one winning."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(
                f"{node.start_mark.name}, line {node.start_mark.line + 1}: {key!r} is given more than once"
            )
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Reads a study file.

    Raises:
        ConfigError: the file is missing, not YAML, not a mapping, or names a key twice.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.load(file, Loader=_UniqueKeys)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a mapping of study settings")
    return content


def load_study(settings: Mapping[str, Any]) -> Study:
    """Checks study settings and fills in the defaults.

    Args:
        settings: As read from a study file. Text where a list, a mapping or a truth value is expected is read as
            YAML, since that is how nested values arrive from ``snakemake --config``.

    Raises:
        ConfigError: one line: the key, the value, what is allowed.
    """
    text = ("study",)
    parsed = {
        key: yaml.safe_load(value) if isinstance(value, str) and key not in text else value
        for key, value in settings.items()
    }
    try:
        return Study(**parsed)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def schema() -> str:
    """JSON schema of a study file; regimes, runs and pretraining take the keys of ``Recipe``."""
    whole = Study.model_json_schema()
    whole["$defs"]["Recipe"] = Recipe.model_json_schema()
    return json.dumps(whole, indent=2)


def commented_defaults() -> Iterator[str]:
    """Lines of a YAML text with every key, its default and what it means, section by section."""
    for section in (Study, Dataset, Architecture, Recipe):
        yield f"# {section.__name__}: {section.__doc__}"
        for name, field in section.model_fields.items():
            value = "(required)" if field.is_required() else json.dumps(field.default)
            yield f"{name}: {value}  # {field.description}"
        yield ""
