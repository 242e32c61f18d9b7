"""Checks that the parts of a study fit together."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product

from lira.config.catalogue import ATTACKS, AUGMENTATIONS, FAMILIES, IN_COHORTS, LONGEST_NAME, MOST_RUNS, NAME, NAMED
from lira.config.dataset import Dataset
from lira.config.messages import check_section
from lira.config.sections import Recipe, RunSettings, check_function
from lira.config.study import StudySettings
from lira.core.errors import ConfigError
from lira.core.validation import (
    allowed,
    check_blocks,
    check_budgets,
    check_choice,
    check_distinct,
    check_new,
    check_six_digits,
)

TAKEN = (*ATTACKS, "best", "oracle", "coin", "member")  # in scores.h5 and summary.csv


def check_study(study: StudySettings) -> None:
    """Raises ConfigError, with the key, the value and what is allowed, if the parts of a study do not fit together."""
    for place in (
        "seeds",
        "fprs",
        "priors",
        "budgets",
        "ablation",
        "transfer",
        "vulnerability",
        "support",
        "sample",
        "sample_attacks",
    ):
        check_distinct(getattr(study, place) or [], place)
    for name, settings in study.regimes.items():
        check_section(f"regimes.{name}", Recipe, settings)
    pretraining = study.pretraining_recipe()
    _check_epochs("pretraining", pretraining)
    if pretraining.start != "scratch":
        raise ConfigError(
            f"pretraining.start is {pretraining.start!r}: allowed is 'scratch', as fine-tuning starts from it"
        )
    check_six_digits(study.fprs, "fprs", "files")
    check_six_digits(study.priors, "priors", "columns")
    _check_attacks(study)
    for key, run in study.runs.items():
        _check_run(study, key, run)
    for reference, variants in study.agreement.items():
        _check_agreement(study, reference, variants)
    for table in ("ablation", "transfer"):
        for key in getattr(study, table):
            check_choice(key, f"{table}: run", study.shown_runs)
    for name, target in study.targets.items():
        check_choice(target.run, f"targets.{name}.run", study.runs)
        if target.seed is not None:
            check_choice(target.seed, f"targets.{name}.seed", study.seeds_of(target.run))
    _check_membership(study)
    _check_file_names(study)


def _check_attacks(study: StudySettings) -> None:
    names = [name for item in study.attacks for name in ([item] if isinstance(item, str) else item)]
    for item in study.attacks:
        if isinstance(item, str):
            check_choice(item, "attacks: attack", ATTACKS)
    for name, function in study.own_attacks.items():
        check_new(name, "attacks", TAKEN)
        check_function(function, f"attacks.{name}")
    check_distinct(names, "attacks")
    for name in study.vulnerability or []:
        check_choice(name, "vulnerability: attack", [other for other in names if other != "global"])
    for name in study.sample_attacks:
        check_choice(name, "sample_attacks: attack", names)
    if names == ["global"]:
        raise ConfigError("attacks is ['global']: allowed are others beside it, as it has no shadow models")


def _check_membership(study: StudySettings) -> None:
    """Checks that without any one model, every sample still has models trained with it and without it."""
    if all(run.scores for run in study.runs.values()):
        return
    models, fraction = study.shadow_models, study.member_fraction
    check_budgets(study.budgets, models)
    holding = int(fraction * models)
    if study.membership_draws == "nested":
        members, block = check_blocks(models, fraction)
        holding = models // block * members
    if min(holding, models - holding) < 2:
        raise ConfigError(
            f"shadow_models: {models} with member_fraction: {fraction:g} has {holding} models with each sample and "
            f"{models - holding} without: allowed are 2 or more of each, as each model is left out once"
        )


def _check_file_names(study: StudySettings) -> None:
    """Checks that file names, which join names by ``-``, differ: ``a-b`` with ``c`` looks like ``a`` with ``b-c``."""
    declared: Sequence[Iterable[str]] = study.datasets, study.architectures, study.regimes
    names = [sorted({*own, *(key.split("/")[part] for key in study.runs)}) for part, own in enumerate(declared)]
    for parts in (2, 3):
        possible = Counter("-".join(chosen) for chosen in product(*names[:parts]))
        for key in study.runs:
            if possible[study.stem(key, parts)] > 1:
                raise ConfigError(
                    f"runs.{key}: other names of the study give the same file name {study.stem(key, parts)!r}: "
                    "rename one of them"
                )
    views = study.views()
    possible = Counter(f"{dataset}-{view}" for dataset in names[0] for view in {view for _, view in views})
    for dataset, view in views:
        if possible[f"{dataset}-{view}"] > 1:
            raise ConfigError(f"datasets.{dataset}: the name makes its file name that of another dataset: rename it")


def _check_agreement(study: StudySettings, reference: str, variants: list[str]) -> None:
    place = f"agreement.{reference}"
    for key in (reference, *variants):
        check_choice(key, "agreement: run", study.shown_runs)
    check_distinct(variants, place)
    if reference in variants:
        raise ConfigError(f"{place} has {reference} itself: a variant is another run")
    seeds = len(study.seeds_of(reference))
    if seeds < 2:
        raise ConfigError(f"{place}: the reference run has one seed, it needs two or more")
    if seeds + len(variants) > MOST_RUNS:
        raise ConfigError(f"{place} has {seeds} seeds and {len(variants)} variants: allowed are {MOST_RUNS} in all")
    for key in (reference, *variants):
        dataset = key.split("/")[0]
        if dataset != reference.split("/")[0]:
            raise ConfigError(f"{place}: {key} has another dataset, their samples cannot be compared")
        if dataset in study.datasets and study.dataset_of(key).draws_pool:
            raise ConfigError(
                f"{place}: with datasets.{dataset}.seed: run each seed has another pool, samples cannot be compared"
            )


def _check_run(study: StudySettings, key: str, run: RunSettings) -> None:
    place = f"runs.{key}"
    if key.count("/") != 2:
        raise ConfigError(f"{place}: not of the form dataset/architecture/regime")
    for name in run.model_extra or {}:
        if name not in Recipe.model_fields:
            known = [*RunSettings.model_fields, *Recipe.model_fields]
            raise ConfigError(f"{place}.{name} is an unknown key: {allowed(known)}")
    check_distinct(run.seeds or [], f"{place}.seeds")
    if run.scores:
        _check_import(study, key, run.scores)
        return
    if run.never_held:
        raise ConfigError(f"{place}.never_held is true: allowed with scores alone, as models here train on the pool")
    if run.models:
        raise ConfigError(f"{place}.models is {run.models}: allowed with scores alone; others have shadow_models")
    dataset, architecture, regime = key.split("/")
    check_choice(dataset, f"{place}: dataset", study.datasets)
    check_choice(architecture, f"{place}: architecture", study.architectures)
    check_choice(regime, f"{place}: regime", study.regimes)
    chosen, prepared = study.recipe_of(key), study.dataset_of(key)
    if study.is_of_estimators(key):
        _check_estimator(study, place, architecture, chosen)
    _check_epochs(place, chosen)
    _check_samples(study, place, architecture, dataset, chosen)
    _check_start(place, dataset, prepared, study.architectures[architecture].family, chosen)
    if chosen.start == "public":
        _check_public_start(study, key, chosen)
    _check_test_set(place, dataset, prepared, chosen)
    _check_cohort(study, place, study.architectures[architecture].family, chosen)


def _check_estimator(study: StudySettings, place: str, architecture: str, chosen: Recipe) -> None:
    """Checks that nothing is asked of an estimator that means nothing for it."""
    if nothing := sorted(chosen.model_fields_set - {"test_set"}):
        raise ConfigError(
            f"{place}: {', '.join(nothing)} {'mean' if nothing[1:] else 'means'} nothing for {architecture}, an "
            f"estimator: allowed of a recipe is test_set; settings of its own are architectures.{architecture}.params"
        )
    if study.store_weights:
        raise ConfigError(
            f"store_weights is true: allowed is false, as {place} trains estimators, of which no weights are stored"
        )


def _check_epochs(place: str, chosen: Recipe) -> None:
    if chosen.warmup_epochs and chosen.schedule != "cosine":
        raise ConfigError(f"{place}.warmup_epochs is {chosen.warmup_epochs:g}: allowed with {chosen.schedule} is 0")
    if chosen.warmup_epochs >= chosen.epochs:
        raise ConfigError(
            f"{place}.warmup_epochs is {chosen.warmup_epochs:g}: allowed are fewer than its epochs, {chosen.epochs}"
        )
    if isinstance(chosen.target_model, int) and chosen.target_model > chosen.epochs:
        raise ConfigError(
            f"{place}.target_model is {chosen.target_model}: allowed are best, last and 1 to {chosen.epochs}"
        )


def _check_samples(study: StudySettings, place: str, architecture: str, dataset: str, chosen: Recipe) -> None:
    """Checks that network, augmentations and views accept the dataset's samples."""
    samples, network = study.datasets[dataset].holds, study.architectures[architecture]
    takes = FAMILIES.get(network.family, samples)
    if takes != samples and not (samples == "image" and network.flatten):
        hint = f" unless architectures.{architecture}.flatten is true" if samples == "image" else ""
        raise ConfigError(
            f"{place}: {architecture} ({network.family}) takes {takes} samples, not the {samples}s of {dataset}{hint}"
        )
    for augmentation in chosen.augment:
        if AUGMENTATIONS[augmentation] not in (samples, "any"):
            raise ConfigError(f"{place}.augment: {augmentation} needs images, {dataset} is {samples}")
    check_distinct(chosen.augment, f"{place}.augment")
    if chosen.image_size and samples != "image":
        raise ConfigError(f"{place}.image_size: {chosen.image_size} needs images, {dataset} is {samples}")
    if chosen.query_views > 1 and samples != "image":
        raise ConfigError(f"{place}.query_views: {chosen.query_views} views need images, {dataset} is {samples}: use 1")


