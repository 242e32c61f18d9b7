"""What the documentation site has beside the pages of this folder; mkdocs.yml names this file."""

import ast
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

LINK = re.compile(r"\[([^\[\]]*)\]\(([^()#:\s]+)((?:#[^()\s]*)?)\)")
EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
TABLE = re.compile(r"^(=+ +)=+\n(.+?)\n=+ +=+$", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([\w.]+)`")


def on_files(files, config):
    """Adds the pages that lie elsewhere, and the API pages that the navigation lists."""
    root = Path(config.config_file_path).parent
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(root / source)))
    (listed,) = (section["API"] for section in config.nav if "API" in section)
    for page in (page for page in listed if page.startswith("api/")):
        name = Path(page).stem
        text = _entrance(root) if name == "index" else f"---\ntitle: lira.{name}\n---\n\n::: lira.{name}\n"
        files.append(File.generated(config, page, content=text))
    return files


def _entrance(root):
    """What `import lira` gives, each name with a link to its entry."""
    tree = ast.parse((root / "lira" / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("lira.")]
    names = sorted((alias.name, node.module) for node in imports for alias in node.names)
    lines = [f"- [`lira.{name}`][{module}.{name}]" for name, module in names]
    return "\n".join(["::: lira", "    options: {members: false}", "", "Names:", "", *lines, ""])


def on_page_markdown(markdown, page, config, files):
    """Lets links that are right in the repository be right in the site.

    A file that is no page comes along as it is; the site has nothing to show for a folder, which loses its link.
    """
    root = Path(config.config_file_path).parent
    at = page.file.src_uri
    source = next((source for source, moved in PAGES.items() if moved == at), f"docs/{at}")

    def moved(match):
        text, link, anchor = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
        if (root / target).is_dir():
            return text
        if not (root / target).is_file():
            return match[0]
        uri = PAGES.get(target, target.removeprefix("docs/"))
        if uri not in files.src_uris:
            files.append(File.generated(config, uri, abs_src_path=str(root / target)))
        return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(at))}{anchor})"

    return LINK.sub(moved, markdown)


class Docstrings(griffe.Extension):
    """Makes Markdown of examples, of tables and of roles such as ``:func:`name```.

    A role whose name does not exist fails the strict build.
    """

    def on_package(self, *, pkg, **kwargs):
        """Names are resolved when all modules are known."""
        for thing in (pkg, *_within(pkg)):
            if thing.docstring:
                text = EXAMPLE.sub(r"```pycon\n\g<0>\n```", TABLE.sub(_table, thing.docstring.value))
                thing.docstring.value = ROLE.sub(lambda match, at=thing: _link(at, match[1]), text)


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


def _table(match):
    rows = []
    for line in match[2].splitlines():
        name, text = line[: len(match[1])].strip(), line[len(match[1]) :].strip().replace("|", r"\|")
        if name:
            rows.append(f"| `{name}` | {text}")
        else:
            rows[-1] += f" {text}"
    return "\n".join(["| | |", "|---|---|", *rows])
