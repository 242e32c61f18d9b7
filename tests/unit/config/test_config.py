"""The study file: what is wrong in it is said in one line that names key, value and what is allowed."""

import copy
import json
import re

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

from lira.attacks.lira import leave_one_out
from lira.config import AUGMENTATIONS, DATASETS, FAMILIES, Recipe, commented_defaults, load_study, read_yaml, schema
from lira.config.catalogue import PAPER_ATTACKS
from lira.core.errors import ConfigError, DataError
from lira.shadows.membership import balanced_membership
from lira.storage.specs import asked

MINIMAL = {
    "study": "s",
    "shadow_models": 4,
    "shard_size": 4,
    "datasets": {"digits": {"source": "digits", "test": 300, "public": 100}},
    "architectures": {
        "net": {"family": "fcn", "flatten": True},
        "tabular": {"family": "fcn"},
        "res": {"family": "resnet"},
    },
    "regimes": {"baseline": {}, "aof": {"augment": ["crop"]}},
    "runs": {"digits/net/baseline": {}, "digits/res/aof": {"seeds": [0, 1]}},
}


def changed(path, value):
    settings = copy.deepcopy(MINIMAL)
    *parents, last = path
    section = settings
    for key in parents:
        section = section.setdefault(key, {})
    section[last] = value
    return settings


