"""What the rules are told of a study: runs, files, settings, comparisons, and what is finished."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from lira.config import load_study, read_yaml
from lira.config.catalogue import AUDITED
from lira.core.errors import ConfigError, StoreError
from lira.pages import Pages
from lira.storage.identity import read_spec
from lira.storage.specs import asked
from lira.workflow import SO_FAR, Comparisons, Plan, Targets, any_of, option, read_plan

BASELINE = {"dataset": "digits", "architecture": "fcn", "regime": "baseline", "seed": "1", "scope": ""}


def job(**wildcards):
    return SimpleNamespace(**(BASELINE | wildcards))


def runs(*names):
    return [f"results/smoke/runs/digits/{name}" for name in names]


@pytest.fixture
def smoke(request):
    return request.config.rootpath / "studies" / "smoke.yaml"


@pytest.fixture
def plan(smoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Plan(load_study(read_yaml(smoke)), ["study.yaml"], writes=True)


def finish(plan, *runs, name="shadows.h5"):
    plan.ask()
    for file in map(Path, plan.data_of("digits/fcn/baseline", 0)):
        if not file.exists():
            file.parent.mkdir(parents=True)
            file.touch()
    for run in runs:
        for file in [name] if name == "shadows.h5" else ["shards/0-3.json", "shards/4-7.json"]:
            path = plan_path(plan, run, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def plan_path(plan, run, file):
    return Path(plan.results, "runs", run, file)


def test_the_files_of_a_job(plan):
    data = "results/smoke/data/digits-train-test100-public1497-split0.h5"
    assert plan.data_file(job()) == [data] and plan.public_file(job()) == data
    assert plan.raw_files(job()) == []
    assert plan.pretrained_file(job()) == [] and plan.pretrained_option(job()) == []
    assert plan.pretrained_option(job(regime="tl")) == ["--pretrained", "results/smoke/pretrained/digits/fcn.pt"]
    assert plan.data_option(job()) == ["--data", data]
    assert plan.receipts(job()) == runs("fcn/baseline/seed1/shards/0-3.json", "fcn/baseline/seed1/shards/4-7.json")


def test_what_is_asked_of_a_job_is_in_its_spec(plan):
    (view,) = {view for _, view in plan.study.views()}

    def asked_in(file):
        return read_spec(Path(file))

    training = asked_in(plan.run_spec(job()))["training"]
    assert training["recipe"]["epochs"] == 4 and training["shadow_models"] == 8
    assert "query_views" not in training["recipe"]  # a default, which the recipe version guards
    assert asked_in(plan.pretrained_spec(job(regime="tl")))["recipe"]["batch_size"] == 64
    data = asked_in(plan.data_spec(job(view=view)))
    assert data["settings"]["test"] == 100 and data["seed"] == 0
    assert json.loads(plan.raw_settings(job())) == {"source": "digits", "path": None}
    assert plan.run_spec(job()) == plan.run_spec(job(seed="0"))
    assert {name: asked_in(plan.run_spec(job()))[name] for name in ("dataset", "architecture", "regime")} == {
        name: BASELINE[name] for name in ("dataset", "architecture", "regime")
    }
    assert asked_in(plan.rates_spec(job()))["fprs"] == plan.study.fprs
    plan.ask()
    assert not list(Path(plan.results, "specs").glob("budgets*"))
    more = Plan(plan.study.model_copy(update={"budgets": [4, 6]}), writes=True)
    assert more.ask() == [] and asked_in(more.budgets_spec(job())) == {"budgets": [4, 6]}


def test_a_comparison_has_every_seed_of_its_reference_and_the_first_of_its_variants(plan):
    reference, variant = runs("fcn/baseline/seed0/x", "fcn/baseline/seed1/x"), runs("resnet/aof/seed0/x")
    compared = Comparisons(plan)
    assert compared.references() == ["digits/fcn/baseline"]
    assert compared.reference_files("x")(job()) == reference
    assert compared.files("x")(job()) == reference + variant
    assert compared.variant_options("x")(job()) == ["--variant", *variant, "--label", "resnet/aof"]


def test_another_number_of_ranked_samples_asks_for_other_ranks_and_for_nothing_else(smoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked_of, baseline = {}, job()
    for value in (None, 50_000, 100, "all"):
        settings = read_yaml(smoke) | ({} if value is None else {"rank_samples": value})
        planned = Plan(load_study(settings), writes=True)
        compared = Comparisons(planned)
        others = [*compared.spec(baseline), *(planned.spec(place) for place in planned._places)]
        asked_of[value] = read_spec(Path(compared.ranked_spec(baseline)[0]))["samples"], others
    assert {value: samples for value, (samples, _) in asked_of.items()} == {
        None: ["--samples", "50000"],
        50_000: ["--samples", "50000"],
        100: ["--samples", "100"],
        "all": [],
    }
    assert all(others == asked_of[None][1] for _, others in asked_of.values())
    with pytest.raises(ConfigError, match="^rank_samples is 0: allowed are whole numbers from 1 and 'all'"):
        load_study(read_yaml(smoke) | {"rank_samples": 0})


def test_wildcards_are_the_studys_names_and_nothing_else(plan):
    found = plan.wildcards
    assert found["regime"] == "aof|baseline|tl" and found["fpr"] == r"0\.01|0\.1"
    assert re.fullmatch(found["scope"], "") and re.fullmatch(found["scope"], SO_FAR)
    assert not re.fullmatch(found["scope"], "else/")
    path = "digits/fcn/baseline/seed0"
    assert re.match(plan.runs_are(imported=False), path) and not re.match(plan.runs_are(imported=True), path)
    assert any_of([]) == "(?!)" and any_of(["b+", "a"]) == r"a|b\+"
    assert option("fpr", [0.1, 1]) == ["--fpr", "0.1", "--fpr", "1"]


def test_only_finished_runs_are_in_what_is_shown_so_far(plan):
    finish(plan, "digits/fcn/baseline/seed0")
    finish(plan, "digits/resnet/aof/seed0", name="shards")
    plan_path(plan, "digits/fcn/baseline/seed1", "shards").mkdir(parents=True)
    plan_path(plan, "digits/fcn/baseline/seed1", "shards/0-3.json").touch()
    assert plan.finished == {("digits/fcn/baseline", 0), ("digits/resnet/aof", 0)}
    every = plan.files_of("x", plan.study.runs, every_seed=True, scope=SO_FAR)
    assert every == runs("fcn/baseline/seed0/x", "resnet/aof/seed0/x")
    assert len(plan.files_of("x", plan.study.runs, every_seed=True)) == 4
    compared = Comparisons(plan)
    assert compared.references(SO_FAR) == [] and compared.references() == ["digits/fcn/baseline"]
    adds = "snakemake results/smoke/runs/digits/fcn/tl/seed0/summary.csv --configfile study.yaml adds it."
    assert plan.unfinished()[1] == f"digits/fcn/tl, seed 0, is not finished: {adds}"
    assert [line.split(" is")[0] for line in plan.unfinished()] == [
        "digits/fcn/baseline, seed 1,",
        "digits/fcn/tl, seed 0,",
    ]
    assert plan.closing_words()[-1].startswith("Done. Tables: results/smoke/so_far/paper/tables")


def test_given_models_are_audited_so_far_by_runs_that_are_finished_with_every_seed(smoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    targets = {name: {"run": f"digits/{name}", "predictions": "a.csv"} for name in ("fcn/baseline", "resnet/aof")}
    named = {name.partition("/")[0]: target for name, target in targets.items()}
    plan = Plan(load_study(read_yaml(smoke) | {"targets": named}), writes=True)
    finish(plan, "digits/fcn/baseline/seed0")
    finish(plan, "digits/resnet/aof/seed0")
    pages = [f"results/smoke/targets/{name}/{file}" for name in named for file in (*AUDITED, "audit.html")]
    assert Targets(plan).pages() == pages and Targets(plan).pages(SO_FAR) == pages[len(pages) // 2 :]


@pytest.mark.parametrize(("seed", "seeds"), [(0, [0, 1]), ("run", [1])])
def test_a_given_model_is_told_of_the_seeds_of_its_pool_and_of_delta(smoke, tmp_path, monkeypatch, seed, seeds):
    monkeypatch.chdir(tmp_path)
    settings = read_yaml(smoke) | {"agreement": {}, "ablation": [], "transfer": [], "delta": 0.2}
    settings["datasets"]["digits"]["seed"] = seed
    del settings["runs"]["digits/fcn/tl"]  # a public part is of one pool
    settings["targets"] = {"mine": {"run": "digits/fcn/baseline", "predictions": "a.csv", "seed": 1}}
    targets, mine = Targets(Plan(load_study(settings), writes=True)), SimpleNamespace(target="mine")
    files = [f"results/smoke/runs/digits/fcn/baseline/seed{one}/samples.csv" for one in seeds]
    assert targets.samples(mine) == files
    assert targets.options(mine) == [*(word for file in files for word in ("--samples", file)), "--delta", "0.2"]


def test_advised_commands_are_what_was_typed_with_the_target_first(smoke):
    plan = Plan(load_study(read_yaml(smoke)), ["a b.yaml", "c.yaml"], typed={"shadow_models": 8, "seeds": ["0", "1"]})
    words = "--configfile 'a b.yaml' c.yaml --config shadow_models=8 'seeds=[\"0\", \"1\"]'"
    assert plan.command("x") == f"snakemake x {words}"
    assert plan.closing_words()[-1].endswith(f"one page of all: snakemake report {words}")
    assert Plan(plan.study).command("report") == "snakemake report"


def test_other_nodes_are_told_what_is_finished_and_do_not_look(plan):
    finish(plan, "digits/fcn/baseline/seed0")
    plan.write_manifest()
    assert not plan.manifest.exists() and not plan.asked_what_is_finished
    (done,) = plan.closing_words()
    assert done.startswith("Done. Tables: results/smoke/paper/tables, figures: results/smoke/paper/figures")
    node = Plan(plan.study, told=True)
    with pytest.raises(StoreError, match=r"so_far/runs.json does not exist: it says which runs are shown"):
        node.files_of("x", plan.study.runs, scope=SO_FAR)
    assert len(node.files_of("x", plan.study.runs)) == 3
    assert len(plan.finished) == 1
    plan.write_manifest()
    finish(plan, "digits/fcn/tl/seed0")
    told = Plan(plan.study, told=True)
    assert told.finished == {("digits/fcn/baseline", 0)} and len(Plan(plan.study, writes=True).finished) == 2


def test_other_nodes_take_what_was_asked_as_their_job_was_planned(plan):
    """Not what a dry run with another study leaves beside it meanwhile."""
    planned = plan.rates_spec(None)
    looked_at = Plan(plan.study.model_copy(update={"fprs": [0.3]}), writes=True).rates_spec(None)
    assert looked_at != planned and Path(looked_at).is_file()
    for time, spec in enumerate((planned, looked_at)):
        os.utime(spec, (time, time))
    assert Plan(plan.study, told=True).rates_spec(None) == planned


def test_a_file_of_weights_is_read_by_the_jobs_that_train_from_it(plan):
    own = plan.study.architectures["fcn"].model_copy(update={"weights": "w.safetensors"})
    given = Plan(plan.study.model_copy(update={"architectures": {"fcn": own}}))
    assert plan.weights_file(job()) == given.weights_file(job()) == []
    Path("w.safetensors").touch()
    file, state = given.weights_file(job())
    assert plan.weights_file(job()) == [] and file == "w.safetensors" and "specs/weights/fcn." in state
    os.utime(file, (0, 0))  # another file in its place may be an older one
    assert Plan(given.study).weights_file(job())[1] not in ("", state)


def test_models_are_not_there_as_they_are_asked_for_once_other_weights_are(plan):
    own = plan.study.architectures["fcn"].model_copy(update={"weights": "w.safetensors"})
    study = plan.study.model_copy(update={"architectures": plan.study.architectures | {"fcn": own}})
    Path("w.safetensors").touch()
    given = Plan(study, writes=True)
    given.weights_file(job())
    finish(given, "digits/fcn/baseline/seed0")
    assert given.is_trained("digits/fcn/baseline", 0)
    os.utime("w.safetensors", (0, 0))
    time = plan_path(given, "digits/fcn/baseline/seed0", "shadows.h5").stat().st_mtime
    again = Plan(study, writes=True)
    os.utime(again.weights_file(job())[1], (time + 1, time + 1))
    assert not again.is_trained("digits/fcn/baseline", 0)


def test_the_report_is_of_the_study_as_it_is_asked_for(plan):
    """A table that it no longer has leaves no file newer."""
    (before,) = Pages(plan).study_spec(None)
    (after,) = Pages(Plan(plan.study.model_copy(update={"ablation": []}))).study_spec(None)
    assert plan.study.ablation and before != after


def test_parameters_of_estimators_are_typed_as_in_the_study_file(smoke):
    """Snakemake takes nested values of its command line for text."""
    study = read_yaml(smoke) | {"agreement": {}, "ablation": [], "transfer": [], "runs": {"digits/tree/baseline": {}}}
    params = {"shallow": "false", "depth": "3", "more": {"names": ["a", "null"]}, "text": "x"}
    typed = {"architectures": {"tree": {"params": params}}}
    study["architectures"] = {
        "tree": {"family": "sklearn", "estimator": "mine.Tree", "flatten": True, "params": params}
    }
    study["regimes"] = {"baseline": {}}
    plan = read_plan([smoke], study, typed=typed)
    found = {"shallow": False, "depth": 3, "more": {"names": ["a", None]}, "text": "x"}
    assert plan.study.architectures["tree"].params == found and params["depth"] == "3"


def test_a_study_is_read_with_what_was_typed(smoke, tmp_path, monkeypatch):
    plan = read_plan([smoke], read_yaml(smoke) | {"seeds": "[7]"})
    assert plan.study.seeds == [7]
    twice = tmp_path / "twice.yaml"
    twice.write_text(smoke.read_text() + "\nshadow_models: 16\n")
    with pytest.raises(ConfigError, match="'shadow_models' is given more than once"):
        read_plan([twice], read_yaml(smoke))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"workflow_config.yaml does not exist"):
        read_plan([], read_yaml(smoke))


def test_imported_runs_count_as_trained_and_need_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(load_study({"study": "mine", "runs": {"a/b/c": {"scores": "x{seed}.npz", "seeds": [1, 2]}}}))
    own = job(dataset="a", architecture="b", regime="c", seed="2")
    assert plan.finished == {("a/b/c", 1), ("a/b/c", 2)}
    assert plan.data_file(own) == [] and plan.scores_source(own) == "x2.npz"
    assert asked(plan.study, "runs/a/b/c")["imported"]["epochs"] is None
    assert plan.scores_files(own) == ["x2.npz"]
    assert re.match(plan.runs_are(imported=True), "a/b/c/seed2")
