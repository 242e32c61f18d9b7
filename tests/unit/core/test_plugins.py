import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader
from importlib.util import spec_from_file_location
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from lira.core.errors import ConfigError
from lira.core.plugins import code_digest, load_function
from lira.core.preemption import Preempted


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory, and its modules forgotten afterwards."""
    known = {*sys.modules}
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield tmp_path / "work"
    for name in {*sys.modules} - known:
        del sys.modules[name]


def write(folder, **files):
    """Writes modules, each by its path without the suffix."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def install(root, name, version, files):
    """Writes a distribution as pip leaves it in a folder; without ``files``, as a system's package manager does."""
    (root / f"{name}-{version}.dist-info").mkdir(parents=True)
    (root / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    for file in files or []:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("def build(*_): ...\n")
    if files is not None:
        record = "".join(f"{file},sha256=x,3\n" for file in files)
        (root / f"{name}-{version}.dist-info" / "RECORD").write_text(record)


def test_a_function_whose_error_has_no_text_is_named_by_the_errors_type(monkeypatch):
    class MuteError(Exception):
        def __repr__(self):
            raise ValueError("no text")

    def fail():
        raise MuteError

    monkeypatch.setitem(sys.modules, "mute", SimpleNamespace(fail=fail))
    with pytest.raises(ConfigError, match="^mute:fail failed: MuteError$"):
        load_function("mute:fail")()


@pytest.mark.parametrize(
    "end", ["sys.exit(3)", "exit(3)", "raise SystemExit(3)", "argparse.ArgumentParser().parse_args(['-x'])"]
)
def test_code_that_ends_the_program_is_named(folder, end):
    called = "def load():\n    import argparse, sys\n    "
    write(folder, called=f"{called}{end}", imported=f"import argparse, sys\n{end}\ndef load(): ...")
    for name, said in (("called", "failed"), ("imported", "cannot be imported from the working .*")):
        with pytest.raises(ConfigError, match=f"^{name}:load {said}: it ends the program with '[23]', as sys.exit and"):
            load_function(f"{name}:load")()


def test_an_order_to_stop_passes_through_the_users_code(folder):
    stop = "from lira.core.preemption import Preempted\n"
    write(folder, called=f"{stop}def load():\n    raise Preempted", imported=f"{stop}raise Preempted")
    for name in ("called", "imported"):
        with pytest.raises(Preempted):
            load_function(f"{name}:load")()


@pytest.mark.parametrize(
    "text",
    [
        "import helper",
        "import helper as h",
        "from helper import *",
        "from helper import value",
        "def build():\n    import helper",
        "def build():\n    from helper import value",
        "try:\n    import helper\nexcept ImportError: pass",
        "class A:\n    import os, helper",
        "if False:\n    import helper",
        "import middle",
        "import importlib\ndef build():\n    return importlib.import_module('helper').value",
        "from importlib import import_module\nhelper = import_module(name='helper')",
        "from importlib import import_module as load\nhelper = load('helper', None)",
        "def build():\n    return __import__('helper').value",
        "import builtins as b\nb.__import__('helper', globals(), {}, ['value'], 0)",
        "import runpy\nrunpy.run_module('helper')",
        "# coding: latin-1\n# \xe9\nimport helper",
    ],
)
def test_a_module_beside_is_seen_however_it_is_imported(folder, text):
    (folder / "narrow.py").write_bytes(text.encode("latin-1"))
    write(folder, helper="value = 1", middle="def f():\n    import helper", other="value = 1")
    before = code_digest("narrow:build")
    write(folder, other="value = 2")
    assert code_digest("narrow:build") == before
    write(folder, helper="value = 2")
    assert code_digest("narrow:build") != before


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("import own.sub", {"own/__init__", "own/sub/__init__"}),
        ("import own.sub.deep", {"own/__init__", "own/sub/__init__", "own/sub/deep"}),
        ("from own import aside", {"own/__init__", "own/aside"}),
        ("from own.sub import deep as d", {"own/__init__", "own/sub/__init__", "own/sub/deep"}),
        ("from own import value", {"own/__init__"}),
        ("from own.aside import value", {"own/__init__", "own/aside"}),
        ("import own.none", {"own/__init__"}),
        ("from space import inside", {"space/inside"}),
        ("import space.below.lowest", {"space/below/lowest"}),
        ("from listed import *", {"listed/__init__", "listed/one"}),
        ("__import__('own', fromlist=['aside'])", {"own/__init__", "own/aside"}),
        ("from importlib import import_module as f\nf('.aside', 'own')", {"own/__init__", "own/aside"}),
        ("from importlib import import_module\nimport_module('.aside', package='own')", {"own/__init__", "own/aside"}),
        ("import_module(f'own{1}', 'own'), import_module(*['own']), import_module(), own.sub('own')", set()),
        ("from importlib import import_module\n{}['f']('own'), (lambda name: name)('own')", set()),
        ("from . import own", set()),
        ("from .own import aside", set()),
    ],
)
def test_packages_count_with_what_is_taken_from_them(folder, text, seen):
    modules = ("own/aside", "own/sub/deep", "space/inside", "space/below/lowest", "listed/one", "listed/two")
    packages = ("own/__init__", "own/sub/__init__", "listed/__init__")
    write(folder, narrow=text, **dict.fromkeys((*modules, *packages), "value = 1"))
    write(folder, **{"listed/__init__": "__all__ = ['one', 'value']"})
    assert seen_from("narrow:build", folder, [*modules, *packages]) == seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("from . import beside", {"own/beside"}),
        ("from .beside import value", {"own/beside"}),
        ("from .deep import below", {"own/deep/__init__", "own/deep/below"}),
        ("from .deep.below import value", {"own/deep/__init__", "own/deep/below"}),
        ("from .. import beside", set()),
        ("from ... import beside", set()),
        ("from .deep import relative", {"own/deep/__init__", "own/deep/relative", "own/beside"}),
        ("import beside", {"beside"}),
        ("import importlib\nimportlib.import_module('.beside', __package__)", {"own/beside"}),
        ("import importlib\nimportlib.import_module('..beside', package='own.deep')", {"own/beside"}),
        ("__import__('beside', globals(), locals(), ['value'], 1)", {"own/beside"}),
        ("__import__('beside')", {"beside"}),
    ],
)
def test_relative_imports(folder, text, seen):
    modules = ("beside", "own/beside", "own/deep/below", "own/deep/relative", "own/deep/__init__")
    write(folder, **dict.fromkeys(modules, "value = 1"), **{"own/__init__": "", "own/net": text})
    write(folder, **{"own/deep/relative": "from .. import beside"})
    assert seen_from("own.net:build", folder, modules) == seen