def _check_start(place: str, dataset: str, prepared: Dataset, family: str, chosen: Recipe) -> None:
    if chosen.start == "public" and not prepared.public:
        raise ConfigError(f"{place}.start: public needs datasets.{dataset}.public above 0")
    if chosen.start == "public" and prepared.seed == "run":
        raise ConfigError(
            f"{place}.start: public needs a fixed datasets.{dataset}.seed: with run the public part would be "
            "another in each run, but is pretrained on once"
        )
    if chosen.start == "pretrained" and family != "timm":
        raise ConfigError(f"{place}.start: pretrained needs an architecture of family timm, not {family}")


def _check_public_start(study: StudySettings, key: str, chosen: Recipe) -> None:
    """Checks that the model from which a run is fine-tuned can be trained on its data, and fits."""
    dataset, architecture, _ = key.split("/")
    pretraining, family = study.pretraining_recipe(), study.architectures[architecture].family
    _check_samples(study, "pretraining", architecture, dataset, pretraining)
    if family == "fcn" and pretraining.image_size != chosen.image_size:
        raise ConfigError(
            f"pretraining.image_size: {pretraining.image_size} is not that of runs.{key}, {chosen.image_size}, and "
            f"{architecture} (fcn) fits one size alone"
        )


def _check_test_set(place: str, dataset: str, prepared: Dataset, chosen: Recipe) -> None:
    if chosen.test_set != "test" or prepared.test:
        return
    if prepared.pool == "train+test":
        raise ConfigError(
            f"{place}.test_set: test needs datasets.{dataset}.test, or its pool to be train: train+test leaves none"
        )
    if prepared.source in ("digits", "synthetic"):
        raise ConfigError(
            f"{place}.test_set: {prepared.source} has no test set of its own, set datasets.{dataset}.test"
        )


def _check_cohort(study: StudySettings, place: str, family: str, chosen: Recipe) -> None:
    if chosen.cohort > 1 and family not in IN_COHORTS:
        raise ConfigError(f"{place}.cohort is {chosen.cohort}: allowed is 1, as models of {family} train alone")
    if study.shard_size and study.shard_size % chosen.cohort:
        raise ConfigError(f"shard_size: {study.shard_size} is not a multiple of {place}'s cohort of {chosen.cohort}")
    if study.membership_draws == "nested" and study.shadow_models % chosen.cohort:
        raise ConfigError(
            f"{place}.cohort is {chosen.cohort}: allowed with nested draws are divisors of shadow_models, "
            f"{study.shadow_models}, as a cohort that is cut short would be trained anew when shadow_models grows"
        )


def _check_import(study: StudySettings, key: str, scores: str) -> None:
    place = f"runs.{key}"
    for name in key.split("/"):
        if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
            raise ConfigError(f"{place} has {name!r}: allowed are {NAMED}")
    if len(study.seeds_of(key)) > 1 and "{seed}" not in scores:
        raise ConfigError(f"{place}.scores: {scores!r} must have {{seed}} in it, the run has several seeds")
    study.recipe_of(key)
