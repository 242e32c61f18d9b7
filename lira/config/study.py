"""The settings of a study, and what follows from them: each run's recipe and data, and the inputs of each job."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from lira.config.catalogue import ATTACKS, DELTA, OF_ESTIMATORS, PAPER_ATTACKS, PROTOCOLS, RECIPE_VERSION, SUPPORTS
from lira.config.dataset import Dataset
from lira.config.margins import Margins
from lira.config.messages import check_section
from lira.config.sections import (
    MOST,
    Architecture,
    Count,
    Fraction,
    ImportedRecipe,
    MembershipDraws,
    Name,
    Positive,
    PretrainingSettings,
    Protocol,
    Recipe,
    RunDescription,
    RunSettings,
    RunSpec,
    Seed,
    Settings,
    ShadowModels,
    TargetSettings,
    TrainingSettings,
)
from lira.core.validation import FEWEST_SHADOWS


class _OrEmpty:
    """Of a section that may have nothing in it: YAML reads that as null, which the JSON schema allows too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: {} if value is None else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, made: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(made), {"type": "null"}]}


OR_EMPTY = _OrEmpty()
Samples = Annotated[list[Count], Field(min_length=1)]
Attacks = Annotated[list[str | dict[Name, str]], Field(min_length=1)]


def _listed_if_one(value: Any) -> Any:
    return [value] if isinstance(value, int) else value


