"""The sections of a study file: architectures, recipes and the lines of the run list."""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lira.config.catalogue import (
    ESTIMATOR,
    FAMILIES,
    FORM,
    FUNCTION,
    LONGEST_NAME,
    NAME,
    OF_ESTIMATORS,
    PAPER_ATTACKS,
    RECIPE_VERSION,
    SUPPORTS,
    Augmentation,
)
from lira.config.paths import PlainPath, SeedPath
from lira.core.errors import ConfigError
from lira.core.validation import check_choice, quoted

Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
MOST = 10**9  # largest value of any count
Positive = Annotated[int, Field(ge=1, le=MOST)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
ShadowModels = Annotated[int, Field(ge=2, le=100_000)]
Protocol = Literal["artifact", "preprint"]
MembershipDraws = Literal["default_rng", "legacy", "nested"]


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Rejects booleans, which pydantic would accept as 0 and 1."""
        values = value if isinstance(value, list) else [value]
        numbers = _takes_numbers(cls.model_fields[str(info.field_name)].annotation)
        if numbers and any(isinstance(one, bool) for one in values):
            raise PydanticCustomError("truth_value", "true and false are no numbers")
        return value


def _takes_numbers(annotation: Any) -> bool:
    return annotation in (int, float) or any(_takes_numbers(part) for part in get_args(annotation))


def _best_last_or_number(value: Any) -> Any:
    if value not in ("best", "last") and not (isinstance(value, int) and 1 <= value <= MOST):
        raise PydanticCustomError("epoch", "allowed are 'best', 'last' and the number of an epoch, from 1")
    return value


def check_function(value: str, place: str, known: Iterable[str] = ()) -> None:
    """Raises ConfigError unless a value is known, or names a function of the user's."""
    if value in (known := list(known)):
        return
    if not re.fullmatch(FUNCTION, value):
        check_choice(value, place, [*known, FORM])
    if ".py:" in value:
        raise ConfigError(f"{place} is {value!r}: allowed is {value.replace('.py:', ':')!r}, a module without .py")


class Architecture(Settings):
    """A network: its family and its size; or an estimator, a class with ``fit`` and ``predict_proba``."""

    family: str = Field(
        description="fcn: fully connected; resnet: small residual net; wideresnet; timm; sklearn: estimator; or "
        "package.module:function."
    )
    hidden: list[Positive] = Field([1024, 512], description="fcn: units of each hidden layer.")
    activation: Literal["relu", "tanh", "gelu"] = Field("tanh", description="fcn: after each hidden layer.")
    flatten: bool = Field(False, description="fcn, sklearn: take images as vectors.")
    widths: list[Positive] = Field(
        [16, 32, 64], description="resnet: channels of each stage; all but the first halve the image."
    )
    blocks: Positive = Field(1, description="resnet: residual blocks per stage.")
    depth: Positive = Field(28, description="wideresnet: layers, 6n + 4.")
    width: Positive = Field(2, description="wideresnet: widening factor k.")
    name: Name | None = Field(None, description="timm: the model's name, e.g. resnet18.")
    stem: Literal["original", "small"] = Field(
        "original",
        description="timm: small is a 3x3 convolution of stride 1 and no max-pool (ResNets, EfficientNets).",
    )
    weights: PlainPath | None = Field(
        None, description="timm: file with pretrained weights, for machines without internet."
    )
    estimator: Annotated[str, Field(pattern=ESTIMATOR)] | None = Field(
        None, description="sklearn: class with fit and predict_proba, e.g. sklearn.ensemble.RandomForestClassifier."
    )
    params: dict[str, Any] = Field({}, description="sklearn: what the class is called with, except random_state.")
    clip: Annotated[float, Field(gt=0, lt=0.5)] | None = Field(
        None,
        description="sklearn: smallest probability; if not given, 0 counts as half of a model's smallest other one.",
    )

    @model_validator(mode="after")
    def _buildable(self) -> "Architecture":
        check_function(self.family, "family", FAMILIES)
        if self.family == "timm" and self.name is None:
            raise ConfigError("name is missing: timm needs the name of a model")
        if self.family != "timm" and self.name is not None:
            raise ConfigError(f"name is {self.name!r}: {self.family} takes none")
        if self.family == "sklearn" and self.estimator is None:
            raise ConfigError("estimator is missing: sklearn needs a class with fit and predict_proba")
        for name in ("estimator", "params", "clip"):
            if self.family != "sklearn" and getattr(self, name):
                raise ConfigError(f"{name} is {getattr(self, name)!r}: {self.family} takes none, sklearn does")
        try:
            json.dumps(self.params, allow_nan=False)
        except (TypeError, ValueError):
            said = "allowed are text, finite numbers, true, false, lists and mappings"
            raise ConfigError(f"params is {quoted(self.params)}: {said}") from None
        if "random_state" in self.params:
            raise ConfigError("params.random_state is given: leave it out, the seed and the number of a model set it")
        if self.family == "wideresnet" and (self.depth - 4) % 6:
            raise ConfigError(f"depth is {self.depth}: allowed are 6n + 4 layers, as a wideresnet has")
        return self

    @property
    def function(self) -> str:
        """What makes its models: ``module:function``, ``module:class``, or one of the suite's families."""
        return ":".join(self.estimator.rsplit(".", 1)) if self.estimator else self.family


class Recipe(Settings):
    """How a shadow model is trained and queried; the defaults are the paper's for SGD (Table 1)."""

    epochs: Positive = Field(100, description="Passes over a model's members.")
    batch_size: Positive = Field(256, description="Samples per step; a last short batch is dropped.")
    optimizer: Literal["sgd", "adamw", "adam"] = Field("sgd", description="sgd has Nesterov momentum.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(0.1, description="The schedule's base; onecycle peaks at 3x.")
    momentum: Decay = Field(0.9, description="sgd: Nesterov momentum.")
    betas: list[Decay] = Field(
        [0.9, 0.999], min_length=2, max_length=2, description="adamw, adam: of the moments; onecycle sets the first."
    )
    eps: Annotated[float, Field(gt=0)] = Field(1e-8, description="adamw, adam: added to the denominator.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        5e-4, description="sgd: on all but biases; adamw: on all but names with bias or bn; adam: on all, as L2."
    )
    schedule: Literal["cosine", "onecycle", "constant"] = Field(
        "cosine", description="cosine: per epoch, to 1e-6; onecycle: per step, 30 % up."
    )
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0.0, description="cosine: epochs that rise linearly from a tenth of the rate; then it falls per step."
    )
    patience: Positive = Field(20, description="Stop after this many epochs without a better test accuracy.")
    target_model: Annotated[Literal["best", "last"] | int, BeforeValidator(_best_last_or_number)] = Field(
        "best", description="Epoch whose model is attacked: the best by test accuracy, the last, or after so many."
    )
    augment: list[Augmentation] = Field([], description="Augmentations, in order.")
    image_size: Positive | None = Field(
        None, description="Height and width to resize images to; as they are if not given."
    )
    normalise: bool = Field(True, description="Whether networks get normalised inputs; false: divided by scale alone.")
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
    precision: Literal["auto", "bf16", "fp16", "float32"] = Field(
        "auto",
        description="Of training; auto: float32 on a CPU, bf16 on a GPU, fp16 on one without. The query is float32.",
    )
    retries: Count = Field(
        0, description="Times a model whose training diverged is trained anew, from other random streams."
    )
    cohort: Positive = Field(1, description="Shadow models trained as one batched computation.")


class RunSettings(Settings):
    """One line of the run list: the seeds, and recipe settings that differ from the regime's."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = Field(
        None, description="Seeds of this run, if not the study's."
    )
    scores: SeedPath | None = Field(
        None, description="Scores made elsewhere, to import instead of training; {seed} stands for the seed."
    )
    models: ShadowModels | None = Field(
        None, description="scores: number of models to take, the first that are finished; all if not given."
    )
    never_held: bool = Field(
        False, description="scores: no model was trained on any record of the pool: they attack targets alone, offline."
    )


class TargetSettings(Settings):
    """A given model, which all shadow models of a run attack and none of them is."""

    run: str = Field(description="dataset/architecture/regime: the run whose shadow models attack it.")
    predictions: PlainPath = Field(
        description="What it says of the run's pool, by pool order, sample or id: .npz, HDF5, CSV or parquet."
    )
    members: PlainPath | None = Field(
        None, description="Which records it was trained on, by id or sample; without it there are flags without rates."
    )
    seed: Seed | None = Field(None, description="Seed of the run; its first if not given.")


class ImportedRecipe(Recipe):
    """The known settings of the training behind imported scores; others are ``None`` or not set."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _may_be_unknown(cls, value: Any, validated: ValidatorFunctionWrapHandler) -> Any:
        return None if value is None else validated(value)

    @model_serializer
    def _without_defaults(self) -> dict[str, Any]:
        return {name: value for name, value in self if name in self.model_fields_set}


class RunDescription(Settings):
    """The run to which a step belongs."""

    study: Name
    protocol: Protocol | None = None
    dataset: Name
    architecture: Name
    regime: Name
    seed: Seed

    def attributes(self) -> dict[str, Any]:
        """Returns the attributes of the run's files; without a protocol, none is named."""
        return self.model_dump(exclude_none=True)


class PretrainingSettings(Settings):
    """Everything on which a pretrained model depends besides the data.

    ``code`` has the digest of each of the user's functions that it names.
    """

    recipe_version: int
    architecture: Architecture
    recipe: Recipe
    code: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _of_this_code(cls, settings: Any) -> Any:
        """Checks the version, as a job's environment may have an older copy of lira than the study's."""
        version = settings.get("recipe_version", RECIPE_VERSION) if isinstance(settings, dict) else RECIPE_VERSION
        if version != RECIPE_VERSION:
            raise ConfigError(
                f"recipe_version is {version}: the study was planned by lira of that recipe version, but this job's "
                f"environment has {RECIPE_VERSION}: install the same lira there"
            )
        return settings


class TrainingSettings(PretrainingSettings):
    """Everything on which a run's shadow models depend besides data, seed and model index."""

    shadow_models: ShadowModels
    member_fraction: Fraction
    membership_draws: MembershipDraws
    store_logits: bool
    store_weights: bool

    @property
    def kept(self) -> list[str]:
        """What is kept of every model besides what all studies keep, as files of models name it."""
        return [name for name, wanted in (("logits", self.store_logits), ("weights", self.store_weights)) if wanted]

    def attributes(self, run: RunDescription) -> dict[str, Any]:
        """Returns the attributes of files with a run's models: all on which these depend, except the data."""
        made = self.model_dump()
        if self.architecture.estimator:  # the rest of a recipe means nothing
            made["recipe"] = {name: made["recipe"][name] if name in OF_ESTIMATORS else None for name in made["recipe"]}
        names = ("recipe", "recipe_version", "code", "shadow_models", "member_fraction", "membership_draws")
        return run.attributes() | {"network": made["architecture"]} | {name: made[name] for name in names}


class AttacksSpec(Settings):
    """What is asked of the attacks: which of the suite's and how they are defined, and the user's own by name."""

    offline: Literal["two-sided", "one-sided"]
    own: dict[str, str] = {}
    code: dict[str, str] = {}
    names: list[str] = [*PAPER_ATTACKS]
    cut: bool = True
    gamma: float = 2.0
    offline_share: float = 0.3

    @property
    def definition(self) -> dict[str, Any]:
        """Arguments of :class:`lira.Definition`."""
        return self.model_dump(include={"offline", "cut", "gamma", "offline_share"})


class RatesSpec(Settings):
    """What is asked of the calibration."""

    fprs: list[Fraction]
    priors: list[Fraction]
    vulnerability: list[str] = []
    support: list[int] = [*SUPPORTS]


class BudgetsSpec(Settings):
    """Numbers of shadow models to attack with, besides all."""

    budgets: list[int]


class RunSpec(Settings):
    """What is asked of a run, of every seed: how its shadow models are trained, or what is known of imported ones.

    ``data`` has the settings of its dataset, if it has one, without the place of raw files. Of imported scores,
    ``models`` are to be taken, or all; and there must be ``shadow_models`` if the study says how many. With
    ``never_held``, none of them may hold a sample.
    """

    study: Name
    protocol: Protocol
    dataset: Name
    architecture: Name
    regime: Name
    data: dict[str, Any] | None = None
    training: TrainingSettings | None = None
    imported: ImportedRecipe | None = None
    models: int | None = None
    shadow_models: int | None = None
    never_held: bool = False

    def run(self, seed: int) -> RunDescription:
        """Returns the description of the run with one of its seeds."""
        return RunDescription(**self.model_dump(include=set(RunDescription.model_fields) - {"seed"}), seed=seed)

    @property
    def trained(self) -> TrainingSettings:
        """Settings of the training.

        Raises:
            ConfigError: The run's scores are imported.
        """
        if self.training is None:
            raise ConfigError(f"{self.dataset}/{self.architecture}/{self.regime}: its scores are imported, not trained")
        return self.training