def seen_from(name, folder, modules):
    """Files that the digest of a function sees."""
    before, seen = code_digest(name), set()
    for module in modules:
        file = folder / f"{module}.py"
        text = file.read_bytes()
        file.write_bytes(text + b"#")
        seen |= {module} if code_digest(name) != before else set()
        file.write_bytes(text)
    assert code_digest(name) == before
    return seen


def test_the_modules_own_package_counts_and_cycles_end(folder):
    write(folder, **{"own/__init__": "from .net import build", "own/net": "import own\nfrom own import other"})
    write(folder, **{"own/other": "from . import net"})
    assert seen_from("own.net:build", folder, ["own/__init__", "own/net", "own/other"]) == {
        "own/__init__",
        "own/net",
        "own/other",
    }
    assert code_digest("own.net:build") == code_digest("own.net:scores")


def test_a_long_chain_of_imports(folder):
    write(folder, **{f"m{number}": f"import m{number + 1}" for number in range(1500)}, m1500="")
    assert seen_from("m0:f", folder, ["m1500"]) == {"m1500"}


def test_neither_folder_nor_time_counts_but_names_and_comments_do(folder, tmp_path, monkeypatch):
    write(folder, narrow="import helper", helper="value = 1")
    before = code_digest("narrow:build")
    os.utime(folder / "helper.py", (1, 1))
    assert code_digest("narrow:build") == before
    write(tmp_path / "elsewhere", narrow="import helper", helper="value = 1", wide="import helper")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert code_digest("narrow:build") == before
    assert code_digest("wide:build") != before
    write(tmp_path / "elsewhere", helper="value = 1  # one")
    assert code_digest("narrow:build") != before


def test_a_module_that_becomes_a_package_or_appears_is_seen(folder):
    write(folder, narrow="try:\n    import helper\nexcept ImportError: pass")
    missing = code_digest("narrow:build")
    write(folder, helper="value = 1")
    plain = code_digest("narrow:build")
    (folder / "helper.py").unlink()
    write(folder, **{"helper/__init__": "value = 1"})
    assert len({missing, plain, code_digest("narrow:build")}) == 3


