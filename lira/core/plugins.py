"""Loads the user's own functions, which a study file names as ``package.module:function``, and says what code they are.

The code of a function is what :func:`code_digest` sees: the module that holds it and all that this module imports.
"""

import ast
import os
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from hashlib import sha256
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import Distribution, distributions, requires
from itertools import accumulate, chain
from pathlib import Path
from types import CodeType
from typing import Any, cast

from lira.core.errors import ConfigError, LiraError, said
from lira.core.preemption import Preempted

SUITE, DISTRIBUTION = "lira", "lira-mia"
INSTALLED = {"site-packages", "dist-packages"}
PYTHONS = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
AGAIN = "run the same command again, with the same packages that jobs have"

BY_NAME = {
    "import_module": ("name", "package"),
    "__import__": ("name", "globals", "locals", "fromlist", "level"),
    "run_module": ("name",),
}
"""Functions of Python that import a module by its name, with their arguments."""

COMPILED: dict[str, str] = {}
"""By module of the user's: SHA-256 of the bytes that this process imported."""


def load_function(name: str, digest: str | None = None) -> Callable:
    """Imports a function ``package.module:function`` from the environment or the working directory.

    Args:
        name: The function.
        digest: The code that it must be, from :func:`code_digest`; any if not given.

    Raises:
        ConfigError: The module cannot be imported, has no such function, is of other code, was imported before it was
            edited, imports from folders that it puts on ``sys.path``, or leaves the working directory. The returned
            function raises it if a call fails, imports so, or leaves it.
    """
    if digest is not None:
        check_code({name: digest})
        _check_imported(name)
    module, function = name.split(":")
    if "" not in sys.path:
        sys.path.append("")
    if _FromSource not in sys.meta_path:
        sys.meta_path.insert(0, _FromSource)
    try:
        with _from_known_folders(name), _staying(name):
            found = getattr(import_module(module), function, None)
    except LiraError:
        for each in _Code(name).files:  # to be refused again if they are asked for again
            sys.modules.pop(each, None)
        raise
    except Preempted:
        raise
    except (Exception, SystemExit) as error:  # the module may do anything
        raise _not_imported(name, error) from error
    if digest is not None:  # again, as the file may have been edited before it was imported
        check_code({name: digest})
    if not callable(found):
        raise ConfigError(f"{name}: module {module} has no function {function}")
    return guarded(_from_known_folders(name)(found), name)


def guarded(function: Callable, name: str) -> Callable:
    """Returns a function that raises ConfigError, with the name in front, where the user's function fails.

    So it does where that leaves the working directory.
    """

    @wraps(function, updated=())
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            with _staying(name):
                return function(*arguments, **named)
        except (LiraError, MemoryError, Preempted):
            raise
        except (Exception, SystemExit) as error:  # so may the function
            raise ConfigError(f"{name} failed: {said(error)}") from error

    return call


@contextmanager
def _staying(name: str) -> Iterator[None]:
    """Goes back to the working directory if the user's code leaves it meanwhile, as results lie there, and modules.

    Raises:
        ConfigError: It did, and did not fail.
    """
    place, before = os.getcwd(), os.stat(".")
    try:
        yield
    finally:
        if left := not os.path.samestat(os.stat("."), before):
            os.chdir(place)
    if left:
        raise ConfigError(
            f"{name} leaves the working directory, so results would be written elsewhere: name files by their whole "
            "path, or use contextlib.chdir, which goes back"
        )