def test_minimal_study_resolves():
    study = load_study(MINIMAL)
    assert study.recipe_of("digits/net/baseline") == Recipe()
    assert study.recipe_of("digits/res/aof").augment == ["crop"]
    assert study.seeds_of("digits/net/baseline") == [42]
    assert study.seeds_of("digits/res/aof") == [0, 1]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["shadow_models"], "many", ["shadow_models", "'many'", "integer"]),
        (["shadow_models"], 1, ["shadow_models", "1", "greater than or equal to 2"]),
        (["shadow_models"], 3, ["shadow_models: 3", "member_fraction: 0.5", "1 models with", "2 without", "2 or more"]),
        (["member_fraction"], 0.05, ["member_fraction: 0.05", "shadow_models: 4", "0 models with", "2 or more"]),
        (["member_fraction"], 0.8, ["member_fraction: 0.8", "3 models with", "1 without", "2 or more"]),
        (["membership_draws"], "nest", ["membership_draws", "'default_rng', 'legacy' or 'nested'", "'nest'"]),
        (["shadw_models"], 4, ["shadw_models", "unknown key", "shadow_models"]),
        (["shard_size"], 0, ["shard_size", "0", "greater than or equal to 1"]),
        (["regimes", "aof"], {"epochs": 10**400}, ["regimes.aof.epochs", "less than or equal to 1000000000"]),
        (["regimes", "aof"], {"retries": 10**400}, ["regimes.aof.retries", "less than or equal to 1000000000"]),
        (["regimes", "aof"], {"learning_rate": 10**400}, ["regimes.aof.learning_rate", "valid number"]),
        (
            ["architectures", "net"],
            {"family": "fcn", "hidden": [10**400]},
            ["architectures.net.hidden.0", "less than or equal to 1000000000"],
        ),
        (["sample"], 10**400, ["sample", "less than or equal to 1000000000"]),
        (["seeds"], [1, 2, 1], ["seeds", "1 is given more than once"]),
        (["runs", "digits/res/aof", "seeds"], [3, 3], ["runs.digits/res/aof.seeds", "3 is given more than once"]),
        (["fprs"], [0.1, 2], ["fprs", "2", "less than 1"]),
        (["study"], "a; rm -rf x", ["study", "a; rm -rf x", "allowed are up to 40 letters, digits"]),
        (["datasets", "; rm -rf x"], {}, ["datasets", "; rm -rf x", "allowed are up to 40 letters, digits"]),
        (["datasets", "digits", "source"], "imagenet", ["datasets.digits.source", "'imagenet'", "'digits', 'cifar10'"]),
        (["datasets", "digits", "tset"], 3, ["datasets.digits.tset", "unknown key", "test"]),
        (["architectures", "net", "family"], "vit", ["architectures.net.family", "'vit'", "resnet"]),
        (["regimes", "aof", "augment"], ["crap"], ["augment", "'crap'", "cutmix"]),
        (["regimes", "aof", "augment"], ["crop", "crop"], ["augment", "crop is given more than once"]),
        (["regimes", "aof", "learning_rat"], 1, ["regimes.aof.learning_rat", "unknown key", "learning_rate"]),
        (["regimes", "baseline", "epochs"], -1, ["regimes.baseline.epochs", "-1", "greater than or equal to 1"]),
        (["runs", "digits/net/baseline"], {"dropout": 1}, ["runs.digits/net/baseline.dropout", "1", "less than 1"]),
        (
            ["runs", "digits/net/baseline"],
            {"seed": [1]},
            ["runs.digits/net/baseline.seed is an unknown key", "'seeds', 'scores', 'models', 'never_held', 'epochs'"],
        ),
        (
            ["runs", "digits/net/baseline"],
            {"score": "s.npz"},
            ["baseline.score", "unknown key", "'scores'", "'cohort'"],
        ),
        (["runs", "mnist/net/aof"], {}, ["runs.mnist/net/aof", "'mnist'", "digits"]),
        (["runs", "digits/vgg/aof"], {}, ["runs.digits/vgg/aof", "'vgg'", "'net', 'tabular' and 'res'"]),
        (["runs", "digits/net/dp"], {}, ["runs.digits/net/dp", "'dp'", "'baseline' and 'aof'"]),
        (["runs", "digits"], {}, ["runs.digits", "dataset/architecture/regime"]),
        (["runs", "digits/tabular/baseline"], {}, ["fcn", "tabular", "image", "flatten"]),
        (["runs", "digits/net/baseline"], {"cohort": 3}, ["shard_size", "4", "multiple", "3"]),
        (["agreement"], {"digits/net/baseline": []}, ["agreement.digits/net/baseline", "two or more"]),
        (["agreement"], {"digits/res/aof": ["digits/res/aof"]}, ["agreement.digits/res/aof", "itself", "another run"]),
        (["agreement"], {"digits/res/aof": ["digits/x/y"]}, ["agreement", "digits/x/y"]),
        (["ablation"], ["digits/x/y"], ["ablation", "digits/x/y"]),
        (["budgets"], [4, 5], ["budgets", "5", "multiple of 2"]),
        (["budgets"], [2], ["budgets", "2", "greater than or equal to 4"]),
        (["priors"], [0.1, 0.1000001], ["priors", "0.1000001", "six digits"]),
        (["budgets"], [4, 4], ["budgets", "4 is given more than once"]),
        (["budgets"], [900], ["budgets has 900", "allowed with 4 shadow models is none", "2 of them are kept apart"]),
        (["targets"], {"a": {"run": "x/y/z", "predictions": "a.csv"}}, ["targets.a.run", "'x/y/z'", "digits/res/aof"]),
        (["targets"], {"a": {"run": "digits/res/aof"}}, ["targets.a.predictions is missing"]),
        (
            ["targets"],
            {"a": {"run": "digits/res/aof", "predictions": "a.csv", "seed": 7}},
            ["targets.a.seed is 7", "allowed are 0 and 1"],
        ),
        (
            ["targets"],
            {"a": {"run": "x", "predictions": "a", "member": "b"}},
            ["targets.a.member", "unknown key", "members"],
        ),
        (["targets"], {"a": {"run": "digits/res/aof", "predictions": "$x"}}, ["targets.a.predictions", "a path"]),
        (
            ["runs", "digits/net/baseline"],
            {"warmup_epochs": 2, "schedule": "onecycle"},
            ["runs.digits/net/baseline.warmup_epochs is 2: allowed with onecycle is 0"],
        ),
        (
            ["pretraining"],
            {"warmup_epochs": 4, "epochs": 4},
            ["pretraining.warmup_epochs is 4: allowed are fewer than its epochs, 4"],
        ),
        (
            ["runs", "digits/net/baseline"],
            {"target_model": 101},
            ["runs.digits/net/baseline.target_model is 101: allowed are best, last and 1 to 100"],
        ),
        (["regimes", "aof", "target_model"], "first", ["regimes.aof.target_model", "'best', 'last'"]),
        (["regimes", "aof", "betas"], [0.9], ["regimes.aof.betas", "2"]),
        (["regimes", "aof", "betas"], [0.9, 1], ["regimes.aof.betas.1", "1", "less than 1"]),
        (["runs", "digits/net/baseline"], {"never_held": True}, ["never_held is true", "allowed with scores alone"]),
    ],
)
def test_mistakes_are_named_in_one_line(path, value, said):
    with pytest.raises(ConfigError) as error:
        load_study(changed(path, value))
    message = str(error.value)
    assert "\n" not in message
    for part in said:
        assert part in message