def test_no_code_runs(folder):
    write(folder, narrow="import own.sub\nraise SystemExit", **{"own/__init__": "raise SystemExit", "own/sub": "1/0"})
    known, searched = {*sys.modules}, [*sys.path]
    code_digest("narrow:build")
    assert {*sys.modules} == known and sys.path == searched


def test_a_helper_that_is_no_python_counts_and_is_not_followed(folder, recwarn):
    write(folder, narrow="import broken, nul, odd", nested="1", odd="import nested\nvalue = '\\d'")
    write(folder, broken="import helper\nvalue = (", nul="import helper\n\0", helper="value = 1")
    files = ["broken", "nul", "odd", "nested", "helper"]
    assert seen_from("narrow:build", folder, files) == {"broken", "nul", "odd", "nested"}
    assert not recwarn.list


@pytest.mark.parametrize(
    "name", ["none:f", "narrow.none:f", "own.none:f", "own.sub.none:f", "none.at.all:f", "own..a:f"]
)
def test_a_missing_module(folder, name):
    write(folder, narrow="", **{"own/__init__": "", "own/sub": ""})
    module = name.split(":")[0]
    said = f"^{name} cannot be imported from the working directory or the environment: ModuleNotFoundError.*{module}"
    with pytest.raises(ConfigError, match=said):
        code_digest(name)
    with pytest.raises(ConfigError, match=said):
        load_function(name, "0" * 64)


def test_a_file_that_cannot_be_read(folder, monkeypatch):
    write(folder, narrow="import helper", helper="")
    read = SourceFileLoader.get_data

    def refused(loader, path):
        if path.endswith("helper.py"):
            raise PermissionError(13, "Permission denied", path)
        return read(loader, path)

    monkeypatch.setattr(SourceFileLoader, "get_data", refused)
    with pytest.raises(ConfigError, match="^narrow:build cannot be imported .*PermissionError.*Permission denied"):
        code_digest("narrow:build")


@pytest.fixture
def environment(folder, tmp_path, monkeypatch):
    """Installed distributions: a package, two that share a namespace, and one of another name than its module."""
    root = tmp_path / "lib" / "site-packages"
    install(root, "Some_Thing", "1.0", ["some_thing/__init__.py", "some_thing/sub.py"])
    install(root, "space-one", "1.0", ["space/one/__init__.py"])
    install(root, "space-two", "1.0", ["space/two.py"])
    install(root, "misleading", "1.0", ["other_name.py"])
    install(root, "other-name", "1.0", ["yet_another.py"])
    install(root, "scikit-learn", "1.0", ["fake_sklearn.py"])
    monkeypatch.syspath_prepend(root)
    return root


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("import some_thing", {"Some_Thing"}),
        ("from some_thing.sub import build", {"Some_Thing"}),
        ("import space.one", {"space-one"}),
        ("from space import two", {"space-two"}),
        ("import space", set()),
        ("import other_name", {"misleading"}),
        ("import fake_sklearn", set()),
        ("import helper", {"Some_Thing"}),
        ("import os, sys, json.decoder, lira.evaluation.roc, lira, torch.nn, numpy, sklearn, PIL.Image, yaml", set()),
    ],
)
def test_of_installed_packages_the_version_counts(folder, environment, text, counts):
    write(folder, narrow=text, helper="import some_thing")
    before, seen = code_digest("narrow:build"), set()
    for name in ("Some_Thing", "space-one", "space-two", "misleading", "other-name", "scikit-learn"):
        info = environment / f"{name}-1.0.dist-info" / "METADATA"
        info.write_text(info.read_text().replace("1.0", "1.1"))
        seen |= {name} if code_digest("narrow:build") != before else set()
        info.write_text(info.read_text().replace("1.1", "1.0"))
    assert seen == counts
    for file in environment.rglob("*.py"):
        file.write_text("other = 1")
    assert code_digest("narrow:build") == before