class _FromSource:
    """Finds the user's own modules, to be compiled from the bytes that the digest sees.

    Python's cache compares size and time of a file alone, and so runs the code of before an edit that keeps both, as a
    copy with its times may. Installed packages are not compiled again.
    """

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        others = (finder for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None or type(spec.loader) is not SourceFileLoader or name.split(".")[0] == SUITE:
            return spec
        if not _is_pythons(spec) and not INSTALLED & {*Path(spec.loader.path).parts}:
            spec.loader = _Compiled(name, spec.loader.path)
        return spec


class _Compiled(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        content = self.get_data(self.path)
        COMPILED[fullname] = sha256(content).hexdigest()
        return self.source_to_code(content, self.path)


@contextmanager
def _from_known_folders(name: str) -> Iterator[None]:
    """Checks that what the user's code puts on ``sys.path`` meanwhile does not change which code that is.

    Raises:
        ConfigError: It does; ``sys.path`` is as it was.
    """
    before = [*sys.path]
    yield
    if not (added := [*(Counter(map(str, sys.path)) - Counter(map(str, before)))]):
        return
    with_added = [*sys.path]
    try:
        sys.path[:] = before
        known = code_digest(name)
        sys.path[:] = with_added
        code = _Code(name)
    except BaseException:
        sys.path[:] = before
        raise
    if code.digest() == known:
        return
    sys.path[:] = before
    for module in code.files:  # to be refused again if they are asked for again
        sys.modules.pop(module, None)
    raise ConfigError(
        f"{name} puts {', '.join(map(repr, added))} on sys.path and imports from there, so edits there would not be "
        "noticed: leave sys.path as it is, and set PYTHONPATH to such folders before you call snakemake"
    )


def check_code(digests: Mapping[str, str], since: str = "this job was planned", remedy: str = AGAIN) -> None:
    """Checks that functions are still the code that a job was planned with; no code runs.

    Args:
        digests: What :func:`code_digest` gave for each function.
        since: What was done when they gave it.
        remedy: What to do where the code is another.

    Raises:
        ConfigError: The code is another, or cannot be read.
    """
    for name, digest in digests.items():
        code = _Code(name)
        if code.digest() != digest:
            raise ConfigError(f"{name}: {code.file} (or a module that it imports) has changed since {since}: {remedy}")


def _check_imported(name: str) -> None:
    """Checks that no module of the code was imported in this process as other code, as Python would keep that.

    Raises:
        ConfigError: One was.
    """
    for module, seen in _Code(name).files.items():
        if module in sys.modules and COMPILED.get(module, seen) != seen:
            said = f"{name}: module {module} was imported before it was edited, or is another of that name"
            raise ConfigError(f"{said}: start Python again")


def code_digest(name: str) -> str:
    """Returns the SHA-256 of the code of a function ``package.module:function``, in hexadecimal; no code runs.

    It covers the bytes of the function's module and of every module that this one imports, wherever it does so, except
    installed ones: of these it covers the name and version of the distribution. The suite, the libraries that it
    requires and Python's own do not count. Nor does where the files lie and when they were written.

    Raises:
        ConfigError: The module is not found, or a file cannot be read.
    """
    return _Code(name).digest()


class _Code:
    """Files and distributions that the code of a function consists of, found without running any of it."""

    def __init__(self, name: str):
        self.module = name.split(":")[0]
        self._lines: dict[str, str] = {}  # by module: checksum and file, or the distribution
        self._folders: dict[str, Sequence[str] | None] = {}  # by module: where submodules lie; None: they do not count
        self._waiting: list[str] = []
        try:
            if not self._add(self.module):
                raise ModuleNotFoundError(f"No module named {self.module!r}")
            while self._waiting:
                self._add(self._waiting.pop())
        except (OSError, ModuleNotFoundError) as error:
            raise _not_imported(name, error) from error

    @property
    def file(self) -> str:
        """The file of the function's module, relative to where it was searched."""
        return self._lines.get(self.module, self.module).split("  ")[-1]

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of each module that counts by its bytes."""
        return {module: line.split("  ")[0] for module, line in self._lines.items() if "  " in line}

    def digest(self) -> str:
        return sha256("\n".join(sorted({*self._lines.values()})).encode()).hexdigest()

    def _add(self, module: str) -> bool:
        """Adds a module and the packages around it, which are imported with it; returns whether all are there."""
        folders: Sequence[str] | None = None
        for name in accumulate(module.split("."), "{}.{}".format):
            if name not in self._folders:
                spec = _find(name, folders)
                if spec is None:
                    return False
                self._folders[name] = self._look(name, spec)
            folders = self._folders[name]
            if folders is None:
                break
        return True

    def _look(self, name: str, spec: ModuleSpec) -> Sequence[str] | None:
        """Adds one module, and what it imports to those that wait; returns the folders of its submodules."""
        if name == SUITE or _is_pythons(spec):
            return None
        folders, place, loader = spec.submodule_search_locations, spec.origin, cast(Any, spec.loader)
        if not spec.has_location or place is None:  # a folder without __init__.py
            return list(folders or [])
        package = name.rpartition(".")[0] if folders is None else name
        file = "/".join([*filter(None, package.split(".")), Path(place).name])
        if INSTALLED & {*Path(place).parts} and (known := _distribution(file, place.removesuffix(file))):
            if _plain(known.name) not in _required():
                self._lines[name] = f"{_plain(known.name)}=={known.version}"
            return None
        content = loader.get_data(place)
        self._lines[name] = f"{sha256(content).hexdigest()}  {file}"
        self._waiting += _imports(content, package, folders is not None)
        return list(folders or [])


def _find(name: str, folders: Sequence[str] | None) -> ModuleSpec | None:
    """Finds a module as ``import`` does in :func:`load_function`: a submodule in its package's folders."""
    if folders is not None:
        return PathFinder.find_spec(name.rpartition(".")[2], folders)
    searched = sys.path if "" in sys.path else [*sys.path, ""]
    found = (finder.find_spec(name, searched if finder is PathFinder else None) for finder in sys.meta_path)
    return next(filter(None, found), None)


def _is_pythons(spec: ModuleSpec) -> bool:
    place = str(spec.origin)
    return place in ("built-in", "frozen") or (place.startswith(PYTHONS) and not INSTALLED & {*Path(place).parts})


def _distribution(file: str, root: str) -> Distribution | None:
    """Finds the installed distribution that a module's file belongs to; likely ones are looked at first."""
    top = re.split(r"[/.]", file)[0]
    likely = (distributions(name=name, path=[root]) for name in (top, *_required()))
    every = chain(*likely, distributions(path=[root]))
    return next((one for one in every if _holds(one, file, top)), None)


def _holds(distribution: Distribution, file: str, top: str) -> bool:
    files = distribution.read_text("RECORD")
    if files is None:  # as system packages have it
        return top in (distribution.read_text("top_level.txt") or distribution.name).split()
    return f"\n{file}," in f"\n{files}"


@cache
def _required() -> set[str]:
    """Returns the distributions that the suite requires, with or without extras."""
    return {_plain(re.split(r"[^\w.-]", line)[0]) for line in requires(DISTRIBUTION) or []}


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _imports(content: bytes, package: str, is_package: bool) -> Iterator[str]:
    """Yields all that a module may import, of the names that its text has; some are no modules."""
    try:
        with warnings.catch_warnings(action="ignore"):
            nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # Python cannot import it either
        return
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    called = {alias.asname or alias.name: alias.name for node in froms for alias in node.names if alias.name in BY_NAME}
    called |= {name: name for name in BY_NAME}
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _with_parts(node.module or "", node.level, package, [alias.name for alias in node.names])
        elif isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in called:
                yield from _named(node, BY_NAME[called[function]], package)
        elif is_package and isinstance(node, ast.Assign) and "__all__" in map(ast.unparse, node.targets):
            named = (one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant))
            yield from (f"{package}.{one!s}" for one in named)  # what `from package import *` imports


def _named(call: ast.Call, parameters: Sequence[str], package: str) -> Iterator[str]:
    """Yields what a call imports by a name that its text has, as ``import_module("helper")`` does."""
    given = dict(zip(parameters, call.args, strict=False)) | {str(one.arg): one.value for one in call.keywords}
    said = {name: value.value for name, value in given.items() if isinstance(value, ast.Constant)}
    if isinstance(name := said.get("name"), str):
        module, level, anchor = name.lstrip("."), said.get("level"), said.get("package")
        level = len(name) - len(module) or (level if isinstance(level, int) else 0)
        parts = [one.value for one in ast.walk(given.get("fromlist", call.func)) if isinstance(one, ast.Constant)]
        yield from _with_parts(module, level, anchor if isinstance(anchor, str) else package, parts)


def _with_parts(module: str, level: int, package: str, parts: Sequence[Any]) -> Iterator[str]:
    """Yields a module, so many levels above a package's modules or absolute if 0, and what is taken from it."""
    above = package.split(".") if package and level else []
    if level <= len(above):
        base = ".".join([*above[: len(above) + 1 - level], *filter(None, [module])])
        yield from (base, *(f"{base}.{part}" for part in parts))


def _not_imported(name: str, error: BaseException) -> ConfigError:
    return ConfigError(f"{name} cannot be imported from the working directory or the environment: {said(error)}")