@pytest.mark.parametrize(("models", "fraction"), [(4, 0.5), (5, 0.4), (5, 0.6), (8, 0.25), (8, 0.75)])
def test_the_smallest_studies_that_pass_can_be_attacked(models, fraction):
    load_study(MINIMAL | {"shadow_models": models, "member_fraction": fraction})
    phi = np.random.default_rng(0).normal(size=(models, 20, 1))
    leave_one_out(phi, balanced_membership(20, models, fraction, 0))
    with pytest.raises(DataError, match="has no"):
        leave_one_out(phi[:3], balanced_membership(20, 3, 0.5, 0))


@pytest.mark.parametrize(("models", "fraction"), [(4, 0.5), (64, 0.5), (9, 1 / 3), (40, 0.15), (20, 0.9)])
def test_nested_studies_that_pass_have_a_membership(models, fraction):
    study = load_study(MINIMAL | {"shadow_models": models, "member_fraction": fraction, "membership_draws": "nested"})
    settings = study.training_settings("digits/net/baseline")
    member = balanced_membership(20, models, fraction, 0, generator=settings.membership_draws)
    assert set(member.sum(axis=0)) == {round(models * fraction)}


@pytest.mark.parametrize(
    ("models", "fraction", "said"),
    [
        (5, 0.5, "shadow_models is 5: allowed with nested draws are multiples of 2, as each sample is a member of 1 "),
        (
            256,
            0.3,
            "shadow_models is 256: allowed with nested draws are multiples of 10, as each sample is a member of 3",
        ),
        (100, 0.37, "member_fraction is 0.37: allowed with nested draws are p/q with q up to 20, such as 0.5, 0.25"),
        (
            2,
            0.5,
            "shadow_models: 2 with member_fraction: 0.5 has 1 models with each sample and 1 without: allowed are 2",
        ),
        (
            20,
            0.95,
            "shadow_models: 20 with member_fraction: 0.95 has 19 models with each sample and 1 without: allowed",
        ),
    ],
)
def test_nested_studies_that_cannot_be(models, fraction, said):
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}"):
        load_study(MINIMAL | {"shadow_models": models, "member_fraction": fraction, "membership_draws": "nested"})


@pytest.mark.parametrize("draws", ["default_rng", "nested"])
def test_imported_scores_bring_their_own_membership(draws):
    settings = {"study": "mine", "shadow_models": 3, "membership_draws": draws}
    load_study(settings | {"shadow_models": 2, "runs": {"a/b/c": {"scores": "x.npz"}}})
    load_study(settings | {"runs": {"a/b/c": {"scores": "x.npz"}}})


def test_a_comparison_of_too_many_runs_is_refused():
    settings = changed(["agreement"], {"digits/res/aof": ["digits/net/baseline"]})
    settings["runs"]["digits/res/aof"]["seeds"] = list(range(19))
    load_study(settings)
    settings["runs"]["digits/res/aof"]["seeds"] = list(range(20))
    with pytest.raises(
        ConfigError, match=r"agreement\.digits/res/aof has 20 seeds and 1 variants: allowed are 20 in all"
    ):
        load_study(settings)


def test_pretraining_needs_a_public_part():
    settings = changed(["runs", "digits/net/baseline"], {"start": "public"})
    load_study(settings)
    settings["datasets"]["digits"]["public"] = 0
    with pytest.raises(ConfigError, match=r"start: public needs datasets\.digits\.public above 0"):
        load_study(settings)


@pytest.mark.parametrize(
    ("holds", "pretraining", "said"),
    [
        ("tabular", {"augment": ["flip"]}, r"pretraining\.augment: flip needs images, digits is tabular"),
        ("tabular", {"image_size": 16}, r"pretraining\.image_size: 16 needs images, digits is tabular"),
        ("tabular", {"query_views": 18}, r"pretraining\.query_views: 18 views need images"),
        ("image", {"augment": ["flip", "flip"]}, r"pretraining\.augment: flip is given more than once"),
        ("image", {"image_size": 16}, r"pretraining\.image_size: 16 is not that of runs\.digits/net/tl, None, and net"),
        ("image", {"start": "public"}, r"pretraining\.start is 'public': allowed is 'scratch'"),
        ("image", {"start": "pretrained"}, r"pretraining\.start is 'pretrained': allowed is 'scratch'"),
    ],
)
def test_pretraining_is_refused_where_its_data_or_network_do_not_take_it(monkeypatch, holds, pretraining, said):
    monkeypatch.setitem(DATASETS, "digits", holds)
    runs = {"digits/net/tl": {"start": "public"}}
    settings = MINIMAL | {"regimes": {"tl": {}}, "runs": runs, "pretraining": pretraining}
    with pytest.raises(ConfigError, match=f"^{said}"):
        load_study(settings)