def test_functions_of_installed_packages(folder, environment):
    assert code_digest("some_thing.sub:build") == code_digest("some_thing:build") != code_digest("other_name:build")
    builtin = code_digest("builtins:dict")
    for name in ("os:stat", "os.path:join", "math:sin", "email.mime.text:MIMEText", "torch.nn:Linear", "pytest:main"):
        assert code_digest(name) == builtin  # their versions make no finished work stale, no more than the suite's
    assert code_digest("lira.core.plugins:load_function") == builtin
    with pytest.raises(
        ConfigError, match="^some_thing:build: some-thing==1.0 .* has changed since this job was planned"
    ):
        load_function("some_thing:build", "0" * 64)


def test_an_installed_module_of_no_distribution_counts_by_its_bytes(folder, environment):
    (environment / "copied.py").write_text("import some_thing")
    write(folder, narrow="import copied")
    assert seen_from("narrow:build", environment, ["copied", "some_thing/sub"]) == {"copied"}


def test_distributions_without_a_list_of_files(folder, environment):
    write(environment, named="", listed_module="")
    install(environment, "named", "1.0", None)
    install(environment, "listing", "1.0", None)
    (environment / "listing-1.0.dist-info" / "top_level.txt").write_text("listed_module\n")
    write(folder, narrow="import named, listed_module")
    assert seen_from("narrow:build", environment, ["named", "listed_module"]) == set()
    before = code_digest("narrow:build")
    (environment / "listing-1.0.dist-info" / "METADATA").write_text("Name: listing\nVersion: 2\n")
    assert code_digest("narrow:build") != before


def test_an_editable_installation_counts_by_its_bytes(folder, tmp_path, monkeypatch):
    """Both kinds: a folder more to search, and a finder of its own."""
    write(tmp_path / "source", editable="value = 1", **{"package/__init__": "", "package/net": "value = 1"})

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            home = tmp_path / "source" / "package"
            if name == "package":
                return spec_from_file_location(name, home / "__init__.py", submodule_search_locations=[str(home)])
            return None

    write(folder, narrow="import editable, package.net", none="import package.net")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert seen_from("none:build", tmp_path / "source", ["package/__init__", "package/net"]) == {
        "package/__init__",
        "package/net",
    }
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "source")])
    assert seen_from("narrow:build", tmp_path / "source", ["editable", "package/net"]) == {"editable", "package/net"}


def test_modules_that_are_no_text(folder, tmp_path, monkeypatch):
    """An extension module beside counts by its bytes; a zipped module is followed."""
    extension = folder / f"fast{EXTENSION_SUFFIXES[0]}"
    extension.write_bytes(b"\x7fELF 1")
    write(folder, narrow="import fast, zipped", helper="")
    with ZipFile(tmp_path / "modules.zip", "w") as archive:
        archive.writestr("zipped.py", "import helper")
    monkeypatch.syspath_prepend(tmp_path / "modules.zip")
    before = code_digest("narrow:build")
    assert seen_from("narrow:build", folder, ["helper"]) == {"helper"}
    extension.write_bytes(b"\x7fELF 2")
    assert code_digest("narrow:build") != before


def test_only_the_planned_code_is_loaded(folder):
    write(folder, narrow="from helper import value\ndef build(): return value", helper="value = 1")
    digest = code_digest("narrow:build")
    assert len(digest) == 64 and load_function("narrow:build", digest)() == 1
    write(folder, **{"own/__init__": "", "own/net": "raise SystemExit"})
    for name, file in (("narrow:build", "narrow.py"), ("own.net:build", "own/net.py")):
        said = rf"^{name}: {file} \(or a module that it imports\) has changed since this job was planned: run the same "
        with pytest.raises(ConfigError, match=said):
            load_function(name, "0" * 64)


