"""What the conda environments pin is what pyproject.toml allows, and every dependency is declared."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CONDA_NAMES = {"matplotlib-base": "matplotlib", "pytorch": "torch", "seaborn-base": "seaborn"}
WORKFLOW = {"snakemake", "snakemake-executor-plugin-slurm"}
"""Needed where Snakemake runs, not by its jobs."""

FORBIDDEN = {"matplotlib": "<3.13"}
"""What is known to break with newer versions; pyproject.toml says why."""


@pytest.fixture
def required(request):
    project = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text())["project"]
    return {item.name: item for item in map(Requirement, project["dependencies"])}


@pytest.fixture
def bounds(request, required):
    """The oldest version that is allowed of each dependency, those of the extras included."""
    extras = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    listed = [Requirement(text) for texts in extras.values() for text in texts]
    found = {}
    for item in (*required.values(), *(item for item in listed if item.name != "lira-mia")):
        (bound,) = (part for part in item.specifier if str(part) != FORBIDDEN.get(item.name))
        assert bound.operator == ">=", item
        assert found.setdefault(item.name, bound.version) == bound.version, f"{item.name} has two bounds"
    return found


@pytest.fixture
def recipe(request):
    text = (request.config.rootpath / "envs" / "lira.def").read_text()
    return dict(re.findall(r"^%(\w+)\n((?: .*\n|\n)*)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["analysis", "gpu"])
def test_conda_pins_agree_with_the_package(request, required, name):
    environment = yaml.safe_load((request.config.rootpath / "envs" / f"{name}.yaml").read_text())
    pins = [line.split(" =") for line in environment["dependencies"] if line != "pip"]
    for package, pin in pins:
        if package != "python":
            newest = f"{pin}.9999"  # conda takes the newest of a series
            assert required[CONDA_NAMES.get(package, package)].specifier.contains(newest), package
    missing = set(required) - {CONDA_NAMES.get(package, package) for package, _ in pins}
    assert missing == WORKFLOW | ({"torch", "torchvision", "timm"} if name == "analysis" else set())


def test_what_is_installed_is_allowed(bounds):
    """It is the oldest where CI asked for that, so that no bound is one which another package forbids."""
    installed = {name: Version(version(name)) for name in bounds}
    oldest = {name: Version(bound) for name, bound in bounds.items()}
    assert not {name: found for name, found in installed.items() if found < oldest[name]}
    if os.environ.get("LIRA_RESOLUTION") == "lowest-direct":
        assert installed == oldest


def test_every_version_of_python_and_the_oldest_packages_are_tried(request):
    root = request.config.rootpath
    jobs = yaml.safe_load((root / ".github" / "workflows" / "tests.yml").read_text())["jobs"]
    oldest = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert jobs["suite"]["strategy"]["matrix"]["python"][0] == oldest
    tried = {job["resolution"]: job["python"] for job in jobs["versions"]["strategy"]["matrix"]["include"]}
    assert tried == {"lowest-direct": oldest, "highest": jobs["suite"]["strategy"]["matrix"]["python"][-1]}


def test_hooks_before_a_commit_are_as_new_as_the_tests(request, bounds):
    hooks = yaml.safe_load((request.config.rootpath / ".pre-commit-config.yaml").read_text())["repos"]
    pinned = {hook["repo"].rsplit("/", 1)[1].removesuffix("-pre-commit"): hook["rev"] for hook in hooks}
    for tool in ("ruff", "snakefmt"):
        assert Version(pinned[tool]) >= Version(bounds[tool])


def test_the_citation_is_of_this_version(request):
    root = request.config.rootpath
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def test_the_container_holds_the_training_environment_and_lira(request, recipe):
    """It copies what `pip install .` needs; tests/workflow/test_container.py builds it."""
    root = request.config.rootpath
    copied = dict(line.split() for line in recipe["files"].splitlines() if line)
    assert all((root / source).exists() for source in copied)
    assert {"envs/gpu.yaml", "pyproject.toml", "lira"} <= set(copied)
    assert "pip install --no-cache-dir --no-deps /opt/build\n" in recipe["post"]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)


def test_the_container_installs_the_pins_of_the_training_environment(request, required, recipe):
    """They stand in envs/gpu.yaml alone, and the recipe's own line turns them into pip's."""
    environment = request.config.rootpath / "envs" / "gpu.yaml"
    (line,) = (line for line in recipe["post"].splitlines() if line.strip().startswith("sed "))
    command, _, written = line.replace("/opt/build/gpu.yaml", shlex.quote(str(environment))).partition(" > ")
    assert f"--requirement {written}\n" in recipe["post"]
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    installed = {item.name: str(item.specifier) for item in map(Requirement, said.splitlines())}
    pins = [item.split(" =") for item in yaml.safe_load(environment.read_text())["dependencies"] if item != "pip"]
    assert installed == {CONDA_NAMES.get(name, name): f"=={pin}.*" for name, pin in pins if name != "python"}
    assert set(installed) == set(required) - WORKFLOW


def test_dockers_image_has_the_files_and_pins_of_apptainers(request, recipe):
    text = (request.config.rootpath / "envs" / "Dockerfile").read_text()
    apptainer = (request.config.rootpath / "envs" / "lira.def").read_text()
    copied = [source for line in re.findall(r"^COPY (.*)", text, re.MULTILINE) for source in line.split()[:-1]]
    assert sorted(copied) == sorted(line.split()[0] for line in recipe["files"].splitlines() if line)
    base = re.search(r"^From: (.*)", apptainer, re.MULTILINE)[1]
    assert f"\nFROM {base}\n" in text
    flat = " ".join(text.replace("\\\n", " ").split())
    for line in recipe["post"].splitlines()[:-1]:
        if line and "#" not in line and "--no-deps" not in line:
            assert " ".join(line.split()) in flat, line
    assert "--constraint /opt/build/requirements.txt /opt/build " in flat
    assert recipe["test"].splitlines()[0].strip() in flat


def test_the_lock_has_an_exact_version_of_all_that_is_required(request, bounds):
    lines = (request.config.rootpath / "envs" / "lock.txt").read_text().splitlines()
    locked = {item.name: str(item.specifier) for item in map(Requirement, (one for one in lines if one[0] != "#"))}
    assert all(re.fullmatch(r"==[\w.+]+", version) for version in locked.values())
    locked = {canonicalize_name(name): version.removeprefix("==") for name, version in locked.items()}
    for name, bound in bounds.items():
        assert Version(locked[canonicalize_name(name)]) >= Version(bound), name


@pytest.mark.parametrize("name", ["analysis", "gpu"])
def test_lira_is_installed_in_a_conda_environment_from_any_folder(request, tmp_path, name):
    """Snakemake copies the script beside the environment and runs it where it was called."""
    (tmp_path / "pip").write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@" > called\n')
    (tmp_path / "pip").chmod(0o755)
    script = tmp_path / "copied.post-deploy.sh"
    script.write_text((request.config.rootpath / "envs" / f"{name}.post-deploy.sh").read_text())
    known = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["bash", script]
    told = subprocess.run(command, cwd=tmp_path, env=known | {"LIRA_SOURCE": "/a b"}, check=True)
    assert told.returncode == 0
    called = (tmp_path / "called").read_text().splitlines()
    assert called == [str(tmp_path), "install", "--no-deps", "--editable", "/a b"]
    alone = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, check=False)
    assert alone.returncode and "LIRA_SOURCE: is the folder of the Snakefile, which sets it" in alone.stderr


def test_every_import_is_declared(request, required):
    modules = set()
    for file in (request.config.rootpath / "lira").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.split(".")[0])
    distributions = packages_distributions()
    for module in modules - set(sys.stdlib_module_names) - {"lira"}:
        named = {canonicalize_name(name) for name in distributions[module]}
        assert named & set(map(canonicalize_name, required)), module