def test_images_may_be_pretrained_on_in_another_size_where_the_network_takes_any():
    runs = {"digits/res/aof": {"start": "public"}}
    load_study(MINIMAL | {"runs": runs, "pretraining": {"image_size": 16, "augment": ["flip", "crop"]}})


def test_images_only_settings_are_refused_for_tabular_data(monkeypatch):
    monkeypatch.setitem(DATASETS, "digits", "tabular")
    settings = changed(["runs"], {"digits/tabular/baseline": {"augment": ["cutmix"]}})
    with pytest.raises(ConfigError, match="cutmix needs images, digits is tabular"):
        load_study(settings)
    settings["runs"] = {"digits/tabular/baseline": {"query_views": 18}}
    with pytest.raises(ConfigError, match="query_views: 18 views need images"):
        load_study(settings)
    settings["runs"] = {"digits/tabular/baseline": {"augment": ["mixup"]}}
    load_study(settings)


def test_a_config_error_is_a_value_error():
    assert issubclass(ConfigError, ValueError)


def test_nested_values_from_the_command_line_are_read_as_yaml():
    study = load_study(
        MINIMAL | {"seeds": "[5, 6]", "store_logits": "true", "regimes": "{baseline: {}, aof: {epochs: 3}}"}
    )
    assert study.seeds == [5, 6]
    assert study.store_logits is True
    assert study.recipe_of("digits/res/aof").epochs == 3
    assert study.recipe_of("digits/res/aof").augment == []


@pytest.mark.parametrize("text", ["2020-13-45", "!!int abc", "!!timestamp foo", "!!bool x", "[2020-13-45]"])
def test_values_from_the_command_line_that_are_not_what_they_look_like_are_refused(text):
    with pytest.raises(ConfigError, match="^sample: .* is not YAML .a value is not what its form or tag says"):
        load_study(MINIMAL | {"sample": text})


def test_numbers_that_yaml_reads_as_text_are_numbers():
    settings = changed(["regimes", "aof"], yaml.safe_load("{learning_rate: 1e-3}"))
    assert settings["regimes"]["aof"]["learning_rate"] == "1e-3"
    assert load_study(settings).recipe_of("digits/res/aof").learning_rate == 1e-3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: {c: 1, c: 2}", "'c' is given more than once"),
        ("- a", "not a mapping"),
        ("a: [", "while parsing"),
        ("study: 2020-13-45", "a value is not what its form or tag says: 2020-13-45 in line 1: write text in quotes"),
        ("study: !!int abc", "a value is not what its form or tag says: .*abc"),
        ("study: !!float abc", "a value is not what its form or tag says: .*abc"),
        ("study: !!timestamp foo", "a value is not what its form or tag says"),
        ("study: !!bool x", "a value is not what its form or tag says: .*x"),
        ("{!!bool x: 1}", "a value is not what its form or tag says: .*x"),
    ],
)
def test_unusable_files_are_refused(tmp_path, text, said):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        read_yaml(file)
    assert str(file) in str(error.value)
    with pytest.raises(ConfigError, match="missing.yaml does not exist"):
        read_yaml(tmp_path / "missing.yaml")


def test_vocabulary_is_what_is_implemented():
    import inspect
    import pkgutil

    from lira import datasets
    from lira.shadows import augment, models

    assert set(FAMILIES) == {*models.NETWORKS, "timm", "sklearn"}
    modules = {module.name for module in pkgutil.iter_modules(datasets.__path__)}
    assert set(DATASETS) == {name for name in modules if not name.startswith("_")}
    functions = {name for name, _ in inspect.getmembers(augment, inspect.isfunction)}
    assert set(AUGMENTATIONS) <= functions


def test_documented_settings_are_the_models(request):
    documented = (request.config.rootpath / "docs" / "configuration.md").read_text()
    assert "\n".join(commented_defaults()).strip() in documented
    assert (request.config.rootpath / "docs" / "study.schema.json").read_text().strip() == schema()


