"""What the documentation site has beside the pages of this folder; mkdocs.yml names this file."""

import posixpath
import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages that lie elsewhere in the repository, and where the site has them."""

LINK = re.compile(r"(?<=\]\()([^()#:\s]+)(?=[#)])")
ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([\w.]+)`")


def on_files(files, config):
    """Adds the pages that lie elsewhere and a page of the API for every package."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(root / source)))
    for package in sorted(path.parent.name for path in root.glob("lira/*/__init__.py")):
        files.append(File.generated(config, f"api/{package}.md", content=f"::: lira.{package}\n"))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lets links that are right in the repository be right in the site; a file that is no page comes along as it is."""
    root = Path(config.config_file_path).parent
    at = page.file.src_uri
    source = next((source for source, moved in PAGES.items() if moved == at), f"docs/{at}")

    def moved(match):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[0]))
        if not (root / target).is_file():
            return match[0]
        uri = PAGES.get(target, target.removeprefix("docs/"))
        if uri not in files.src_uris:
            files.append(File.generated(config, uri, abs_src_path=str(root / target)))
        return posixpath.relpath(uri, posixpath.dirname(at))

    return LINK.sub(moved, markdown)


class CrossReferences(griffe.Extension):
    """Makes links of the roles in docstrings, such as ``:func:`name```; what does not exist fails the strict build."""

    def on_package(self, *, pkg, **kwargs):
        """Names are resolved when all modules are known."""
        for thing in (pkg, *_within(pkg)):
            if thing.docstring:
                thing.docstring.value = ROLE.sub(lambda match, at=thing: _link(at, match[1]), thing.docstring.value)


def _within(thing):
    for member in thing.members.values():
        if not member.is_alias:
            yield member
            yield from _within(member)


def _link(thing, name):
    """A name as a link to its entry, or as it is where it is known and has no docstring, hence no entry."""
    head, dot, rest = name.partition(".")
    try:
        path = name if head == "lira" else thing.resolve(head) + dot + rest
        entry = thing.modules_collection[path].has_docstrings
    except (griffe.NameResolutionError, KeyError):
        path, entry = name, True
    return f"[`{name}`][{path}]" if entry else f"`{name}`"
