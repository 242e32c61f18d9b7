"""The graph as it stands: lint, format, dry runs, and errors at parse time."""

import subprocess
import sys

import pytest
import yaml

STUDIES = ["workflow_config.yaml", *(f"studies/{name}.yaml" for name in ("smoke", "mini", "paper", "preprint"))]


def snakemake(root, *arguments, directory):
    """All that a command prints, in one stream, with what the default profile leaves out."""
    place = ["--snakefile", root / "Snakefile", "--directory", directory, "--quiet", "host"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(["snakemake", *place, *arguments], text=True, check=False, **streams)


@pytest.fixture
def root(request):
    return request.config.rootpath


def test_lint_is_clean(root):
    done = subprocess.run(["snakemake", "--lint"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Congratulations" in done.stderr


def test_format_is_clean(root):
    files = [root / "Snakefile", *sorted((root / "rules").glob("*.smk"))]
    done = subprocess.run(["snakefmt", "--check", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(["ruff", *check, "."], cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", STUDIES)
def test_dry_run_of_every_study(root, tmp_path, name):
    done = snakemake(root, "-n", "--configfile", root / name, directory=tmp_path)
    assert done.returncode == 0, done.stdout
    study = yaml.safe_load((root / name).read_text())["study"]
    assert f"results/{study}/" in done.stdout
    assert "train_shadows" in done.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("targets", "planned"), [(("tables", "figures"), True), (("tables", "-k"), True), (("so_far",), False)]
)
@pytest.mark.parametrize("profile", ["slurm", "none"])
def test_so_far_alone_leaves_out_what_is_not_trained(root, tmp_path, targets, profile, planned):
    profile = root / profile if profile == "slurm" else profile
    place = ["--configfile", root / "studies" / "smoke.yaml", "--profile", profile]
    done = snakemake(root, "-n", *targets, *place, directory=tmp_path)
    assert done.returncode == 0, done.stdout
    assert ("train_shadows" in done.stdout) == planned
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("words", "named", "gives_way"),
    [
        ([], None, False),
        ([], "", False),
        ([], "slurm", True),
        (["--profile", "slurm"], None, True),
        (["--profile=slurm"], None, True),
        (["--workflow-profile", "profiles/default"], None, False),
    ],
)
def test_the_default_profile_gives_way_to_one_that_is_named(root, monkeypatch, words, named, gives_way):
    import yte

    monkeypatch.setattr(sys, "argv", ["snakemake", *words])
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    if named is not None:
        monkeypatch.setenv("SNAKEMAKE_PROFILE", named)
    keys = yte.process_yaml((root / "profiles" / "default" / "config.yaml").read_text(), require_use_yte=True)
    assert (set(keys) == {"report-stylesheet"}) == gives_way and ("cores" in keys) != gives_way


def test_every_rule_has_log_benchmark_resources_and_message(root, tmp_path):
    """All but the helper targets, and the report, whose time is Snakemake's own."""
    from snakemake.api import ConfigSettings, ResourceSettings, SnakemakeApi, StorageSettings, WorkflowSettings

    with SnakemakeApi() as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[root / "studies" / "smoke.yaml"]),
            storage_settings=StorageSettings(),
            workflow_settings=WorkflowSettings(),
            snakefile=root / "Snakefile",
            workdir=tmp_path,
        )
        workflow.dag()
        rules = [
            rule
            for rule in workflow._workflow.rules
            if rule.name not in ("all", "tables", "figures", "so_far", "report", "rehearse")
        ]
    assert len(rules) > 20
    for rule in rules:
        measured = rule.benchmark or "runtime" in dict(rule.params.items())  # by itself, where a job may go on
        assert rule.log and measured and rule.message and rule.conda_env, rule.name
        assert {"mem_mb", "runtime"} <= set(rule.resources), rule.name
        assert rule.shellcmd.removeprefix("exec ").startswith("lira "), rule.name


def test_another_study_leaves_nothing_of_the_quickstart(root, tmp_path):
    done = snakemake(root, "-n", "--configfile", root / "studies" / "smoke.yaml", directory=tmp_path)
    assert "quickstart" not in done.stdout
    assert "dropout_decay" not in done.stdout


def test_values_on_the_command_line_replace_what_they_name(root, tmp_path):
    smoke = ["--configfile", root / "studies" / "smoke.yaml"]
    done = snakemake(root, "-n", *smoke, "--config", "shadow_models=16", "seeds=[7]", directory=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "shards/12-15.json" in done.stdout
    assert "digits/fcn/tl/seed7/" in done.stdout
    assert "digits/fcn/tl/seed0/" not in done.stdout


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("shard_size=0", "shard_size is 0: input should be"),
        ("seeds=[1, 1]", "seeds: 1 is given more than once"),
        ("shadow_modls=3", "shadow_modls is an unknown key"),
        ("runs={digits/fcn/none: {}}", "regime is 'none': allowed are 'baseline', 'aof' and 'tl'"),
        (
            "sample=200",
            "sample is 200: allowed are 0 to 199, as the pool of digits/fcn/baseline has 200 samples",
        ),
        (
            "datasets={digits: {test: 1300, public: 500}}",
            "datasets.digits: test and public leave no sample for the pool",
        ),
    ],
)
def test_mistakes_stop_the_run_at_parse_time_in_one_line(root, tmp_path, override, said):
    smoke = ["--configfile", root / "studies" / "smoke.yaml"]
    done = snakemake(root, "-n", *smoke, "--config", override, directory=tmp_path)
    assert done.returncode != 0
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "results").exists()


def test_a_key_given_twice_is_a_mistake(root, tmp_path):
    study = tmp_path / "twice.yaml"
    study.write_text((root / "studies" / "smoke.yaml").read_text() + "\nshadow_models: 16\n")
    done = snakemake(root, "-n", "--configfile", study, directory=tmp_path)
    assert done.returncode != 0
    assert "'shadow_models' is given more than once" in done.stdout
