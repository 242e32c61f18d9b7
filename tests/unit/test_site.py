"""The documentation site builds without a warning and needs nothing from other servers."""

import os
import re
import subprocess

import pytest

LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(?:https?:)?//|<link\b[^>]*\bhref=\"?(?:https?:)?//")
CODE = re.compile(r"<(code|pre|script)\b.*?</\1>", re.DOTALL)
LEFT_OVER = re.compile(r":\w+:`|``|====|&gt;&gt;&gt;")
WRITTEN_BY_HAND = ("index", "extend", "configuration", "contributing", "changelog", "benchmarks")


@pytest.fixture(scope="module")
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        ["mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=request.config.rootpath,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_it_has_every_page_and_every_package(request, site):
    lira = request.config.rootpath / "lira"
    files = [*lira.glob("*/__init__.py"), *lira.glob("*.py")]
    names = {file.parent.name if file.stem == "__init__" else file.stem for file in files} - {"lira"}
    assert {page.stem for page in (site / "api").iterdir()} == names | {"index"}
    assert all((site / f"{page}.html").is_file() for page in WRITTEN_BY_HAND)
    assert 'id="lira.attacks.lira.leave_one_out"' in (site / "api" / "attacks.html").read_text()


def test_links_out_of_the_folder_of_pages_lead_somewhere(site):
    assert 'href="index.html"' in (site / "reproduce.html").read_text()
    assert 'href="configuration.html"' in (site / "index.html").read_text()


def test_no_page_loads_anything_from_another_server(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert not [page for page in pages if LOADED.search(page.read_text())]


def test_docstrings_are_shown_without_their_markup(site):
    texts = {page.name: CODE.sub("", page.read_text()) for page in (site / "api").iterdir()}
    assert not {name: LEFT_OVER.search(text) for name, text in texts.items() if LEFT_OVER.search(text)}
