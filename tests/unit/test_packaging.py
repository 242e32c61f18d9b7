"""What the conda environments pin is what pyproject.toml allows, and every dependency is declared."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement

CONDA_NAMES = {"matplotlib-base": "matplotlib", "seaborn-base": "seaborn", "pytorch": "torch"}


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
        assert {name.lower() for name in distributions[module]} & {name.lower() for name in required}, module