def _number_or_all(value: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validated(value)
    except ValidationError:
        raise PydanticCustomError("number_or_all", "allowed are whole numbers from 1 and 'all'") from None


class StudySettings(Settings):
    """A whole study."""

    study: Name = Field(description="Name of the study: results go to results/<study>/.")
    protocol: Protocol = Field("artifact", description="Defaults that follow the released code or the preprint's.")
    membership_draws: MembershipDraws | None = Field(
        None, description="Generator of the membership matrix; the protocol's if not given."
    )
    offline: Literal["two-sided", "one-sided"] | None = Field(
        None, description="Whether a score far below the OUT centre counts as a member's; the protocol's if not given."
    )
    shadow_models: ShadowModels = Field(256, description="M: shadow models per run.")
    member_fraction: Fraction = Field(0.5, description="Fraction of the models that hold each sample.")
    shard_size: Positive | None = Field(
        None,
        description="Models trained by one job: a multiple of each recipe's cohort; an hour's work if not given.",
    )
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
    delta: Annotated[float, Field(ge=0, lt=1)] = Field(DELTA, description="δ of the bounds on ε.")
    store_logits: bool = Field(False, description="Keep the logits of every query in the shards.")
    store_weights: bool = Field(False, description="Keep the weights of every model, as it is attacked, in the shards.")
    attacks: Attacks = Field(
        [*PAPER_ATTACKS], description="The suite's attacks, and your own as {name: package.module:function}."
    )
    cut: bool | None = Field(
        None,
        description="LiRA: use as many scores of each sample as the one with fewest has; the protocol's if not given.",
    )
    rank_samples: Annotated[Positive | Literal["all"] | None, WrapValidator(_number_or_all)] = Field(
        None, description="Samples that are ranked: the first so many of the pool, or all; the protocol's if not given."
    )
    gamma: Annotated[float, Field(gt=0)] = Field(
        2.0, description="rmia, rmia_offline: how many times as large as another sample's a ratio must be."
    )
    offline_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="rmia_offline: a, the assumed dependence of IN on OUT probabilities."
    )
    budgets: list[Annotated[int, Field(ge=FEWEST_SHADOWS, le=MOST, multiple_of=2)]] = Field(
        [], description="Numbers of shadow models, even, with which some targets are attacked besides."
    )
    vulnerability: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="Attacks that records are counted, ranked and calibrated by; online, or the first, if none."
    )
    support: Annotated[list[Positive], Field(min_length=1)] = Field(
        [*SUPPORTS], description="Fewest detections of a flagged record: agreement is measured for each."
    )
    datasets: Annotated[dict[Name, Dataset], OR_EMPTY] = Field({}, description="Datasets by name.")
    architectures: Annotated[dict[Name, Architecture], OR_EMPTY] = Field({}, description="Architectures by name.")
    regimes: Annotated[dict[Name, Annotated[dict[str, Any], OR_EMPTY]], OR_EMPTY] = Field(
        {}, description="Recipe settings by regime: all keys of a recipe are allowed."
    )
    pretraining: Annotated[dict[str, Any], OR_EMPTY] = Field(
        {}, description="Recipe settings for pretraining on a dataset's public part."
    )
    runs: Annotated[dict[str, Annotated[RunSettings, OR_EMPTY]], Field(min_length=1)] = Field(
        description="dataset/architecture/regime: {seeds: [...], and recipe settings on top of the regime's}."
    )
    targets: Annotated[dict[Name, TargetSettings], OR_EMPTY] = Field({}, description="Given models to audit, by name.")
    agreement: Annotated[dict[str, list[str]], OR_EMPTY] = Field(
        {}, description="Reference run (two seeds or more): the variant runs to compare it with."
    )
    ablation: list[str] = Field([], description="Runs of the ablation table, in order.")
    transfer: list[str] = Field([], description="Runs of the scratch-against-transfer table, in order.")
    margins: Annotated[Margins, OR_EMPTY] = Field(Margins(), description="What still agrees with a published number.")
    sample: Annotated[Samples, BeforeValidator(_listed_if_one, json_schema_input_type=Samples | Count)] | None = Field(
        None, description="Pool samples of the in/out figure; 21, or the last of a smaller pool, if not given."
    )
    sample_attacks: list[Name] = Field([], description="Attacks of the in/out figure; online, or the first, if none.")

    @field_validator("attacks", mode="before", json_schema_input_type=Attacks | dict[Name, str] | None)
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Takes a mapping of the user's own attacks as these beside the paper's."""
        if value is None or isinstance(value, dict):
            return [*PAPER_ATTACKS, *([value] if value else [])]
        return value

    @property
    def suite_attacks(self) -> list[str]:
        """Names of the suite's attacks, in the order of tables."""
        return [name for name in ATTACKS if name in self.attacks]

    @property
    def own_attacks(self) -> dict[str, str]:
        """The user's own attacks: functions by name."""
        return {name: at for item in self.attacks if isinstance(item, dict) for name, at in item.items()}

    @property
    def ranked(self) -> list[int]:
        """How many samples of the pool are ranked, the first ones; nothing if all are."""
        value = self.protocol_value("rank_samples")
        return [] if value == "all" else [value]

    @property
    def shown_runs(self) -> list[str]:
        """The runs of tables and figures: all but those whose models only attack targets."""
        return [key for key, run in self.runs.items() if not run.never_held]

    @property
    def several_seeds(self) -> bool:
        """Whether a run of tables and figures has more than one seed."""
        return any(len(self.seeds_of(key)) > 1 for key in self.shown_runs)

    def seeds_of(self, key: str) -> list[int]:
        """Returns the seeds of a run, which is given as ``dataset/architecture/regime``."""
        return self.runs[key].seeds or self.seeds

    def is_of_estimators(self, key: str) -> bool:
        """Whether the models of a run, given as ``dataset/architecture/...``, are estimators."""
        architecture = self.architectures.get(key.split("/")[1])
        return bool(architecture and architecture.estimator)

    def device_of(self, key: str) -> Literal["cpu", "cuda"]:
        """Returns the device that trains a run's models: the CPU for estimators, for others the study's."""
        return "cpu" if self.is_of_estimators(key) else self.device

    def recipe_of(self, key: str) -> Recipe:
        """Returns the run's recipe: the regime's settings, unless the run sets its own."""
        preset = PROTOCOLS[self.protocol]["recipe"]
        if self.is_of_estimators(key):
            preset = {name: value for name, value in preset.items() if name in OF_ESTIMATORS}
        return check_section(f"runs.{key}", Recipe, preset | self._given(key))

    def pretraining_recipe(self) -> Recipe:
        """Returns the recipe of the models from which fine-tuning starts."""
        return check_section("pretraining", Recipe, PROTOCOLS[self.protocol]["recipe"] | self.pretraining)

    def _given(self, key: str) -> dict[str, Any]:
        return self.regimes.get(key.split("/")[2], {}) | (self.runs[key].model_extra or {})

    def imported_recipe(self, key: str) -> ImportedRecipe:
        """Returns the recipe of imported scores as the study states it, with ``None`` where it states nothing."""
        given = self._given(key)
        return ImportedRecipe(**{name: value if name in given else None for name, value in self.recipe_of(key)})

    def dataset_of(self, key: str) -> Dataset:
        """Returns the run's dataset, with the protocol's pool if it has none of its own."""
        dataset = self.datasets[key.split("/")[0]]
        return dataset.model_copy(update={"pool": dataset.pool or self.protocol_value("pool")})

    def view_of(self, key: str, seed: int) -> str:
        """Returns the part of the data file's name that identifies how the run's dataset is prepared."""
        return self.dataset_of(key).view(self.recipe_of(key).image_size, seed)

    def pretraining_view(self, dataset: str) -> str:
        """Returns the same for the dataset of a pretraining."""
        return self.dataset_of(dataset).view(self.pretraining_recipe().image_size, 0)

    def views(self) -> dict[tuple[str, str], tuple[int | None, int]]:
        """Returns the image size and seed of every preparation that the study needs, by dataset and view."""
        needed = {}
        for key in self.runs:
            dataset = key.split("/")[0]
            if dataset not in self.datasets:
                continue
            sizes_seeds = [(self.recipe_of(key).image_size, seed) for seed in self.seeds_of(key)]
            if self.datasets[dataset].public:
                sizes_seeds.append((self.pretraining_recipe().image_size, 0))
            prepared = self.dataset_of(key)
            for size, seed in sizes_seeds:
                needed[dataset, prepared.view(size, seed)] = (size, prepared.split_seed(seed))
        return needed

    def protocol_value(self, option: str) -> Any:
        """Returns the value of an option that the protocol presets, unless the study sets its own."""
        own = getattr(self, option, None)
        return PROTOCOLS[self.protocol]["study"][option] if own is None else own

    @staticmethod
    def stem(key: str, parts: int = 3) -> str:
        """Joins the first parts of a run's key for a file name: ``dataset-architecture-regime``."""
        return "-".join(key.split("/")[:parts])

    @staticmethod
    def label(key: str) -> str:
        """Returns a run's name among runs of one dataset: ``architecture/regime``."""
        return key.split("/", 1)[1]

    def describe_run(self, key: str, seed: int) -> RunDescription:
        """Returns the description of one run and seed, which goes into its files."""
        return self.run_spec(key).run(seed)

    def run_spec(self, key: str, code: Mapping[str, str] | None = None) -> RunSpec:
        """Returns what is asked of a run, whose name, settings and code all its files follow from.

        Args:
            key: ``dataset/architecture/regime``.
            code: Digest of each of the user's functions that it needs.
        """
        dataset, architecture, regime = key.split("/")
        imported, known = self.runs[key].scores is not None, dataset in self.datasets
        models, stated = self.runs[key].models, "shadow_models" in self.model_fields_set
        return RunSpec(
            study=self.study,
            protocol=self.protocol,
            dataset=dataset,
            architecture=architecture,
            regime=regime,
            data=self.dataset_of(key).model_dump(exclude_defaults=True, exclude={"path"}) if known else None,
            training=None if imported else self.training_settings(key, code or {}),
            imported=self.imported_recipe(key) if imported else None,
            models=models,
            never_held=self.runs[key].never_held,
            shadow_models=self.shadow_models if imported and stated and models is None else None,
        )

    def training_settings(self, key: str, code: Mapping[str, str] | None = None) -> TrainingSettings:
        """Returns everything on which a run's shadow models depend besides data, seed and model index."""
        return TrainingSettings(
            recipe_version=RECIPE_VERSION,
            architecture=self.architectures[key.split("/")[1]],
            recipe=self.recipe_of(key),
            code=dict(code or {}),
            shadow_models=self.shadow_models,
            member_fraction=self.member_fraction,
            membership_draws=self.protocol_value("membership_draws"),
            store_logits=self.store_logits,
            store_weights=self.store_weights,
        )

    def pretraining_settings(self, architecture: str, code: Mapping[str, str] | None = None) -> PretrainingSettings:
        """Returns everything on which a pretrained model depends besides the data."""
        network, recipe = self.architectures[architecture], self.pretraining_recipe()
        return PretrainingSettings(
            recipe_version=RECIPE_VERSION, architecture=network, recipe=recipe, code=dict(code or {})
        )