def test_the_home_of_a_user_who_is_not_there_is_no_study():
    with pytest.raises(ConfigError, match=r"^~nosuchuser/x.yaml does not exist: give the path of a study file$"):
        read_yaml("~nosuchuser/x.yaml")


class _Editor(yaml.SafeLoader):
    """Reads numbers as editors do, by YAML 1.2: 1e-5 is one."""


_Editor.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("+-0123456789")
)


@pytest.fixture(scope="module")
def by_schema():
    return Draft202012Validator(json.loads(schema()))


def test_editors_find_no_mistake_in_the_studies(request, by_schema):
    root = request.config.rootpath
    files = [root / "workflow_config.yaml", *sorted((root / "studies").glob("*.yaml"))]
    assert len(files) > 3
    for file in files:
        found = yaml.load(file.read_text(), Loader=_Editor)
        assert not [f"{file.name}: {error.message}" for error in by_schema.iter_errors(found)]


@pytest.mark.parametrize(
    "text",
    [
        "sample: 3",
        "sample: [3, 4]",
        "attacks: {mine: own:attack}",
        "attacks: [online, {mine: own:attack}]",
        "attacks:",
        "regimes: {r: }",
        "margins:",
        *(f"{section}:" for section in ("targets", "agreement", "pretraining")),
        "rank_samples: all",
        "datasets: {digits: {seed: run}}",
    ],
)
def test_what_a_study_may_say_editors_take_too(by_schema, text):
    digits = {"datasets": {"digits": {"test": 500}}, "architectures": {"f": {"family": "fcn", "flatten": True}}}
    study = {"study": "s", "regimes": {"r": None}, "runs": {"digits/f/r": None}} | digits
    asked = yaml.safe_load(text)
    asked |= {"datasets": {"digits": {"test": 500} | asked["datasets"]["digits"]}} if "datasets" in asked else {}
    load_study(study | asked)
    assert not [error.message for error in by_schema.iter_errors(study | asked)]


@pytest.mark.parametrize(
    "text", ["sample: x", "sample: -1", "attacks: 3", "targets: 3", "seeds: 3", "runs: ", "seds: [1]"]
)
def test_what_a_study_may_not_say_editors_refuse_too(by_schema, text):
    assert [*by_schema.iter_errors({"study": "s", "runs": {"d/a/r": {"scores": "s.npz"}}} | yaml.safe_load(text))]


@pytest.mark.parametrize(
    "name", ["workflow_config.yaml", "studies/smoke.yaml", "studies/paper.yaml", "studies/preprint.yaml"]
)
def test_studies_in_the_repository_are_valid(request, name):
    study = load_study(request.config.rootpath / name)
    assert study.agreement


def test_a_study_chooses_attacks_beside_its_own():
    chosen = load_study(changed(["attacks"], ["rmia", "online", {"mine": "own:scores", "other": "own:more"}]))
    assert chosen.suite_attacks == ["online", "rmia"]
    assert chosen.own_attacks == {"mine": "own:scores", "other": "own:more"}
    for value in ({"mine": "own:scores"}, [*PAPER_ATTACKS, {"mine": "own:scores"}]):
        beside = load_study(changed(["attacks"], value))
        assert (beside.suite_attacks, beside.own_attacks) == ([*PAPER_ATTACKS], {"mine": "own:scores"})
    assert load_study(MINIMAL).suite_attacks == load_study(changed(["attacks"], None)).suite_attacks == [*PAPER_ATTACKS]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["onlin"], "attacks: attack is 'onlin': allowed are 'online', "),
        ([{"rmia": "own:scores"}], "attacks"),
        (["rmia", "rmia"], "attacks"),
        (["rmia", {"mine": "no function"}], "attacks"),
        (["global"], "attacks is ['global']: allowed are others beside it"),
        ([], "attacks is []"),
    ],
)
def test_attacks_that_are_refused(value, said):
    with pytest.raises(ConfigError) as error:
        load_study(changed(["attacks"], value))
    assert str(error.value).startswith(said)


def test_specs_of_attacks_name_what_is_not_the_default():
    """So that what was scored before attacks could be chosen is what is asked for."""
    assert asked(load_study(MINIMAL), "attacks") == {"offline": "two-sided", "own": {}, "code": {}}
    settings = changed(["attacks"], ["moderated", "online"]) | {"cut": False, "gamma": 4}
    more = {"names": ["online", "moderated"], "cut": False, "gamma": 4.0}
    assert asked(load_study(settings), "attacks") == {"offline": "two-sided", "own": {}, "code": {}} | more
