"""What the conda environments pin is what pyproject.toml allows, and every dependency is declared."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONDA_NAMES = {"matplotlib-base": "matplotlib", "pytorch": "torch"}


@pytest.fixture
def required(request):
    project = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text())["project"]
    return {item.name: item for item in map(Requirement, project["dependencies"])}


@pytest.mark.parametrize("name", ["analysis", "gpu"])
def test_conda_pins_agree_with_the_package(request, required, name):
    environment = yaml.safe_load((request.config.rootpath / "envs" / f"{name}.yaml").read_text())
    pins = [line.split(" =") for line in environment["dependencies"] if line != "pip"]
    for package, version in pins:
        if package != "python":
            assert required[CONDA_NAMES.get(package, package)].specifier.contains(version), package
    missing = set(required) - {CONDA_NAMES.get(package, package) for package, _ in pins}
    workflow = {"snakemake", "snakemake-executor-plugin-slurm"}
    assert missing == workflow | ({"torch", "torchvision", "timm"} if name == "analysis" else set())


def test_the_container_holds_the_training_environment_and_lira(request):
    """Pins stand in envs/gpu.yaml alone; the recipe copies what `pip install .` needs. It is not built here."""
    root = request.config.rootpath
    recipe = (root / "envs" / "lira.def").read_text()
    sections = dict(re.findall(r"^%(\w+)\n((?: .*\n|\n)*)", recipe, re.MULTILINE))
    copied = dict(line.split() for line in sections["files"].splitlines() if line)
    assert all((root / source).exists() for source in copied)
    assert {"envs/gpu.yaml", "pyproject.toml", "lira"} <= set(copied)
    assert f"--file {copied['envs/gpu.yaml']}" in sections["post"]
    assert "pip install --no-deps /opt/build" in sections["post"]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)


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