def test_an_edit_that_keeps_size_and_time_is_run(folder):
    """In a process that writes Python's cache, as it does unless it is told not to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONDONTWRITE")}
    said = []
    for value in (1, 2):
        write(folder, narrow=f"def build():\n    import late\n    return {value}, late.value", late=f"value = {value}")
        for module in ("narrow", "late"):
            os.utime(folder / f"{module}.py", (1, 1))
        plain = "import narrow; print(narrow.build())"
        loaded = "from lira.core.plugins import load_function; print(load_function('narrow:build')())"
        command = [sys.executable, "-c", plain if value == 1 else loaded]
        said.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        assert len([*(folder / "__pycache__").iterdir()]) == 2
    assert said == ["(1, 1)\n", "(2, 2)\n"]


ADDS = "import sys\nsys.path.insert(0, {place!r})\n"


@pytest.mark.parametrize(
    "text",
    [
        ADDS + "from blocks import value\ndef build(): return value",
        ADDS + "def build():\n    from blocks import value\n    return value",
        "def build():\n    import sys\n    sys.path.insert(0, {place!r})\n    from blocks import value",
        "def build():\n    import helper\n    from blocks import value",
    ],
)
def test_imports_from_folders_that_the_code_puts_on_the_path_are_refused(folder, tmp_path, text):
    place, searched = str(tmp_path / "src"), [*sys.path, ""]
    write(tmp_path / "src", blocks="value = 1")
    write(folder, narrow=text.format(place=place), helper=ADDS.format(place=place))
    known = code_digest("narrow:build")
    for digest in (None, known, known):  # as often as one tries
        with pytest.raises(ConfigError, match=f"^narrow:build puts '{place}' on sys.path and imports from there.*PYTH"):
            load_function("narrow:build", digest)()
        assert sys.path == searched and code_digest("narrow:build") == known
        sys.modules.pop("helper", None)
    sys.path.append(place)
    sys.modules.pop("narrow", None)
    load_function("narrow:build", code_digest("narrow:build"))()


def test_a_package_that_puts_a_folder_on_the_path_is_refused_as_often_as_one_tries(folder, tmp_path):
    place = str(tmp_path / "src")
    write(tmp_path / "src", blocks="value = 1")
    write(folder, **{"own/__init__": ADDS.format(place=place), "own/net": "from blocks import value\ndef build(): ..."})
    for _ in range(3):
        with pytest.raises(ConfigError, match=f"^own.net:build puts '{place}' on sys.path and imports from there"):
            load_function("own.net:build", code_digest("own.net:build"))


def test_a_folder_on_the_path_that_leads_to_no_other_code_is_no_matter(folder, tmp_path):
    write(tmp_path / "src", unused="value = 1")
    write(folder, narrow=ADDS.format(place=str(folder)) + "import helper\ndef build(): return helper.value")
    write(folder, helper=ADDS.format(place=str(tmp_path / "src")) + "value = 1")
    assert load_function("narrow:build", code_digest("narrow:build"))() == 1
    assert str(tmp_path / "src") in sys.path


LEAVES = "import os, helper\nfrom contextlib import chdir\ndef there(x=None): os.chdir('elsewhere')\n"


@pytest.mark.parametrize("place", ["narrow:there", "called:there", "helped:build"])
def test_code_that_leaves_the_working_directory_is_refused_as_often_as_one_tries(folder, place):
    (folder / "elsewhere").mkdir()
    write(folder, narrow=LEAVES, called=LEAVES + "there()", helper="")
    write(folder, helped="import late\ndef build(): ...", late="import os\nos.chdir('elsewhere')")
    for _ in range(2):
        with pytest.raises(ConfigError, match=f"^{place} leaves the working directory, so results would be .*chdir"):
            load_function(place)()
        assert os.getcwd() == str(folder)


def test_code_that_goes_back_or_fails_elsewhere(folder):
    (folder / "elsewhere").mkdir()
    back = "def back():\n    with chdir('elsewhere'): return os.path.basename(os.getcwd())\n"
    fails = "def fails():\n    os.chdir('elsewhere'); os.rmdir(os.getcwd())\n    raise ValueError('so it is')"
    write(folder, narrow=LEAVES + back + fails, helper="")
    assert load_function("narrow:back")() == "elsewhere"
    with pytest.raises(ConfigError, match="^narrow:fails failed: ValueError.*so it is"):
        load_function("narrow:fails")()
    assert os.getcwd() == str(folder)


@pytest.mark.parametrize("known", [True, False])
def test_code_that_was_imported_before_it_was_edited_is_not_taken_for_the_new_one(folder, known):
    write(folder, narrow="from helper import value\ndef build(): return value", helper="value = 1")
    assert load_function("narrow:build", code_digest("narrow:build") if known else None)() == 1
    write(folder, helper="value = 22", other="import helper")
    for name in ("narrow:build", "other:build"):
        with pytest.raises(ConfigError, match=f"^{name}: module helper was imported before it was edited, or is an"):
            load_function(name, code_digest(name))
    del sys.modules["narrow"], sys.modules["helper"]
    assert load_function("narrow:build", code_digest("narrow:build"))() == 22
