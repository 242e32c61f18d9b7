"""The shape of the code: imports go one way, and nothing grows beyond what a reader holds in mind."""

import ast
import re
from graphlib import CycleError, TopologicalSorter

import pytest

STAGES = ("core", "config", "storage", "datasets", "shadows", "attacks", "evaluation", "report", "paper")
ENTRANCES = ("work", "workflow", "pages", "remaining", "cost", "status", "cli")
ORDER = (*STAGES, *ENTRANCES)
MODULE, FUNCTION, RULES, ENTRANCE_MODULES = 400, 60, 800, 8


@pytest.fixture(scope="module")
def root(request):
    return request.config.rootpath


@pytest.fixture(scope="module")
def trees(root):
    """Syntax trees of all modules by their dotted names."""
    found = {}
    for file in sorted((root / "lira").rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(file.read_text())
    return found


def imported(tree, modules):
    """Modules of the suite that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lira":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)


def stage(module):
    return [*module.split("."), ""][1]


def test_imports_go_from_later_stages_to_earlier_ones_alone(trees):
    for module, tree in trees.items():
        if module == "lira":
            continue
        for other in imported(tree, trees):
            assert other != "lira" or stage(module) == "cli", f"{module} imports {other}"
            if other != "lira":
                assert ORDER.index(stage(other)) <= ORDER.index(stage(module)), f"{module} imports {other}"


def test_imports_form_no_cycle(trees):
    graph = {module: set(imported(tree, trees)) - {module} for module, tree in trees.items() if module != "lira"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(error.args[1])}")


def test_torch_is_imported_by_shadows_alone(trees):
    for module, tree in trees.items():
        if stage(module) == "shadows":
            continue
        bodies = tree.body if stage(module) == "datasets" else list(ast.walk(tree))
        for node in bodies:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"torch", "torchvision", "timm"}, module


def test_modules_and_functions_are_short(root, trees):
    for file in sorted((root / "lira").rglob("*.py")):
        assert len(file.read_text().splitlines()) <= MODULE, file
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < FUNCTION, f"{module}.{node.name}"


def test_the_entrance_has_few_modules(root):
    assert len(list((root / "lira").glob("*.py"))) <= ENTRANCE_MODULES
    folders = {path.name for path in (root / "lira").iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == {*STAGES, "cli", "workflow"}


def test_rules_are_short_and_ask_common_alone(root):
    files = [root / "Snakefile", *sorted((root / "rules").glob("*.smk"))]
    assert sum(len(file.read_text().splitlines()) for file in files) <= RULES
    for file in files:
        if file.name != "common.smk":
            assert not re.search(r"^\s*def |\blambda\b", file.read_text(), re.MULTILINE), file
    assert len((root / "rules" / "common.smk").read_text().splitlines()) < 60
